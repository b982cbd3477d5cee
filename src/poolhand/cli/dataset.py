"""``poolhand dataset``: datasets on chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import AddressArgument, checksum
from poolhand.cli.selling import add_selling
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.market_events import OrderSort

app = noun("Register a dataset, and sell its use.")

DatasetUrlArgument = Annotated[
    str, typer.Argument(metavar="URL", help="Where workers get it: https://… or /ipfs/….")
]
DatasetNameOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name on chain; the file's if left out.")
]
FileOption = Annotated[
    str, typer.Option("--file", metavar="FILE", help="A local copy to compute the checksum of.")
]
ChecksumOption = Annotated[
    str,
    typer.Option("--checksum", metavar="SHA256", help="If known; else the URL is downloaded."),
]


@verb(app, "deploy", example="poolhand dataset deploy https://example.com/moby-dick.txt")
async def deploy(
    command: CommandRun,
    url: DatasetUrlArgument,
    name: DatasetNameOption = "",
    file: FileOption = "",
    sha256: ChecksumOption = "",
) -> Answer:
    """Register a dataset with its checksum; the same dataset again gives the same address."""
    from poolhand.cli.deployed import deployed_answer

    digest = checksum(sha256) if sha256 else None
    async with command.requester(signing=True) as requester:
        deployed = await requester.deploy_dataset(
            url, name, file=Path(file) if file else None, checksum=digest
        )
    return deployed_answer("dataset", deployed)


@verb(app, "show", example="poolhand dataset show 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
async def show(command: CommandRun, address: AddressArgument) -> Answer:
    """Show what the chain says of a dataset."""
    from poolhand.cli.render import pairs
    from poolhand.domain import multiaddr

    async with command.requester() as requester:
        found = await requester.dataset(address)
    members = {
        "address": str(found.address),
        "owner": str(found.owner),
        "name": found.name,
        "location": multiaddr.decode(found.multiaddr),
        "checksum": "0x" + found.checksum.hex(),
    }
    return Answer(members, lambda: pairs(members.items()))


add_selling(app, OrderSort.DATASET)
