"""``poolhand worker doctor``: is all there that a worker needs, and how to fix what is not?"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand import __version__
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.plain import JsonFlag
from poolhand.cli.programs import flag_of, member_of, with_switches
from poolhand.devnet.info import DevnetInfo, NoDevnet, devnet_home
from poolhand.keys.named import the_wallet, told_password
from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings
from poolhand.settings.load import Rank, Settings, load

if TYPE_CHECKING:
    from poolhand.domain.doctor.findings import Examination
    from poolhand.domain.ids import Address

CONFIG: Final = Annotated[
    Path | None, typer.Option("--config", help="TOML file with these settings.")
]
_OF_DEVNET: Final = "the devnet that runs here"
DOCTOR_DOC: Final = """Look whether all is there that a worker needs; say how to fix what is not.

    Takes the settings that `worker start` takes, sends nothing, changes nothing, and asks for no
    password. Where no chain is named, it is that of the devnet that runs here.

    Example: poolhand worker doctor --chain arbitrum --wallet ~/worker.json \\
    --core-url https://pool.example \\
    --pool-address 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd

    Exit codes: 0 nothing failed (there may be warnings), 1 a check failed, 2 a setting cannot be
    read.
    """


def add_doctor(app: typer.Typer) -> None:
    """Add the verb to a noun."""

    def command(**given: Any) -> None:
        told = examination_of(settings_found(given))
        if given["as_json"]:
            from poolhand.wire.doctor_json import encode_examination

            print(json.dumps(encode_examination(told, __version__), indent=2))
        else:
            from poolhand.cli.doctor_page import doctor_page
            from poolhand.cli.terminal import Console

            Console(highlight=False, soft_wrap=False).print(doctor_page(told))
        if not told.is_sound:
            raise typer.Exit(NOT_COMPLETED)

    add_worker_verb(app, "doctor", command, DOCTOR_DOC)


def add_worker_verb(
    app: typer.Typer,
    name: str,
    command: Callable[..., None],
    doc: str,
    more: tuple[inspect.Parameter, ...] = (),
) -> None:
    """Add a verb that takes all settings of a worker.

    Args:
        app: The group.
        name: Of the verb.
        command: Given the settings as they were typed, ``config``, ``as_json`` and ``more``.
        doc: Help text, its example included.
        more: What else the verb takes.
    """
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *map(flag_of, DOCTOR_OPTIONS),
        *more,
        inspect.Parameter("config", kind, default=None, annotation=CONFIG),
        inspect.Parameter("as_json", kind, default=False, annotation=JsonFlag),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(name, help=doc, cls=with_switches(DOCTOR_OPTIONS))(command)


def settings_found(given: Mapping[str, Any]) -> Settings:
    """Return the settings in force: as `worker start` finds them, a devnet's where none names any.

    Args:
        given: Flags as they were typed, and ``config``.
    """
    flags = {option.key: given[member_of(option)] for option in DOCTOR_OPTIONS}
    return of_devnet(load(DOCTOR_OPTIONS, flags, os.environ, given["config"]))


def of_devnet(found: Settings) -> Settings:
    """Fill in what the devnet that runs here knows, where no chain is named."""
    if found["chain"] or found["rpc"] or found["hub"]:
        return found
    try:
        devnet = DevnetInfo.read(devnet_home())
    except NoDevnet:
        return found
    told = {
        "rpc": (devnet.rpc_url,),
        "hub": _address(devnet.hub),
        "core-url": devnet.pool_url,
        "pool-address": _address(devnet.workerpool),
        "allowed-registries": (devnet.registry,),
        "locks": devnet_home() / "locks",
    }
    for key, value in told.items():
        if found.rank(key) is Rank.DEFAULT and not (key == "core-url" and found["pool-url"]):
            found = found.decided(key, value, _OF_DEVNET)
    return found


def _address(text: str) -> Address:
    from poolhand.domain.ids import Address

    return Address.parse(text)


def examination_of(found: Settings) -> Examination:
    """Let the doctor look at the worker that settings describe."""
    import asyncio

    from poolhand import observe
    from poolhand.cli.funding import where_from
    from poolhand.worker.doctor.main import examine_worker

    observe.configure(level="error", sentences=True)
    return asyncio.run(
        examine_worker(
            doctor_settings(found, os.environ),
            lambda: the_wallet(found["wallet"], found["keystore"]),
            lambda: told_password(found, "wallet-password"),
            where_from,
        )
    )
