"""Orders to all workers of a fleet: drain, resume, stop. Each worker is told by itself.

One that does not answer keeps none of the others from being told, and is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.fleet.launch import FleetLauncher
from poolhand.cli.fleet.rows import ask_all, member_page
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.domain.errors import PoolhandError

_PAUSE_BETWEEN_WORKER_LOOKS: Final = 0.5
"""Seconds between two looks at workers that finish or start."""
LONGEST_ORDER: Final = 10.0
"""Seconds for a worker to take an order."""


@dataclass(frozen=True, slots=True)
class OrderTold:
    """What became of an order to one worker; ``trouble`` is empty where it was taken."""

    member: FleetMember
    state: str
    trouble: str = ""

    def members(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"name": self.member.name, "state": self.state, "trouble": self.trouble or None}


def drain_all(
    folder: FleetFolder, members: Sequence[FleetMember], *, collecting: bool = False
) -> list[OrderTold]:
    """Have workers finish what they hold, and then end; none of them is started again.

    Args:
        folder: Of the fleet.
        members: Which workers.
        collecting: Whether a collection wants it, which starts them again; an operator who wants it
            meanwhile is obeyed.
    """
    _mark_stopped(folder, members, collecting=collecting)
    return _order_all(folder, members, "drain", "draining", "not running")


def end_all(folder: FleetFolder, members: Sequence[FleetMember]) -> list[OrderTold]:
    """End workers at once; none of them is started again. Their journals keep what is owed."""
    _mark_stopped(folder, members)
    return _order_all(folder, members, "stop", "ending", "not running")


def resume_all(
    folder: FleetFolder, members: Sequence[FleetMember], launcher: FleetLauncher
) -> list[OrderTold]:
    """Have workers take tasks again, and start those that do not run."""
    for each in members:
        folder.mark(each, stopped=False)
    told = _order_all(folder, members, "resume", "resumed", "started")
    launcher.start([each.member for each in told if each.state == "started"])
    for each in members:
        folder.forget_collecting(each)
    return told


def _mark_stopped(
    folder: FleetFolder, members: Sequence[FleetMember], *, collecting: bool = False
) -> None:
    for each in members:
        if not collecting:
            folder.forget_collecting(each)
        folder.mark(each, stopped=True)


def _order_all(
    folder: FleetFolder, members: Sequence[FleetMember], verb: str, done: str, absent: str
) -> list[OrderTold]:
    def order(member: FleetMember) -> OrderTold:
        page = member_page(folder, member)
        if page is None:
            return OrderTold(member, absent)
        try:
            page.order(verb, time_limit=LONGEST_ORDER)
        except WorkerSilent:
            why = "it runs and does not answer: wait, or end its process, and give the same again"
            return OrderTold(member, "no answer", why)
        except PoolhandError as fault:
            return OrderTold(member, "no answer", str(fault))
        return OrderTold(member, done)

    return list(ask_all(members, order).values())


def await_ended(
    folder: FleetFolder, members: Sequence[FleetMember], told: Callable[[str], None]
) -> None:
    """Wait until no worker runs any more, and tell how many still do whenever that changes."""
    before = -1
    while left := [each for each in members if member_page(folder, each) is not None]:
        if len(left) != before:
            told(f"{len(left)} of {len(members)} still finish what they hold")
            before = len(left)
        time.sleep(_PAUSE_BETWEEN_WORKER_LOOKS)


def await_let_in(
    folder: FleetFolder,
    members: Sequence[FleetMember],
    limit: float,
    told: Callable[[str], None],
    elapsed: Callable[[], float] = time.monotonic,
) -> tuple[FleetMember, ...]:
    """Wait until the pool has let in all workers; return those that it has not in time.

    Args:
        folder: Of the fleet.
        members: Who were started.
        limit: Seconds.
        told: Of how many are in, whenever that changes.
        elapsed: Seconds, by a clock that nobody sets.
    """
    waiting, began = tuple(members), elapsed()
    while waiting:
        found = ask_all(waiting, lambda each: _is_in(member_page(folder, each)))
        left = tuple(each for each in waiting if not found[each])
        if len(left) != len(waiting):
            told(f"{len(members) - len(left)} of {len(members)} are let in")
        waiting = left
        if not waiting or elapsed() - began >= limit:
            break
        time.sleep(_PAUSE_BETWEEN_WORKER_LOOKS)
    return waiting


def _is_in(page: Page | None) -> bool:
    try:
        return page is not None and bool(page.status(LONGEST_ORDER).get("connected"))
    except WorkerSilent:
        return False
