"""``poolhand dataset``: datasets on chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import AddressArgument, SimulatedServiceFlag, checksum
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

ClearArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What is to be hidden.")]
EncryptedOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Where to. [<file>.enc]")
]
DatasetKeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Where the key goes. [<file>.key]")
]
PushedKeyOption = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="The key that `dataset encrypt` made.")
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


@verb(app, "encrypt", example="poolhand dataset encrypt moby-dick.txt", local=True)
def encrypt(
    command: CommandRun,
    file: ClearArgument,
    to: EncryptedOption = None,
    key: DatasetKeyOption = None,
) -> Answer:
    """Encrypt a file as iExec's SDK does, under a new key that stays here: keep a copy of it."""
    from poolhand.cli.render import pairs
    from poolhand.client.dataset_files import encrypt_dataset_file

    del command
    made = encrypt_dataset_file(file, to or "", key or "")
    members = {"encrypted": str(made.file), "key": str(made.key), "checksum": made.checksum}
    return Answer(members, lambda: pairs(members.items()))


@verb(
    app,
    "push-secret",
    example="poolhand dataset push-secret 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd "
    "--key moby-dick.txt.key",
)
async def push_secret(
    command: CommandRun,
    address: AddressArgument,
    key: PushedKeyOption,
    accept_simulated_tee: SimulatedServiceFlag = False,
) -> Answer:
    """Push the key of a dataset of yours, once: enclaves that may read it are told it."""
    from poolhand.cli.dataset_keys import read_key
    from poolhand.cli.render import pairs
    from poolhand.requester.own_secrets import dataset_place

    value, dataset = read_key(key), address
    async with command.requester(signing=True) as requester:
        url = await requester.secrets.push(
            dataset_place(dataset),
            value,
            requester.wallet.signer,
            accepts_simulated=accept_simulated_tee,
        )
    members = {"dataset": str(dataset), "sms": url}
    return Answer(members, lambda: pairs(members.items()))


@verb(
    app,
    "check-secret",
    example="poolhand dataset check-secret 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd",
)
async def check_secret(command: CommandRun, address: AddressArgument) -> Answer:
    """Tell whether the key of a dataset was pushed; exit code 1 where it was not."""
    from poolhand.requester.own_secrets import dataset_place

    async with command.requester() as requester:
        found = await requester.secrets.has(dataset_place(address))
    return Answer({"is_there": found}, lambda: "there" if found else "not there", int(not found))


add_selling(app, OrderSort.DATASET)
