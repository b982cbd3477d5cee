"""The parts of a fleet's page, each made of what ``GET /v1/fleet`` tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final, TypeAlias

from poolhand.domain.replicate.status import Party
from poolhand.domain.text import shown
from poolhand.transport.page.html import badge, figure, short, table, text
from poolhand.transport.page.words import NOT_KNOWN, amount, coin

ToldFleet: TypeAlias = Mapping[str, Any]
_STATE_KINDS: Final[Mapping[str, str]] = {
    "computes": "good",
    "draining": "warn",
    "paused": "warn",
    "not let in": "bad",
    "no answer": "bad",
    "not running": "bad",
}
"""How states look; others are neither good nor bad."""
_WHAT_TO_DO: Final[Mapping[str, str]] = {
    "not let in": "its own page, and `poolhand worker status`, say why",
    "no answer": "wait; if it stays so, end its process, and give `poolhand fleet resume`",
    "not running": "`poolhand fleet resume` starts it; its `worker.log` says why it ended",
}
"""What a person does about a worker that does not work."""
_OF_POOL: Final = ("pool-unreachable", "pool-refuses")
"""Causes at a pool for which its workers can do nothing, and that their operator should know."""
_MOST_WORKERS_NAMED: Final = 5
"""Workers that are named before the others are counted."""
_PAGE_COLUMNS: Final = (
    "Worker", "Wallet", "State", "Tasks", "Free stake", "Locked", "Earned", "Gas",
)  # fmt: skip
_COMMAND: Final = re.compile("`([^`]*)`")
_AMOUNT_COLUMNS: Final = 5
"""Columns with numbers, the last ones."""


def title(told: ToldFleet) -> str:
    """Return the page's title: how many do something."""
    at_work = told["together"]["states"].get("computes", 0)
    return f"{at_work} of {len(told['workers'])} at work · {shown(told['fleet'], 60)} · Poolhand"


def sections(told: ToldFleet) -> dict[str, str]:
    """Return every part by its id."""
    return {name: make(told) for name, make in FLEET_SECTIONS.items()}


def _head(told: ToldFleet) -> str:
    states = told["together"]["states"]
    counts = " ".join(
        badge(f"{count} {state}", _STATE_KINDS.get(state, "")) for state, count in states.items()
    )
    return (
        f"<h1>Fleet {text(told['fleet'])}</h1>"
        f'<p class="lead">Workers of <span class="id">{text(told["pool"])}</span></p>'
        f"<p>{counts or 'It has no workers.'}</p>"
    )


def _figures(told: ToldFleet) -> str:
    all_of, count = told["together"], len(told["workers"])
    known = all_of["known"]
    wallets = f"{known} wallets" if known == count else f"{known} of {count} wallets"
    earned = f"in the last {told['blocks']:,} blocks"
    if not all_of["earned_complete"]:
        earned += ", as far as they are read"
    rows = [
        figure("Slots in use", f"{all_of['held']} of {all_of['slots']}", "of workers that answer"),
        figure("Free stake", amount(all_of["stake_nrlc"]), f"of {wallets}"),
        figure("Locked stake", amount(all_of["locked_nrlc"]), "comes free when tasks are over"),
        figure("Earned", amount(all_of["earned_nrlc"]), earned),
        figure("Gas", coin(all_of["coin_wei"]), f"in {wallets}"),
    ]
    return f'<dl class="figures">{"".join(rows)}</dl>'


def _attention(told: ToldFleet) -> str:
    cards = "".join(
        f'<div class="card"><p><strong>{text(what)}</strong>: {_named(names)}</p>'
        f"<p>What would change it: {_typed(change)}</p></div>"
        for (what, change), names in _troubles(told["workers"]).items()
    )
    return f'<h2 id="attention-title">What keeps workers from work</h2>{cards}' if cards else ""


def _troubles(workers: Iterable[ToldFleet]) -> dict[tuple[str, str], list[str]]:
    """Return what hinders workers, with the names of those that it hinders."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in workers:
        if each["state"] in _WHAT_TO_DO:
            found.setdefault((each["state"], _WHAT_TO_DO[each["state"]]), []).append(each["name"])
            continue
        for cause in each["idle_causes"]:
            if cause["acts"] == Party.OPERATOR or cause["code"] in _OF_POOL:
                key = cause["sentence"], cause["change"]
                found.setdefault(key, []).append(each["name"])
    return found


def _named(names: list[str]) -> str:
    more = (
        f" and {len(names) - _MOST_WORKERS_NAMED} more" if len(names) > _MOST_WORKERS_NAMED else ""
    )
    return text(", ".join(names[:_MOST_WORKERS_NAMED]) + more)


def _typed(words: str) -> str:
    """Write a sentence with commands in it."""
    return _COMMAND.sub(r"<code>\1</code>", text(words))


def _workers(told: ToldFleet) -> str:
    rows = [_row(each) for each in told["workers"]]
    return (
        f'<h2 id="workers-title">Workers</h2>{table(_PAGE_COLUMNS, rows, _AMOUNT_COLUMNS)}'
        if rows
        else ""
    )


def _row(each: ToldFleet) -> tuple[str, ...]:
    held = NOT_KNOWN if each["held"] is None else f"{each['held']} of {each['slots']}"
    kind = _STATE_KINDS.get(each["state"], "")
    stakes = (amount(each[name]) for name in ("stake_nrlc", "locked_nrlc", "earned_nrlc"))
    return (
        _name(each), short(each["wallet"]), badge(each["state"], kind),
        held, *stakes, coin(each["coin_wei"]),
    )  # fmt: skip


def _name(each: ToldFleet) -> str:
    """Write a worker's name, which leads to its own page where that is known."""
    if not each.get("address"):
        return text(each["name"])
    return (
        f'<a href="{escape(each["address"])}" target="_blank" rel="noopener noreferrer">'
        f"{text(each['name'])}</a>"
    )


FLEET_SECTIONS: Final[Mapping[str, Callable[[ToldFleet], str]]] = {
    "head": _head,
    "figures": _figures,
    "attention": _attention,
    "workers": _workers,
}
"""In the order in which they stand on the page."""
