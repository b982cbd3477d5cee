"""``poolhand devnet fault``: let the world of a devnet misbehave; all of it is simulated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand.cli.plain import JsonFlag, Noun
from poolhand.devnet.info import devnet_home
from poolhand.domain.errors import Refused

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.devnet.faults import Fault

app = Noun(
    no_args_is_help=True,
    help="Let the world misbehave (simulated).",
)

FaultArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `fault list` shows.")]
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="WORD", help="Values in the order shown, or field=value."),
]
TITLE: Final = "Faults in force (simulated)"


class NothingToClear(Refused):
    """Neither a fault nor all of them were named."""


@app.command("list")
def list_faults(as_json: JsonFlag = False) -> None:
    """Show what is wrong now, and which faults there are.

    Example: poolhand devnet fault list

    Exit codes: 0 shown, 2 no devnet with faults runs.
    """
    from rich.console import Group

    from poolhand.cli.render import grid
    from poolhand.cli.terminal import Console
    from poolhand.devnet.faults import FaultClient
    from poolhand.devnet.faults.kinds import FAULT_KINDS, usage

    found = _run(FaultClient(devnet_home()).in_force())
    if as_json:
        _print_json(found, usages={name: usage(kind) for name, kind in FAULT_KINDS.items()})
        return
    known = [
        (usage(kind), (kind.__doc__ or "").partition("\n\n")[0].replace("\n    ", " "))
        for kind in FAULT_KINDS.values()
    ]
    Console().print(Group(shown(found), grid(("fault", "what happens"), known, "Faults there are")))


@app.command("set")
def set_fault(name: FaultArgument, words: WordsArgument = None, as_json: JsonFlag = False) -> None:
    """Let a fault happen; it lasts until it is cleared (reorg is over at once).

    Examples:
      poolhand devnet fault set partition worker-1 pool
      poolhand devnet fault set partition workers node silent=true
      poolhand devnet fault set lag 3 caller=pool
      poolhand devnet fault set reorg 5 lose=true
      poolhand devnet fault set gas 100
      poolhand devnet fault set down pool how=term

    Exit codes: 0 set, 2 there is no such fault or it cannot be here, 4 it could not be done.
    """
    from poolhand.devnet.faults import FaultClient
    from poolhand.devnet.faults.kinds import read

    _tell(_run(FaultClient(devnet_home()).set(read(name, words or ()))), as_json=as_json)


@app.command("clear")
def clear_fault(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="As it was set.")] = "",
    words: WordsArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Clear every fault.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a fault back: all of its name, or those whose first words are given.

    Examples:
      poolhand devnet fault clear partition worker-1
      poolhand devnet fault clear --all

    Exit codes: 0 cleared, 2 it is not in force, 4 it could not be done.
    """
    from poolhand.devnet.faults import FaultClient

    client = FaultClient(devnet_home())
    if bool(name) == everything:
        raise NothingToClear("name the fault to clear, or give --all")
    clearing = client.clear_all() if everything else client.clear_named(name, words or ())
    _tell(_run(clearing), as_json=as_json)


def in_force(home: Path) -> tuple[Fault, ...] | None:
    """Return what is wrong on the devnet of a folder; None when it cannot misbehave."""
    from poolhand.devnet.faults import FaultClient
    from poolhand.devnet.faults.control import NoFaultsHere

    try:
        return _run(FaultClient(home).in_force())
    except NoFaultsHere:
        return None


def shown(faults: tuple[Fault, ...]) -> RenderableType:
    """Return what a person reads of faults."""
    from poolhand.cli.render import grid
    from poolhand.devnet.faults.kinds import words

    if not faults:
        return "no fault is in force"
    return grid(("fault",), ((words(fault),) for fault in faults), TITLE)


def dumped(faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
    """Return what a program reads of faults."""
    from poolhand.devnet.faults.kinds import dump

    return [dump(fault) for fault in faults]


def _run(
    asking: Coroutine[Any, Any, tuple[Fault, ...]],
) -> tuple[Fault, ...]:
    return asyncio.run(asking)


def _tell(faults: tuple[Fault, ...], *, as_json: bool) -> None:
    if as_json:
        _print_json(faults)
    else:
        from poolhand.cli.terminal import Console

        Console().print(shown(faults))


def _print_json(faults: tuple[Fault, ...], **more: Any) -> None:
    print(json.dumps({"faults": dumped(faults), **more}, indent=2))
