"""``poolhand worker set`` and ``notify``: settings of a worker that runs, and whom it tells."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from poolhand.cli.finding import BaseOption, UrlOption, WorkerNameOption, find_page
from poolhand.cli.plain import JsonFlag
from poolhand.cli.saying import say
from poolhand.domain.errors import Refused, Unavailable


def add_set(app: typer.Typer) -> None:
    """Add the verbs to a noun."""
    app.command("set")(set_settings)
    app.command("notify")(notify)


def set_settings(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="None: show what holds.")
    ] = None,
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Change settings of a running worker, at once and over restarts; NAME= takes a change back.

    Without an argument it shows what can be changed so, what holds, and where that comes from. The
    changes are kept in settings.toml in the worker's folder, which may be edited as well.

    Example: poolhand worker set schedule="weekdays 22:00-07:00, weekend all day"

    Exit codes: 0 changed, 2 no such setting or value, one that needs a restart, settings that
    contradict one another, or no token, 4 no worker answers.
    """
    from poolhand.cli.live_settings import changes_of, settings_report

    page, wanted = find_page(url, base, name), changes_of(changes or ())
    told = page.order("settings", {"changes": wanted}) if wanted else page.tell("settings")
    if as_json:
        print(json.dumps(told, indent=2))
        return
    from poolhand.cli.terminal import Console

    Console(soft_wrap=False).print(settings_report(told))


def notify(
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Bring a notice everywhere that `poolhand worker set notify=…` names, to see that it arrives.

    A worker tells so that it is out of gas, has lost stake, is outdated or off: each at most every
    six hours, and what passes within ten minutes not at all.

    Example: poolhand worker notify

    Exit codes: 0 it has arrived wherever it went, 2 no target is set, or no token, 4 a target was
    not reached, or no worker answers.
    """
    brought = find_page(url, base, name).order("notify")["brought"]
    if as_json:
        print(json.dumps(brought, indent=2))
    if not brought:
        raise NoTarget
    for target, fault in brought.items():
        if not as_json:
            say(f"{target}: {fault or 'arrived'}", on_output=True)
    failed = [target for target, fault in brought.items() if fault is not None]
    if failed:
        raise NotBrought(failed[0], brought[failed[0]])


class NoTarget(Refused):
    """Nobody is to be told of anything."""

    def __init__(self) -> None:
        super().__init__(
            "nobody is told of anything: `poolhand worker set notify=https://…` (or desktop, or "
            "mailto:you@example.com with notify-smtp) names who is"
        )


class NotBrought(Unavailable):
    """A notice has not arrived somewhere."""

    def __init__(self, target: str, fault: str) -> None:
        super().__init__(f"{target} was not reached ({fault}): correct notify, or try again later")
