"""``poolhand app``: application images on chain."""

from __future__ import annotations

from typing import Annotated

import typer

from poolhand.cli.app_image import add_image
from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import AddressArgument
from poolhand.cli.selling import add_selling
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.market_events import OrderSort

app = noun("Build an app's image, register it, and sell runs of it.")

ImageArgument = Annotated[
    str, typer.Argument(metavar="IMAGE", help="registry/owner/name:tag, pushed already.")
]
AppNameOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name on chain; the image's if left out.")
]


@verb(app, "deploy", example="poolhand app deploy docker.io/owner/app:1.0")
async def deploy(command: CommandRun, image: ImageArgument, name: AppNameOption = "") -> Answer:
    """Register an image with its digest; the same image again gives the same app."""
    from poolhand.cli.deployed import deployed_answer

    async with command.requester(signing=True) as requester:
        return deployed_answer("app", await requester.deploy_app(command.image(image), name))


@verb(app, "show", example="poolhand app show 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
async def show(command: CommandRun, address: AddressArgument) -> Answer:
    """Show what the chain says of an app."""
    from poolhand.cli.render import pairs
    from poolhand.domain import multiaddr

    async with command.requester() as requester:
        found = await requester.app(address)
    image = multiaddr.decode(found.multiaddr)
    members = {
        "address": str(found.address),
        "owner": str(found.owner),
        "name": found.name,
        "type": found.type,
        "image": image,
        "checksum": "0x" + found.checksum.hex(),
    }
    return Answer(members, lambda: pairs(members.items()))


add_image(app)
add_selling(app, OrderSort.APP)
