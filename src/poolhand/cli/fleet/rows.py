"""How each worker of a fleet stands: what it says itself, and what the chain says of its wallet.

All are asked at the same time, each with a time limit: one that hangs delays nobody but itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from poolhand.cli.fleet.folder import Fleet, FleetFolder, FleetMember
from poolhand.cli.fleet.funding import holdings
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.domain.earnings import sum_up
from poolhand.domain.errors import PoolhandError
from poolhand.domain.fleet_money import WalletHolds
from poolhand.domain.units import NanoRlc, show_coin, show_rlc
from poolhand.worker.pid_file import read

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.requester.requester import Requester

T = TypeVar("T")

LONGEST_WORKER_ANSWER: Final = 2.0
"""Seconds for a worker to answer."""
LONGEST_HOLDINGS_READING: Final = 20.0
"""Seconds for the chain to tell of all wallets."""
LONGEST_EARNED_READING: Final = 20.0
"""Seconds for the chain to tell what all wallets have earned."""
WORKERS_ASKED_AT_ONCE: Final = 32
"""Workers that are asked at the same time."""
EARNED_READ_AT_ONCE: Final = 4
"""Wallets whose history is read at the same time."""
_READ_OF_STATUS: Final = frozenset(
    {"connected", "draining", "paused", "replicates", "slots", "idle_causes"}
)
"""What is read of a worker's word about itself; a worker of another version may tell less."""
FLEET_COLUMNS: Final = ("worker", "wallet", "state", "tasks", "stake", "gas", "earned", "why idle")


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One worker.

    Attributes:
        member: Which.
        state: In a word or two.
        status: What it says of itself; None where it does not answer, or runs elsewhere.
        holds: What the chain says of its wallet; None where the chain did not answer in time.
        earned: In all that was looked at (nRLC); None where that is not known.
        address: Of its page, with the token by which it is shown; empty where there is none.
    """

    member: FleetMember
    state: str
    status: Mapping[str, Any] | None = None
    holds: WalletHolds | None = None
    earned: NanoRlc | None = None
    address: str = field(default="", repr=False)

    @property
    def tasks(self) -> str:
        """Tasks that it holds, and its slots."""
        if self.status is None:
            return ""
        return f"{len(self.status['replicates'])}/{self.status['slots']}"

    @property
    def why_idle(self) -> str:
        """The first cause for which it takes nothing new, and what would change it."""
        causes = [] if self.status is None else self.status["idle_causes"]
        return f"{causes[0]['sentence']}: {causes[0]['change']}" if causes else ""

    def cells(self) -> tuple[str, ...]:
        """Return it for a person, as ``FLEET_COLUMNS`` has it."""
        has = self.holds
        stake = "?" if has is None else f"{show_rlc(has.free)} + {show_rlc(has.locked)} locked"
        coin = "?" if has is None else show_coin(has.coin)
        earned = "?" if self.earned is None else show_rlc(self.earned)
        who = self.member
        return who.name, who.address, self.state, self.tasks, stake, coin, earned, self.why_idle

    def members(self) -> dict[str, Any]:
        """Return it for programs (nRLC, wei)."""
        has, status = self.holds, self.status
        return {
            "name": self.member.name,
            "wallet": self.member.address,
            "here": self.member.is_here,
            "state": self.state,
            "held": None if status is None else len(status["replicates"]),
            "slots": None if status is None else status["slots"],
            "stake_nrlc": None if has is None else has.free,
            "locked_nrlc": None if has is None else has.locked,
            "rlc_nrlc": None if has is None else has.rlc,
            "coin_wei": None if has is None else has.coin,
            "earned_nrlc": self.earned,
            "idle_causes": [] if status is None else status["idle_causes"],
            "page": None if status is None else status.get("page"),
        }


def member_page(folder: FleetFolder, member: FleetMember) -> Page | None:
    """Return the page of a worker that runs here; None: its process does not."""
    notice = read(folder.member(member).worker)
    if notice is None or not notice.is_running:
        return None
    return Page(notice.url, notice.token, notice)


def ask_all(
    members: Sequence[FleetMember], ask: Callable[[FleetMember], T]
) -> dict[FleetMember, T]:
    """Ask something of many workers at the same time."""
    if not members:
        return {}
    with ThreadPoolExecutor(min(WORKERS_ASKED_AT_ONCE, len(members))) as pool:
        return dict(zip(members, pool.map(ask, members), strict=True))


def look_at(folder: FleetFolder, member: FleetMember) -> FleetRow:
    """Ask one worker how it stands; what does not answer in time is told so."""
    if not member.is_here:
        return FleetRow(member, "elsewhere")
    page = member_page(folder, member)
    if page is None:
        return FleetRow(member, "stopped" if folder.is_stopped(member) else "not running")
    try:
        status = page.status(LONGEST_WORKER_ANSWER)
    except WorkerSilent:
        return FleetRow(member, "no answer")
    if not status.keys() >= _READ_OF_STATUS:
        return FleetRow(member, "no answer")
    told = {**status, "page": page.url}
    return FleetRow(member, _state(status), told, address=page.address if page.token else "")


def _state(status: Mapping[str, Any]) -> str:
    if status["draining"]:
        return "draining"
    if not status["connected"]:
        return "not let in"
    if status["paused"]:
        return "paused"
    return "computes" if status["replicates"] else "idle"


async def fleet_rows(
    folder: FleetFolder, fleet: Fleet, requester: Requester, blocks: int
) -> list[FleetRow]:
    """Return how all workers of a fleet stand.

    Args:
        folder: Of the fleet.
        fleet: As it is remembered.
        requester: Reads the chain.
        blocks: How far back earnings are looked for; 0: not at all.
    """
    members = fleet.members
    asked = asyncio.to_thread(ask_all, members, lambda each: look_at(folder, each))
    rows, holds, earned = await asyncio.gather(
        asked, _holds(requester, members), earned_of(requester, members, blocks)
    )
    return [replace(rows[each], holds=holds.get(each), earned=earned.get(each)) for each in members]


async def _holds(
    requester: Requester, members: Sequence[FleetMember]
) -> dict[FleetMember, WalletHolds]:
    try:
        async with asyncio.timeout(LONGEST_HOLDINGS_READING):
            found = await holdings(requester.hub, [each.wallet for each in members])
    except (TimeoutError, PoolhandError):
        return {}
    return {each: found[each.wallet] for each in members}


async def earned_of(
    requester: Requester, members: Sequence[FleetMember], blocks: int
) -> dict[FleetMember, NanoRlc]:
    """Return what wallets have earned, those of which the chain did not tell in time left out.

    Args:
        requester: Reads the chain.
        members: Whose.
        blocks: How far back is looked; 0: not at all, and nothing is returned.
    """
    found: dict[FleetMember, NanoRlc] = {}
    turns = asyncio.Semaphore(EARNED_READ_AT_ONCE)

    async def one(member: FleetMember) -> None:
        async with turns:
            told = await requester.earnings(member.wallet, blocks)
            found[member] = sum_up(told.entries).earned

    if blocks:
        work = [asyncio.ensure_future(one(each)) for each in members]
        if work:
            _, late = await asyncio.wait(work, timeout=LONGEST_EARNED_READING)
            for each in late:
                each.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    return found


def fleet_table(rows: Sequence[FleetRow], title: str) -> RenderableType:
    """Show all workers in one table, and what they are together."""
    from rich.console import Group
    from rich.text import Text

    from poolhand.cli.render import grid

    return Group(grid(FLEET_COLUMNS, (each.cells() for each in rows), title), Text(told_sums(rows)))


def sums(rows: Sequence[FleetRow]) -> dict[str, Any]:
    """Return what all workers are together (nRLC, wei), of the ``known`` of them for money."""
    held = [each.holds for each in rows if each.holds is not None]
    told = [each.status for each in rows if each.status is not None]
    is_earned = all(each.earned is not None for each in rows)
    states: dict[str, int] = {}
    for each in rows:
        states[each.state] = states.get(each.state, 0) + 1
    return {
        "workers": len(rows),
        "states": states,
        "stake_nrlc": sum(each.free for each in held),
        "locked_nrlc": sum(each.locked for each in held),
        "rlc_nrlc": sum(each.rlc for each in held),
        "coin_wei": sum(each.coin for each in held),
        "earned_nrlc": sum(each.earned for each in rows if each.earned is not None),
        "held": sum(len(each["replicates"]) for each in told),
        "slots": sum(each["slots"] for each in told),
        "known": len(held),
        "earned_complete": is_earned,
        "complete": is_earned and len(held) == len(rows),
    }


def told_sums(rows: Sequence[FleetRow]) -> str:
    """Say what all workers are together."""
    found = sums(rows)
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items()) or "none"
    known = "" if found["complete"] else "; not all of it could be read in time"
    return (
        f"{found['workers']} workers: {states}; stake {show_rlc(found['stake_nrlc'])} RLC free, "
        f"{show_rlc(found['locked_nrlc'])} locked; earned {show_rlc(found['earned_nrlc'])} RLC"
        f"{known}"
    )
