"""What a trial came to, and what is wrong with it beside the undisturbed run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Funds:
    """Change of one account from before the purchase to the end (nRLC)."""

    stake: int = 0
    locked: int = 0
    wallet: int = 0

    @property
    def total(self) -> int:
        return self.stake + self.locked + self.wallet


@dataclass(frozen=True)
class Outcome:
    """All that must be the same whatever happens on the way.

    Attributes:
        flow: As the pool told it.
        chain_status, digest: Of the task on chain.
        consensus_is_digests: Whether the consensus is the hash of exactly this digest.
        replicates: Final status by worker, as the pool has it.
        funds: By account.
        kitty: Change of the hub's kitty (nRLC).
        mined: How many transactions by ``sender:function``, reverted ones included.
        held: Replicates that workers still hold.
        open_tasks: Of the pool.
        busy: Replicates by connected worker, as the pool counts them.
        left: Containers and folders of the task.
        archive: sha256 of what the results service gives for the task.
    """

    flow: str
    chain_status: str
    digest: str
    consensus_is_digests: bool
    replicates: Mapping[str, str]
    funds: Mapping[str, Funds]
    kitty: int = 0
    mined: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    open_tasks: int = 0
    busy: Mapping[str, int] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    archive: str = ""


@dataclass(frozen=True)
class Shown:
    """Where RECOVERING is to be seen.

    Attributes:
        due: The worker was started again with the unfinished task in its journal.
        journaled: The worker's journal has it.
        history: The pool's history of the replicate.
    """

    due: bool = False
    journaled: bool = False
    history: tuple[str, ...] = ()

    @property
    def closed_in_absence(self) -> bool:
        """Whether the pool ended the replicate before the worker was back to tell of it."""
        return self.history[-2:-1] == ("WORKER_LOST",)


def laws(outcome: Outcome) -> Iterator[str]:
    """Yield what no run may do, the undisturbed one included."""
    if outcome.chain_status != "COMPLETED":
        yield f"the task is {outcome.chain_status} on chain, not COMPLETED"
    if not outcome.consensus_is_digests:
        yield "the consensus is not the hash of the digest"
    yield from _money(outcome)
    for what, times in outcome.mined.items():
        if times > 1:
            yield f"{what} was mined {times} times"
    yield from _leftovers(outcome)


def _money(outcome: Outcome) -> Iterator[str]:
    drift = sum(each.total for each in outcome.funds.values()) + outcome.kitty
    if drift:
        yield f"{drift:+} nRLC were made or lost"
    for name, each in outcome.funds.items():
        if each.locked:
            yield f"{each.locked:+} nRLC of {name} stay locked"
        if name.startswith("worker") and each.total < 0:
            yield f"{name} lost {-each.total} nRLC"


def _leftovers(outcome: Outcome) -> Iterator[str]:
    if outcome.held:
        yield f"workers still hold {', '.join(outcome.held)}"
    if outcome.open_tasks:
        yield f"{outcome.open_tasks} tasks are open in the pool"
    for worker, count in outcome.busy.items():
        if count:
            yield f"{count} slots of {worker} are stuck"
    if outcome.left:
        yield f"left behind: {', '.join(outcome.left)}"


def differences(reference: Outcome, found: Outcome) -> Iterator[str]:
    """Yield in what a run differs from the undisturbed one of the same play."""
    for each in fields(Outcome):
        wanted, got = getattr(reference, each.name), getattr(found, each.name)
        if wanted == got:
            continue
        if not isinstance(wanted, Mapping):
            yield f"{each.name} is {got!r}, undisturbed {wanted!r}"
            continue
        for key in sorted({*wanted, *got}):
            if wanted.get(key) != got.get(key):
                yield f"{each.name} of {key}: {got.get(key)!r}, undisturbed {wanted.get(key)!r}"


def verdict(reference: Outcome, found: Outcome, shown: Shown) -> tuple[str, ...]:
    """Return everything that is wrong with a run; nothing when it is good."""
    wrong = [*laws(found), *differences(reference, found)]
    wrong.extend(_untold(shown))
    return tuple(wrong)


def _untold(shown: Shown) -> Iterator[str]:
    seen = "RECOVERING" in shown.history
    if shown.due and not shown.journaled:
        yield "the worker was restarted with this task and its journal has no RECOVERING"
    if shown.due and not seen and not shown.closed_in_absence:
        yield "the worker was restarted with this task and the pool shows no RECOVERING"
    if (seen or shown.journaled) and not shown.due:
        yield "RECOVERING in the history, but no worker was restarted with this task"
