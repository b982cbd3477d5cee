"""The entry point of ``poolhand``: finds the noun, runs the verb, maps errors to exit codes.

Nouns are loaded by name when they are spoken, so that ``poolhand --help`` is quick and a noun may
be absent from an installation.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.exceptions import TyperException

from poolhand import __version__
from poolhand.cli.exits import EXITS, INTERRUPTED, USAGE
from poolhand.cli.extras import extras_named
from poolhand.cli.faults import tell, tell_bug
from poolhand.cli.hiding import hide_password
from poolhand.cli.masking import without_secrets
from poolhand.cli.plain import PlainGroup
from poolhand.cli.usage import usage_message
from poolhand.domain.errors import Bug, PoolhandError, Refused
from poolhand.domain.text import is_well_formed

if TYPE_CHECKING:
    from poolhand.client.context import Opener

NOUNS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("demo", "Run two real tasks on a network of its own and show everything."),
    "devnet": ("devnet", "Start, stop and describe a whole network on this machine."),
    "run": ("run", "Buy a computation: deploy, order, match, watch, download."),
    "deal": ("deal", "Look at deals, and claim what was not delivered."),
    "task": ("task", "Look at tasks, follow them, download results."),
    "earnings": ("earnings", "Tell what an account earned, lost, paid, and spent on gas."),
    "wallet": ("wallet", "Create, import, list and export wallets; send RLC and coin."),
    "account": ("account", "Look at a stake, deposit RLC, withdraw it."),
    "app": ("app", "Build an app's image, register it, and sell runs of it."),
    "dataset": ("dataset", "Register a dataset, and sell its use."),
    "secret": ("secret", "Push secrets to apps and runs, and ask whether they are there."),
    "order": ("order", "Sign orders, sell by them, take them back, cancel them."),
    "pool": ("pool", "Create a workerpool, serve it, and see how it is."),
    "join": ("join", "Turn this computer into a worker of a pool, in one command."),
    "worker": ("worker", "Run a worker."),
    "fleet": ("fleet.verbs", "Run many workers, see them and tell them as one."),
    "signer": ("signer", "Keep a worker's key in another container, or as another user."),
    "results": ("results", "Serve results."),
    "sms": ("sms", "Keep secrets for those who compute with them."),
    "market": ("market", "Look into a market of orders, or serve one."),
    "debug": ("debug", "Look into the journal of a pool or a worker."),
    "diagnose": ("diagnose", "Write a file for whoever helps with a worker, without secrets."),
    "statuses": ("statuses", "Explain every status of a replicate."),
}
"""Noun to module of ``poolhand.cli`` (with an ``app``) and one line of help."""


class UnreadableArgument(Refused):
    """What was typed is no text."""

    def __init__(self, number: int) -> None:
        super().__init__(f"argument {number} is not valid UTF-8: type it again")


class Nouns(PlainGroup):
    """The top level, whose commands live in modules of their own."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the nouns of this installation."""
        del ctx
        return [noun for noun, (module, _) in NOUNS.items() if find_spec(_path(module))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a noun."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = typer.main.get_command(import_module(_path(NOUNS[cmd_name][0])).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the nouns without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(noun, NOUNS[noun][1]) for noun in self.list_commands(ctx)])


def _path(module: str) -> str:
    return f"poolhand.cli.{module}"


def exit_table() -> str:
    """Return the exit codes as lines of help."""
    return "\n".join(["\b", "Exit codes:", *(f"{code:>4}  {told}" for code, told in EXITS.items())])


app = typer.Typer(
    cls=Nouns,
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog=exit_table(),
)


@app.callback()
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Decentralised computing on iExec's contracts: buy it, sell it, or run it all at home.

    Amounts are in RLC. Every verb has --help with an example, and --json.
    """
    if version:
        typer.echo(f"poolhand {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line and exit with a documented code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal may know few characters
            stream.reconfigure(errors="backslashreplace")
    hide_password()
    sys.exit(run(sys.argv[1:]))


def _check(arguments: Sequence[str]) -> None:
    for number, each in enumerate(arguments, 1):
        if not is_well_formed(each):
            raise UnreadableArgument(number)


def run(arguments: Sequence[str], opener: Opener | None = None) -> int:
    """Run one command; return its exit code. The only place that catches everything.

    Args:
        arguments: Without the program's name.
        opener: Opens a requester; a test passes one on a fake chain.
    """
    as_json = "--json" in arguments
    try:
        _check(arguments)
        with extras_named():
            code = typer.main.get_command(app).main(
                list(arguments), prog_name="poolhand", standalone_mode=False, obj=opener
            )
    except TyperException as fault:
        words = usage_message(fault, fault.format_message() or "a verb is missing")
        message = without_secrets(words, arguments)
        tell("usage", f"{message} (see --help)", as_json=as_json)
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        tell("interrupted", "interrupted", as_json=as_json)
        return INTERRUPTED
    except Bug as fault:
        return tell_bug(fault, arguments, as_json=as_json)
    except PoolhandError as fault:
        tell(fault.code, fault.told, as_json=as_json)
        return fault.exit_code
    except Exception as fault:  # noqa: BLE001 - whatever else escapes is a bug, told as one
        return tell_bug(fault, arguments, as_json=as_json)
    return int(code or 0)
