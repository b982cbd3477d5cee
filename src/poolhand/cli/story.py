"""A task's story in one line of time: because this happened, that followed.

Told by its pool and the chain, or by the journal of a pool or a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rich.console import Group
from rich.text import Text

from poolhand.cli.render import coloured, day, hour
from poolhand.cli.tables import indented
from poolhand.domain.onchain import EventKind
from poolhand.domain.replicate.status import STATUSES, Status
from poolhand.domain.task.status import CAUSES, MEANINGS, TaskStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.cli.replay import ReplayStep
    from poolhand.domain.onchain import HubEvent
    from poolhand.requester.history import TaskHistory
    from poolhand.wire.pool_api import Moment, PoolTransaction, ReplicateNews, TaskNews

K = TypeVar("K", bound=StrEnum)

UNKNOWN_STATUS: Final = "this version does not know that status"
CALL_OF_STATUS: Final[Mapping[str, str]] = {
    TaskStatus.INITIALIZING: "initialize",
    TaskStatus.REOPENING: "reopen",
    TaskStatus.FINALIZING: "finalize",
    TaskStatus.FINAL_DEADLINE_REACHED: "claim",
}
"""The pool's transaction that a status leads to."""
STEPS_ON_CHAIN: Final[Mapping[EventKind, tuple[str, str]]] = {
    EventKind.TASK_INITIALIZE: ("the pool put the task on chain", "workers may contribute"),
    EventKind.TASK_CONTRIBUTE: ("a worker contributed", "its stake is locked"),
    EventKind.TASK_CONSENSUS: ("enough workers agree", "they reveal"),
    EventKind.TASK_REVEAL: ("a worker proved its result", "the result may be uploaded"),
    EventKind.TASK_REOPEN: ("nobody revealed in time", "the task is computed again"),
    EventKind.TASK_FINALIZE: ("the result is proved and stored", "everybody is paid"),
    EventKind.TASK_CLAIMED: ("the final deadline passed", "the requester has its price back"),
}
"""Cause and consequence of what the hub tells of a task."""


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One step of a task.

    Attributes:
        at: When (Unix seconds); None where only the block is known.
        who: Moved: ``pool``, ``chain`` or ``worker 0x…``.
        status: The task's or the replicate's after it, or the event on chain.
        because: Why it came to this.
        so: What followed, or follows.
        by_chain: Whether ``at`` is the chain's time; else it is the worker's.
        block, tx: Where it stands on chain.
    """

    at: int | None
    who: str
    status: str
    because: str
    so: tuple[str, ...]
    by_chain: bool = True
    block: int | None = None
    tx: str | None = None

    def members(self) -> dict[str, Any]:
        """Return it as JSON."""
        clock = "chain" if self.by_chain else "worker"
        return {
            "at": self.at,
            "clock": clock,
            "who": self.who,
            "status": self.status,
            "because": self.because,
            "so": list(self.so),
            "block": self.block,
            "tx": self.tx,
        }


def told_story(found: TaskHistory) -> list[StoryLine]:
    """Return the story as a pool and the chain tell it; by the chain alone where no pool does."""
    news = found.task.news
    if news is None:
        return [_event_line(each) for each in found.events]
    lines = list(_stages(news))
    for each in news.replicates:
        lines += _replicate_lines(each, found.events)
    return sorted(lines, key=attrgetter("at"))  # what happened at once stands as it was told


def _stages(news: TaskNews) -> Iterator[StoryLine]:
    sent = list(news.transactions)
    for each in news.history:
        status = _known(each.status, TaskStatus)
        call = CALL_OF_STATUS.get(each.status)
        tx = next((one for one in sent if one.call == call), None)
        if tx is not None:
            sent.remove(tx)
        meaning, cause = (
            (MEANINGS[status], CAUSES[status]) if status else (UNKNOWN_STATUS, UNKNOWN_STATUS)
        )
        so = (meaning, *([_paid(tx)] if tx else []))
        yield StoryLine(
            each.at, "pool", each.status, cause, so,
            block=tx.block if tx else None, tx=str(tx.tx) if tx else None,
        )  # fmt: skip


def _known(text: str, kind: type[K]) -> K | None:
    """Read a status; None for one that a later version of the pool has."""
    try:
        return kind(text)
    except ValueError:
        return None


def _paid(tx: PoolTransaction) -> str:
    where = "is on its way" if tx.block is None else f"is in block {tx.block}"
    cost = "" if tx.gas is None else f", for {tx.gas} gas"
    return f"{tx.call} {where}{cost}"


def _replicate_lines(each: ReplicateNews, events: Iterable[HubEvent]) -> Iterator[StoryLine]:
    by_tx: dict[str, list[str]] = {}
    for event in events:
        by_tx.setdefault(str(event.tx_hash), []).append(str(event.kind))
    last = each.history[-1] if each.history else None
    for line in each.history:
        so = list(_followed(line, is_last=line is last))
        if line.tx and (told := by_tx.get(str(line.tx))):
            so.insert(0, f"{', '.join(told)} in block {line.block}")
        yield StoryLine(
            line.at, f"worker {each.worker}", line.status, _why(line), tuple(so),
            line.by_chain, line.block, str(line.tx) if line.tx else None,
        )  # fmt: skip


def _why(line: Moment) -> str:
    status = _known(line.status, Status)
    cause = STATUSES[status].cause if status else UNKNOWN_STATUS
    return f"{cause}: {line.detail}" if line.detail else cause


def _followed(line: Moment, *, is_last: bool) -> Iterator[str]:
    status = _known(line.status, Status)
    if status is None:
        yield UNKNOWN_STATUS
        return
    row = STATUSES[status]
    if is_last or line.seconds is None:
        yield f"{row.acts}: {row.next_step}"
    else:
        yield f"{row.next_step} (took {line.seconds} s)"


def _event_line(event: HubEvent) -> StoryLine:
    because, so = STEPS_ON_CHAIN[event.kind]
    who = f"worker {event.worker}" if event.worker else "chain"
    return StoryLine(
        None, who, event.kind, because, (so,), block=event.block, tx=str(event.tx_hash)
    )


def journal_story(steps: Iterable[ReplayStep]) -> list[StoryLine]:
    """Return the story as a journal tells it: events, and what they asked for."""
    return [_journal_line(step) for step in steps]


def _journal_line(step: ReplayStep) -> StoryLine:
    from poolhand.cli.replay import POOL_MACHINE, status_of
    from poolhand.cli.replay_words import effect_words, event_words

    is_pools = type(step.event).__module__ == POOL_MACHINE.first.__module__
    at = step.record.get("at")
    return StoryLine(
        at if isinstance(at, int) else None,
        "pool" if is_pools else "worker",
        status_of(step.state) or "",
        f"it does not replay: {step.fault}" if step.fault else event_words(step.event),
        tuple(effect_words(each) for each in step.effects) or (_standing(step),),
        by_chain=is_pools,
    )


def _standing(step: ReplayStep) -> str:
    """Say what comes of an event that asked for nothing."""
    if step.fault:
        return "what follows of this story cannot be replayed either"
    status = step.state.status
    row = STATUSES.get(status) if isinstance(status, Status) else None
    follows = MEANINGS[status] if row is None else f"{row.acts}: {row.next_step}"
    is_new = step.before is None or step.before.status != status
    return follows if is_new else f"nothing new is asked for; {follows}"


def story_page(lines: Iterable[StoryLine], silence: str = "") -> RenderableType:
    """Return a story for a person, within 80 columns."""
    parts: list[RenderableType] = []
    date = ""
    for line in lines:
        if line.at is not None and day(line.at) != date:
            date = day(line.at)
            parts.append(Text(date, style="dim"))
        parts += _line_parts(line)
    if any(not line.by_chain for line in lines):
        parts.append(Text("UTC; ~ by the worker's clock, the others by the chain's", style="dim"))
    if silence:
        parts.append(indented(f"Only the chain tells: {silence}.", 0, style="yellow"))
    return Group(*parts) if parts else "nothing has happened to it yet"


def _line_parts(line: StoryLine) -> Iterator[RenderableType]:
    when = f"block {line.block}" if line.at is None else hour(line.at)
    mark = " " if line.by_chain else "~"
    yield Text.assemble(f"{when} {mark} ", coloured(line.status), (f"  {line.who}", "dim"))
    yield indented(line.because, 4, name="because")
    for each in line.so:
        yield indented(each, 4, name="so")
    if line.tx:
        yield indented(f"tx {line.tx}", 4, style="dim")
