"""Long-running programs as commands: flags from their options, logs, signals, one ready line."""

from __future__ import annotations

import inspect
import json
import os
import signal
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

import typer

from poolhand.cli.choosing import with_wallet
from poolhand.cli.plain import PlainCommand
from poolhand.settings.load import SWITCH_WORDS, Option, Settings, load

Ready: TypeAlias = Callable[[str], None]
StartProgram: TypeAlias = Callable[[Settings, Ready], Coroutine[Any, Any, None]]


def add_program(
    app: typer.Typer,
    name: str,
    options: Iterable[Option],
    start: StartProgram,
    doc: str,
    find_wallet: Callable[[Settings], Settings] = with_wallet,
    in_force: Callable[[Settings], Settings] = lambda settings: settings,
) -> None:
    """Add a command that runs a program until it is stopped.

    Args:
        app: The group.
        name: Of the command.
        options: Of the program; each becomes a flag.
        start: Given the settings and what to call when the program is ready.
        doc: Help text, its example included.
        find_wallet: Decides the wallet of a program that signs, and usually its password.
        in_force: Adds what such a program keeps of its own, for ``--show-config``.
    """
    known = tuple(options)
    signs = any(option.key == "wallet-password" for option in known)

    def command(**given: Any) -> None:
        flags = {option.key: given[member_of(option)] for option in known}
        settings = load(known, flags, os.environ, given["config"])
        if given["show_config"]:
            _show(in_force(settings), as_json=given["as_json"])
            return
        if signs:
            settings = find_wallet(settings)
        _run(start, settings, given)

    parameters = [flag_of(option) for option in known] + _COMMON
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(name, help=doc, cls=with_switches(known))(command)


def with_switches(options: Iterable[Option]) -> type[WithSwitches]:
    """Return the kind of command whose switches, of these options, may stand alone."""
    switches = frozenset(f"--{option.key}" for option in options if option.is_switch)
    return type("ProgramCommand", (WithSwitches,), {"switches": switches})


def _run(start: StartProgram, settings: Settings, given: Mapping[str, Any]) -> None:
    import asyncio

    from poolhand import observe
    from poolhand.observe.program import begin_program

    observe.configure(json=given["log_json"], level=given["log_level"])
    begin_program()
    asyncio.run(until_stopped(start(settings, _ready_line(given["as_json"]))))


class WithSwitches(PlainCommand):
    """A command whose switches may stand alone: ``--gpu`` is ``--gpu true``."""

    switches: ClassVar[frozenset[str]] = frozenset()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the word in where it was left out."""
        return super().parse_args(ctx, spelled_out(args, self.switches))


def spelled_out(words: Sequence[str], switches: Container[str]) -> list[str]:
    """Return what was typed with a word behind every switch."""
    told: list[str] = []
    for word, after in pairwise((*words, "")):
        told.append(word)
        if word in switches and after.strip().lower() not in SWITCH_WORDS:
            told.append("true")
    return told


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or until SIGINT or SIGTERM: then cancel, and return as if it were done."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def member_of(option: Option) -> str:
    """Return the name of the argument that an option becomes."""
    return option.key.replace("-", "_")


def flag_of(option: Option) -> inspect.Parameter:
    """Return an option as a flag of a command."""
    default = option.default or ("required" if option.default is None else "none")
    names = " or ".join(option.variables)
    told = f"{option.meaning} [{names}; default: {default}]"
    kind = Annotated[str | None, typer.Option(f"--{option.key}", help=told, show_default=False)]
    return inspect.Parameter(
        member_of(option), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )


def _common(name: str, default: Any, kind: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


_COMMON = [
    _common(
        "config",
        None,
        Annotated[Path | None, typer.Option("--config", help="TOML file with these settings.")],
    ),
    _common(
        "show_config",
        False,
        Annotated[
            bool,
            typer.Option("--show-config", help="Print the settings in force and their origins."),
        ],
    ),
    _common(
        "as_json",
        False,
        Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")],
    ),
    _common(
        "log_json", False, Annotated[bool, typer.Option("--log-json", help="Write logs as JSON.")]
    ),
    _common(
        "log_level",
        "info",
        Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")],
    ),
]


def _ready_line(as_json: bool) -> Ready:
    def ready(url: str) -> None:
        if as_json:
            print(json.dumps({"url": url}), flush=True)
        else:
            from rich.text import Text

            from poolhand.cli.terminal import Console

            told = Text.assemble(("ready", "green"), f" at {url} (Ctrl-C stops)")
            Console(stderr=True).print(told)

    return ready


def _show(settings: Settings, *, as_json: bool) -> None:
    if as_json:
        rows = settings.rows()
        told = {row.option.key: {"value": row.shown, "origin": row.origin} for row in rows}
        print(json.dumps(told, indent=2))
        return
    from poolhand.cli.render import grid
    from poolhand.cli.terminal import Console

    cells = ((row.option.key, row.shown, row.origin) for row in settings.rows())
    Console().print(grid(("setting", "value", "origin"), cells, "Settings in force"))
