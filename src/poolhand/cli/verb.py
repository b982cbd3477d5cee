"""Verbs: every one has the same common options, an example, and an answer to show or to print.

A verb is a function of a ``CommandRun`` and its own arguments that returns an ``Answer``. The
decorator adds the common options, runs it, and prints.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_type_hints

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.exits import INTERRUPTED
from poolhand.cli.plain import JsonFlag, Noun

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb found.

    Attributes:
        members: JSON-ready object (or list), printed with ``--json``.
        shown: Builds what a person reads; called without ``--json`` only.
        exit_code: As ``cli.exits`` documents.
    """

    members: Any
    shown: Callable[[], RenderableType]
    exit_code: int = 0


Verb = TypeVar("Verb", bound=Callable[..., Answer | Awaitable[Answer]])

COMMON: Final[Mapping[str, Any]] = {
    "chain": Annotated[
        str, typer.Option(metavar="NAME", help="A public chain by name. [$POOLHAND_CHAIN]")
    ],
    "rpc": Annotated[
        list[str],
        typer.Option(metavar="URL", help="RPC endpoint; several allowed. [$POOLHAND_RPC]"),
    ],
    "hub": Annotated[str, typer.Option(metavar="ADDRESS", help="The PoCo hub. [$POOLHAND_HUB]")],
    "chain_id": Annotated[
        str, typer.Option(metavar="N", help="What endpoints must answer. [$POOLHAND_CHAIN_ID]")
    ],
    "pool_url": Annotated[
        str, typer.Option(metavar="URL", help="The workerpool. [$POOLHAND_POOL_URL]")
    ],
    "market": Annotated[
        str, typer.Option(metavar="URL", help="The market. [$POOLHAND_MARKET_URL]")
    ],
    "results_url": Annotated[
        str, typer.Option(metavar="URL", help="The results service. [$POOLHAND_RESULTS_URL]")
    ],
    "sms_url": Annotated[
        str, typer.Option(metavar="URL", help="Where secrets are kept. [$POOLHAND_SMS_URL]")
    ],
    "wallet": Annotated[
        str, typer.Option(metavar="FILE|ADDRESS", help="Who signs and pays. [$POOLHAND_WALLET]")
    ],
    "as_": Annotated[
        str, typer.Option("--as", metavar="NAME", help="An account of the devnet. [requester]")
    ],
    "password_file": Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The wallet's password; else $POOLHAND_WALLET_PASSWORD, or a question.",
        ),
    ],
    "config": Annotated[
        str, typer.Option(metavar="FILE", help="TOML with these settings. [$POOLHAND_CONFIG]")
    ],
}
"""Options of every verb that needs the chain; without any, the devnet that runs here is taken."""
LOCAL: Final = ("wallet", "password_file", "config")
"""Those that a verb without a chain has."""


def noun(about: str) -> Noun:
    """Return the group of a noun."""
    group = Noun(help=about)

    @group.callback()
    def about_it() -> None:
        """Stand between group and verbs, so that one verb alone stays a verb."""

    return group


def verb(
    group: typer.Typer, name: str, *, example: str, local: bool = False
) -> Callable[[Verb], Verb]:
    """Add a verb to a noun.

    Args:
        group: From ``noun``, or a ``Typer`` of its own for a noun that is its own verb.
        name: As typed.
        example: A whole command line, shown by ``--help``.
        local: Whether it needs no chain.
    """

    def register(function: Verb) -> Verb:
        def run(**given: Any) -> None:
            opener = given.pop("context").obj
            flags = {key: given.pop(key) for key in common}
            command = CommandRun(flags, as_json=given.pop("json"), opener=opener)
            _finish(command, function, given)

        common = LOCAL if local else tuple(COMMON)
        parameters = _parameters(function, common)
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        group.command(name, epilog=f"\b\nExample:\n  {example}")(run)
        return function

    return register


def _parameters(function: Callable[..., Any], common: tuple[str, ...]) -> list[Parameter]:
    """Return a verb's own parameters (its ``CommandRun`` left out), then the common ones."""
    hints = get_type_hints(function, include_extras=True)
    own = [
        each.replace(annotation=hints[each.name], kind=Parameter.KEYWORD_ONLY)
        for each in list(inspect.signature(function).parameters.values())[1:]
    ]
    added = [
        Parameter(
            key, Parameter.KEYWORD_ONLY, annotation=COMMON[key], default=[] if key == "rpc" else ""
        )
        for key in common
    ]
    json_flag = Parameter("json", Parameter.KEYWORD_ONLY, annotation=JsonFlag, default=False)
    context = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    return [context, *own, *added, json_flag]


def _finish(
    command: CommandRun,
    function: Callable[..., Answer | Awaitable[Answer]],
    given: Mapping[str, Any],
) -> None:
    try:
        answer = _called(function, command, given)
    except KeyboardInterrupt:
        command.note(command.farewell or "interrupted")
        raise typer.Exit(INTERRUPTED) from None
    if command.as_json:
        print(json.dumps(answer.members, indent=2))
    else:
        command.console.print(answer.shown())
    if answer.exit_code:
        raise typer.Exit(answer.exit_code)


def _called(
    function: Callable[..., Answer | Awaitable[Answer]],
    command: CommandRun,
    given: Mapping[str, Any],
) -> Answer:
    """Call a verb; only one that waits gets an event loop, which takes 50 ms to import."""
    answer = function(command, **given)
    if isinstance(answer, Answer):
        return answer
    import asyncio

    return asyncio.run(_awaited(answer))


async def _awaited(answer: Awaitable[Answer]) -> Answer:
    return await answer
