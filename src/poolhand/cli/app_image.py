"""``poolhand app image``: an app's image without a Dockerfile, built, pushed, deployed and sold."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.selling import PriceOption, VolumeOption
from poolhand.cli.verb import Answer, verb
from poolhand.domain.errors import Refused

if TYPE_CHECKING:
    from poolhand.appimage.composing import BuiltImage, PublishedImage
    from poolhand.appimage.image import Image
    from poolhand.client.app_images import ClientImages
    from poolhand.domain.market.book import BookOrder
    from poolhand.requester.assets import Deployed

PythonOption = Annotated[
    str, typer.Option("--python", metavar="VERSION", help="Such as 3.12. [that of this Python]")
]
ImageBaseOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="IMAGE", help="The image below it. [docker.io/library/python:3.…-slim]"
    ),
]
RequirementsOption = Annotated[
    list[Path] | None,
    typer.Option("--requirements", "-r", metavar="FILE", help="As pip reads it; repeatable."),
]
PackagesOption = Annotated[
    list[str] | None,
    typer.Option("--pip", metavar="PACKAGE", help="One more package, 'numpy>=2'; repeatable."),
]
CopyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--copy",
        "--file",
        metavar="SOURCE[:TO]",
        help="A file or folder, to /app or TO; repeatable. What is hidden in a folder stays out.",
    ),
]
EntrypointOption = Annotated[
    str,
    typer.Option(metavar="COMMAND", help="What it runs. [python3 and main.py or the only program]"),
]
VariableOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=TEXT", help="A variable, no secret; repeatable."),
]
PushOption = Annotated[
    str, typer.Option("--push", metavar="IMAGE", help="registry/owner/name:tag to push it to.")
]
ArchiveOption = Annotated[
    str, typer.Option("--output", metavar="FILE", help="An archive for `docker load` to write.")
]
LoadOption = Annotated[
    str,
    typer.Option("--load", metavar="NAME", help="Name under which this machine's engine gets it."),
]
FunctionsFlag = Annotated[
    bool,
    typer.Option("--functions", help="Let it run functions that programs in Python send."),
]
DeployFlag = Annotated[bool, typer.Option("--deploy", help="Register it as an app as well.")]
SellFlag = Annotated[bool, typer.Option("--publish", help="Sell runs of it in the market as well.")]
OnChainOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Name on chain. [the image's]")
]


class UnfitImageOption(Refused):
    """Options of an image that do not go together, or cannot be read."""


async def build_app_image(
    command: CommandRun,
    python: PythonOption = "",
    base: ImageBaseOption = "",
    requirements: RequirementsOption = None,
    pip: PackagesOption = None,
    copy: CopyOption = None,
    entrypoint: EntrypointOption = "",
    env: VariableOption = None,
    functions: FunctionsFlag = False,
    push: PushOption = "",
    output: ArchiveOption = "",
    load: LoadOption = "",
    deploy: DeployFlag = False,
    publish: SellFlag = False,
    price: PriceOption = "0",
    volume: VolumeOption = 1_000_000,
    name: OnChainOption = "",
) -> Answer:
    """Build an app's image of a Python, packages and files; push, register and sell it.

    No Dockerfile, no engine, and no code of any package runs: wheels are unpacked over a base. The
    same files and wheels give the same digest. Without --push it is built, and nothing leaves.
    """
    from poolhand.client.app_images import ClientImages

    _check(push, output, load, is_for_sale=deploy or publish)
    image = described_image(python, base, entrypoint, functions=functions)
    for file in requirements or ():
        image = image.from_requirements(file)
    image = image.pip(*(pip or ())).env(dict(map(_variable, env or ())))
    for each in copy or ():
        source, _, to = each.partition(":")
        image = image.copy(source, to)
    images = ClientImages(command, command.note)
    if load:
        built, whole = await images.load(image, load, _load), images.target(image, load)
        return _answer(image, built.digest, built=built, loaded=whole)
    if not push:
        built = await images.build(image, output)
        return _answer(image, built.digest, built=built, file=output)
    if not deploy and not publish:
        pushed = await images.push(image, push)
        return _answer(image, pushed.digest, pushed)
    return await _deployed(command, images, image, push, name, (price, volume) if publish else None)


async def _load(file: Path) -> None:
    """Have the engine of this machine take an archive."""
    import os

    from poolhand.containers.archive_loading import load_archive

    await load_archive(file, os.environ.get("DOCKER_HOST", ""))


def _check(push: str, output: str, load: str, *, is_for_sale: bool) -> None:
    """Refuse ways of an image that do not go together."""
    if is_for_sale and not push:
        raise UnfitImageOption(
            "what is registered or sold has to be where workers pull it: add --push IMAGE"
        )
    if sum(map(bool, (push, output, load))) > 1:
        raise UnfitImageOption(
            "an image is pushed, written to a file or loaded into an engine: name one of them"
        )


def described_image(python: str, base: str, entrypoint: str, *, functions: bool = False) -> Image:
    """Begin the description of an image by what is typed; raises UnfitImage."""
    from poolhand.appimage.image import Image

    if functions and entrypoint:
        raise UnfitImageOption("with --functions it runs what is sent: leave --entrypoint out")
    image = Image.python(python, base=base)
    if functions:
        return image.functions()
    try:
        words = shlex.split(entrypoint)
    except ValueError as fault:
        raise UnfitImageOption(f"--entrypoint has a quote that does not end ({fault})") from fault
    return image.entrypoint(*words) if words else image


async def _deployed(
    command: CommandRun,
    images: ClientImages,
    image: Image,
    to: str,
    name: str,
    terms: tuple[str, int] | None,
) -> Answer:
    """Build, push, register, and sell where there are terms; the wallet is opened first."""
    import asyncio

    from poolhand.domain.market_events import OrderSort
    from poolhand.domain.units import parse_rlc
    from poolhand.requester.selling import SaleTerms

    sale = None if terms is None else SaleTerms(parse_rlc(terms[0]), terms[1])
    async with command.requester(signing=True) as requester:
        market = None if sale is None else requester.market
        if market is not None:
            await market.health()  # it answers, before anything is built
        found = await images.deploy(requester, image, to, name)
        entry = None
        if sale is not None and market is not None:
            signed = await requester.selling.offer(OrderSort.APP, found.app.address, sale)
            entry = await requester.selling.publish_new(signed, market, asyncio.sleep)
    return _answer(image, found.image.digest, found.image, app_found=found.app, entry=entry)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UnfitImageOption(f"'{text[:60]}' sets no variable: write --env NAME=TEXT")
    return name, value


def _answer(
    image: Image,
    digest: str,
    pushed: PublishedImage | None = None,
    *,
    built: BuiltImage | None = None,
    file: str = "",
    loaded: str = "",
    app_found: Deployed | None = None,
    entry: BookOrder | None = None,
) -> Answer:
    """Tell of an image what came of it; the members are always the same."""
    from poolhand.appimage.image import described
    from poolhand.cli.render import pairs, receipt_members, receipt_row
    from poolhand.domain.doctor.machine import show_bytes

    members: dict[str, Any] = {
        "image": pushed.reference if pushed else None,
        "digest": f"sha256:{digest}",
        "size": built.size if built else None,
        "file": file or None,
        "loaded": loaded or None,
        "app": str(app_found.address) if app_found else None,
        "new": app_found.is_new if app_found else None,
        "transaction": receipt_members(app_found.receipt) if app_found else None,
        "order": str(entry.order_hash) if entry else None,
        **described(image),
    }
    known = app_found is not None and not app_found.is_new
    rows = (
        ("image", members["image"]),
        ("digest", members["digest"]),
        ("size", show_bytes(built.size) if built else None),
        ("file", members["file"]),
        ("in the engine as", members["loaded"]),
        ("app", members["app"]),
        ("note", "it was registered before; nothing was sent" if known else None),
        ("transaction", receipt_row(app_found.receipt) if app_found else None),
        ("order", members["order"]),
    )
    return Answer(members, lambda: pairs(rows))


def add_image(group: typer.Typer) -> None:
    """Add ``image`` to the noun of apps."""
    verb(
        group,
        "image",
        example=(
            "poolhand app image --python 3.12 -r requirements.txt --copy app.py "
            "--push docker.io/you/app:1.0 --deploy"
        ),
    )(build_app_image)
