"""The worker's view of one replicate, as data and pure functions.

Events are what happened, effects are what to do about it (``events``). ``outstanding`` derives from
the state alone every effect whose outcome no event has told yet; ``step`` returns those that an
event has newly made outstanding. So recovery is: replay the journal, feed ``Recovered``, do what is
outstanding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Final, assert_never

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.replicate import trouble
from poolhand.domain.replicate.events import (
    FOR_THE_STAKE,
    STATUS_OF_FAULT,
    STEP_OF_ACTION,
    Accepted,
    Acknowledged,
    Action,
    Activated,
    ClaimDue,
    Clean,
    Cleaned,
    Ended,
    Entry,
    Faulted,
    Finished,
    Flow,
    Forget,
    LiveEvent,
    Offer,
    Outlived,
    Quarantined,
    Recovered,
    Refilled,
    ReplicateEffect,
    ReplicateEvent,
    Report,
    RevealAsked,
    Run,
    Settled,
    Step,
    TakenBack,
    Tried,
    TroubleEvent,
    UploadAsked,
)
from poolhand.domain.replicate.model import Replicate
from poolhand.domain.replicate.status import (
    CONTRIBUTION_MINED,
    EDGES,
    FAILURES,
    REVEAL_MINED,
    Status,
)
from poolhand.domain.units import UnixSeconds

__all__ = [
    "MOST_SET_BACK",
    "STEP_OF_ACTION",
    "Accepted",
    "Acknowledged",
    "Action",
    "Activated",
    "ClaimDue",
    "Clean",
    "Cleaned",
    "Ended",
    "Entry",
    "Faulted",
    "Finished",
    "Flow",
    "Forget",
    "Offer",
    "Outlived",
    "Quarantined",
    "Recovered",
    "Refilled",
    "Replicate",
    "ReplicateEffect",
    "ReplicateEvent",
    "Report",
    "RevealAsked",
    "Run",
    "Settled",
    "Step",
    "TakenBack",
    "Tried",
    "UploadAsked",
    "accept",
    "outstanding",
    "replay",
    "step",
]

S = Status
MOST_SET_BACK: Final = 16
"""Times that a scheduler may have stored fewer reports of a replicate than it said: each is written
down, and no database is restored so often."""


def accept(event: Accepted) -> Replicate:
    """Begin a replicate."""
    begun = Replicate(event.offer, deadline=event.deadline)
    return _advance(_enter(begun, Entry(S.RUNNING, event.at)), event.at)


def step(
    replicate: Replicate, event: ReplicateEvent
) -> tuple[Replicate, tuple[ReplicateEffect, ...]]:
    """Apply one event; return the next replicate and the effects that it newly calls for.

    Duplicates and late echoes change nothing.

    Raises:
        IllegalTransition: The event demands a move that ``EDGES`` does not have.
    """
    after = _apply(replicate, event)
    before = outstanding(replicate)
    return after, tuple(effect for effect in outstanding(after) if effect not in before)


def outstanding(replicate: Replicate) -> tuple[ReplicateEffect, ...]:
    """Return every effect asked for whose outcome no event has told yet."""
    unsent = enumerate(replicate.history[replicate.acknowledged :], replicate.acknowledged)
    effects: list[ReplicateEffect] = [Report(index, entry) for index, entry in unsent]
    if replicate.running is not None and not replicate.is_held_back:
        effects.append(Run(replicate.running))
    if replicate.is_over and not (replicate.cleaned or replicate.is_held_back):
        effects.append(Clean())
    if replicate.is_over and replicate.cleaned and not (effects or replicate.is_watched):
        effects.append(Forget())
    return tuple(effects)


def replay(journal: Iterable[ReplicateEvent]) -> Replicate:
    """Fold a journal that begins with ``Accepted``; ``outstanding`` tells what remains to do."""
    events = iter(journal)
    first = next(events)
    assert isinstance(first, Accepted)
    return reduce(_apply, events, accept(first))


def _apply(replicate: Replicate, event: ReplicateEvent) -> Replicate:
    """Apply an event; what goes on to something else is no longer under suspicion."""
    after = _change(replicate, event)
    if (after.running, after.cleaned) == (replicate.running, replicate.cleaned):
        return after
    return trouble.cleared(after)


def _change(replicate: Replicate, event: ReplicateEvent) -> Replicate:
    match event:
        case Acknowledged(_, count):
            return _acknowledge(replicate, min(max(count, 0), len(replicate.history)))
        case Cleaned():
            return replace(replicate, cleaned=replicate.is_over)
        case Settled():
            return replace(replicate, settled=replicate.is_over)
        case Faulted() | Quarantined() | Tried() | Outlived():
            return _hear_of_trouble(replicate, event)
        case Accepted():
            return replicate
    return _after_end(replicate, event) if replicate.is_over else _live(replicate, event)


def _acknowledge(replicate: Replicate, count: int) -> Replicate:
    if count >= replicate.acknowledged:
        return replace(replicate, acknowledged=count)
    if replicate.set_back >= MOST_SET_BACK:
        return replicate
    return replace(replicate, acknowledged=count, set_back=replicate.set_back + 1)


def _after_end(replicate: Replicate, event: LiveEvent) -> Replicate:
    """Save the stake once more that a re-organisation has put at risk; nothing follows the end.

    Neither takes files, and both begin only when the cleaning is done.
    """
    idle = replicate.running is None and replicate.cleaned
    match event:
        case RevealAsked() if idle and replicate.offer.flow is Flow.STANDARD:
            return replace(replicate, running=Action.REVEAL)
        case ClaimDue() if idle:
            return replace(replicate, running=Action.CLAIM)
        case Finished(_, action) if action is replicate.running:
            seen = max(event.block or replicate.mined_at, replicate.mined_at)
            return replace(replicate, running=None, mined_at=seen)
        case Recovered(_, sudden):
            return trouble.fall(replicate, sudden=sudden)
    return replicate


def _live(replicate: Replicate, event: LiveEvent) -> Replicate:
    match event:
        case Finished():
            return _finish(replicate, event)
        case Ended(at, status, detail, block):
            over = _enter(replicate, Entry(status, at, detail))
            seen = max(block or replicate.mined_at, replicate.mined_at)
            return replace(over, running=None, parked=None, mined_at=seen)
        case Recovered(at, sudden):
            fallen = trouble.fall(replicate, sudden=sudden)
            resumed = _enter(fallen, Entry(S.RECOVERING, at))
            return _advance(_resume(_enter(resumed, Entry(replicate.status, at)), at), at)
        case TakenBack():
            return _take_back(replicate, event)
        case ClaimDue(at):
            return _start(replace(replicate, running=None, parked=None), Action.CLAIM, at)
        case Activated() | RevealAsked() | UploadAsked() | Refilled():
            return _advance(_note(replicate, event), event.at)
    assert_never(event)


def _hear_of_trouble(replicate: Replicate, event: TroubleEvent) -> Replicate:
    match event:
        case Faulted(_, action):
            return _fault(replicate, event) if action is replicate.running else replicate
        case Quarantined():
            return _quarantine(replicate, event)
        case Tried() | Outlived():
            return trouble.watch(replicate, event)
    assert_never(event)


def _quarantine(replicate: Replicate, event: Quarantined) -> Replicate:
    """Give up what has no stake on chain; of the rest only the stake is looked after."""
    kept = replicate.parked if replicate.parked in FOR_THE_STAKE else None
    ended = replace(replicate, parked=kept, cleaned=replicate.is_over)
    if ended.running is not None:
        ended = _fault(ended, Faulted(event.at, ended.running, event.detail))
    if not (ended.is_over or ended.has_contributed):
        ended = _enter(ended, Entry(S.FAILED, event.at, event.detail))
    return trouble.shut_away(ended, event.detail)


def _fault(replicate: Replicate, event: Faulted) -> Replicate:
    status, let_go = STATUS_OF_FAULT[event.action], trouble.let_go(replicate, event)
    if status is None or replicate.is_over:
        return let_go
    ended = _enter(let_go, Entry(status, event.at, event.detail))
    return _enter(ended, Entry(S.FAILED, event.at)) if _gives_up(ended) else ended


_MINED: Final[Mapping[Action, frozenset[Status]]] = {
    Action.CONTRIBUTE: CONTRIBUTION_MINED,
    Action.REVEAL: REVEAL_MINED,
}


def _take_back(replicate: Replicate, event: TakenBack) -> Replicate:
    """Put on chain again what a re-organisation took off it; once per block that shows it gone.

    The sender knows the purpose, so that the same bytes go out where it still has them.
    """
    rests = replicate.has_contributed and replicate.running in (None, Action.REVEAL)
    rests = rests and trouble.may_run(replicate, event.action)
    mined = replicate.status in _MINED[event.action]
    if not (rests and mined) or event.block <= replicate.mined_at:
        return replicate
    ongoing = STEP_OF_ACTION[event.action].ongoing
    assert ongoing is not None
    back = replace(
        replicate,
        running=event.action,
        reveal_asked=event.action is Action.REVEAL,
        mined_at=event.block,
    )
    return _enter(back, Entry(ongoing, event.at, "the chain took it back"))


def _note(
    replicate: Replicate, event: Activated | RevealAsked | UploadAsked | Refilled
) -> Replicate:
    match event:
        case Activated():
            return replace(replicate, active=True)
        case RevealAsked():
            return replace(replicate, reveal_asked=True)
        case UploadAsked(at, ready):
            return _take_upload(replicate, at, ready=ready)
        case Refilled(at):
            return _resume(replicate, at)
    assert_never(event)


def _take_upload(replicate: Replicate, at: UnixSeconds, *, ready: bool) -> Replicate:
    idle = replicate.running is None
    if not idle or S.RESULT_UPLOAD_REQUESTED not in EDGES[replicate.status]:
        return replicate
    if replicate.offer.flow is not Flow.STANDARD:
        return replicate
    asked = _enter(replicate, Entry(S.RESULT_UPLOAD_REQUESTED, at))
    if ready and trouble.may_run(replicate, Action.UPLOAD):
        return asked
    why = replicate.trouble.words if ready else "the result is not on disk"
    return _enter(asked, Entry(S.RESULT_UPLOAD_REQUEST_FAILED, at, why))


def _resume(replicate: Replicate, at: UnixSeconds) -> Replicate:
    if replicate.parked is None:
        return replicate
    return _start(replace(replicate, parked=None), replicate.parked, at)


def _finish(replicate: Replicate, event: Finished) -> Replicate:
    if event.action is not replicate.running:
        return replicate
    if event.outcome not in STEP_OF_ACTION[event.action].outcomes:
        raise IllegalTransition(event.action, event.outcome)
    entry = Entry(event.outcome, event.at, event.detail, event.tx)
    ended = replace(
        _enter(replicate, entry),
        running=None,
        parked=event.action if event.outcome is S.OUT_OF_GAS else None,
        digest=event.digest or replicate.digest,
        callback_data=event.callback_data or replicate.callback_data,
        link=event.link or replicate.link,
        enclave_sign=event.enclave_sign or replicate.enclave_sign,
        mined_at=max(event.block or replicate.mined_at, replicate.mined_at),
    )
    if _gives_up(ended):
        return _enter(ended, Entry(S.FAILED, event.at))
    if event.outcome in (S.REVEAL_FAILED, S.CANT_REVEAL):
        return replace(ended, reveal_asked=False)
    return _advance(ended, event.at)


def _gives_up(replicate: Replicate) -> bool:
    """Whether the stage that just ended leaves nothing to hope or to lose.

    Who has stake on chain never gives up by itself: the chain ends that replicate.
    """
    if replicate.status is S.RESULT_UPLOAD_FAILED:
        return not replicate.has_contributed
    return replicate.status in FAILURES


def _advance(replicate: Replicate, at: UnixSeconds) -> Replicate:
    if replicate.is_over or replicate.running is not None:
        return replicate
    action = _next_action(replicate)
    return replicate if action is None else _start(replicate, action, at)


def _start(replicate: Replicate, action: Action, at: UnixSeconds) -> Replicate:
    if not trouble.may_run(replicate, action):
        return replicate
    ongoing = STEP_OF_ACTION[action].ongoing
    moved = replicate if ongoing is None else _enter(replicate, Entry(ongoing, at))
    return replace(moved, running=action)


def _next_action(replicate: Replicate) -> Action | None:
    """Choose the stage that follows; None while the chain or the scheduler must speak first."""
    pays_at_once = replicate.offer.flow is Flow.CONTRIBUTE_AND_FINALIZE
    may_reveal = replicate.reveal_asked and not pays_at_once
    choice: dict[Status, Action | None] = {
        S.RUNNING: Action.DOWNLOAD_APP,
        S.APP_DOWNLOADED: Action.DOWNLOAD_DATA,
        S.DATA_DOWNLOADED: Action.COMPUTE,
        S.COMPUTED: Action.UPLOAD if pays_at_once else (Action.CHECK if replicate.active else None),
        S.RESULT_UPLOADED: Action.CHECK if pays_at_once and replicate.active else None,
        S.CAN_CONTRIBUTE: Action.CONTRIBUTE,
        S.CONTRIBUTED: Action.REVEAL if may_reveal else None,
        S.REVEAL_FAILED: Action.REVEAL if may_reveal else None,
        S.CANT_REVEAL: Action.REVEAL if may_reveal else None,
        S.RESULT_UPLOAD_REQUESTED: Action.UPLOAD,
    }
    return choice.get(replicate.status)


def _enter(replicate: Replicate, entry: Entry) -> Replicate:
    if entry.status not in EDGES[replicate.status]:
        raise IllegalTransition(replicate.status, entry.status)
    return replace(replicate, history=(*replicate.history, entry))
