"""Short stories for the machines: a replicate or a task brought to a point, event by event."""

from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import Address, DealId, ResultDigest, ResultHash, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.replicate.machine import (
    Accepted,
    Action,
    Activated,
    Entry,
    Finished,
    Flow,
    Offer,
    RevealAsked,
)
from poolhand.domain.replicate.machine import replay as replay_replicate
from poolhand.domain.replicate.machine import step as step_replicate
from poolhand.domain.replicate.news import news_of
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task.machine import (
    Assigned,
    Received,
    Reported,
    Uploaded,
    Viewed,
    outstanding,
)
from poolhand.domain.task.machine import replay as replay_task
from poolhand.domain.task.machine import step as step_task
from poolhand.domain.task.model import Stored, TaskFacts
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds

S, A, C = Status, Action, ContributionStatus
START = UnixSeconds(1_700_000_000)
LATER = UnixSeconds(START + 10)
PERIOD = 300
TASK, DEAL = TaskId(b"\x01" * 32), DealId(b"\x02" * 32)
RIGHT, WRONG = ResultDigest(b"\x0a" * 32), ResultDigest(b"\x0b" * 32)
ANN, BOB, EVE = (Address(bytes([number]) * 20) for number in (1, 2, 3))
TRUST_2_STANDARD = [
    S.RUNNING,
    S.APP_DOWNLOADING,
    S.APP_DOWNLOADED,
    S.DATA_DOWNLOADING,
    S.DATA_DOWNLOADED,
    S.COMPUTING,
    S.COMPUTED,
    S.CAN_CONTRIBUTE,
    S.CONTRIBUTING,
    S.CONTRIBUTED,
    S.REVEALING,
    S.REVEALED,
]
"""A worker's reports until the upload."""


# ------------------------------------------------------------------------------------- replicates


def offer(flow=Flow.STANDARD):
    return Offer(TASK, DEAL, 0, flow, b"a" * 65)


STAGES = [
    Finished(START, A.DOWNLOAD_APP, S.APP_DOWNLOADED),
    Finished(START, A.DOWNLOAD_DATA, S.DATA_DOWNLOADED),
    Finished(START, A.COMPUTE, S.COMPUTED, digest=RIGHT),
    Activated(START),
    Finished(START, A.CHECK, S.CAN_CONTRIBUTE),
    Finished(START, A.CONTRIBUTE, S.CONTRIBUTED),
    RevealAsked(START),
    Finished(START, A.REVEAL, S.REVEALED),
]


def replicate_at(status, flow=Flow.STANDARD):
    """Return a replicate of the usual story that stands at a status."""
    told = [Accepted(START, offer(flow))]
    for event in STAGES:
        if replay_replicate(told).status is status:
            break
        told.append(event)
    made = replay_replicate(told)
    assert made.status is status
    return made


def path(replicate):
    return [entry.status for entry in replicate.history]


# ------------------------------------------------------------------------------------------ tasks


def facts(trust=2, flow=Flow.STANDARD, tag=NO_TAG):
    return TaskFacts(
        TASK,
        DEAL,
        0,
        Trust(trust),
        flow,
        tag,
        UnixSeconds(START + 7 * PERIOD),
        UnixSeconds(START + 10 * PERIOD),
    )


def contributed(worker, digest=RIGHT, status=C.CONTRIBUTED):
    return ContributionView(status, result_hash(TASK, digest), result_seal(worker, TASK, digest), 1)


def view(status, contributions=None, *, now=START, consensus=None, reveal_deadline=0, block=1):
    """Return the chain's view; counters follow from the contributions."""
    known = contributions or {}
    agreed = ResultHash(bytes(32)) if consensus is None else result_hash(TASK, consensus)
    winners = [c for c in known.values() if c.result_hash == agreed and c.status is not C.REJECTED]
    proved = [c for c in winners if c.status is C.PROVED]
    return TaskView(
        TASK,
        BlockNumber(block),
        UnixSeconds(now),
        status,
        Seconds(PERIOD),
        UnixSeconds(START + 7 * PERIOD),
        UnixSeconds(reveal_deadline),
        UnixSeconds(START + 10 * PERIOD),
        agreed,
        len(proved),
        len(winners) if status is ChainTaskStatus.REVEALING else 0,
        tuple(known),
        (consensus or RIGHT) if proved else ResultDigest(bytes(32)),
        b"",
        known,
    )


def viewed(*args, **kwargs):
    seen = view(*args, **kwargs)
    return Viewed(seen.block_time, seen)


def assigned(*workers, at=START):
    return [Assigned(UnixSeconds(at), worker, Weight(2)) for worker in workers]


def reported(worker, statuses, *, first=0, at=START):
    entries = tuple(Entry(status, UnixSeconds(at)) for status in statuses)
    return Reported(UnixSeconds(at), worker, first, entries)


def revealed(*workers, at=START, block=2):
    """Return the events after which these workers have proved the result."""
    known = {worker: contributed(worker, status=C.PROVED) for worker in workers}
    return [
        *assigned(*workers, at=at),
        *(reported(worker, TRUST_2_STANDARD, at=at) for worker in workers),
        viewed(
            ChainTaskStatus.REVEALING,
            known,
            now=at,
            consensus=RIGHT,
            reveal_deadline=at + 2 * PERIOD,
            block=block,
        ),
    ]


def task_after(*events, **kwargs):
    return replay_task([Received(START, facts(**kwargs)), *events])


def also(task, *events):
    for event in events:
        task, _ = step_task(task, event)
    return task


NEWCOMER = Weight(2)


def at(seconds):
    return UnixSeconds(START + seconds)


def told(task, kind):
    return [effect for effect in outstanding(task) if isinstance(effect, kind)]


def stored(worker=ANN, digest=RIGHT, data=b""):
    return Uploaded(START, Stored(worker, "link", digest, data))


def revealing(proved, silent, *, now=START):
    known = {worker: contributed(worker, status=C.PROVED) for worker in proved}
    known |= {worker: contributed(worker) for worker in silent}
    return viewed(
        ChainTaskStatus.REVEALING,
        known,
        now=now,
        consensus=RIGHT,
        reveal_deadline=at(2 * PERIOD),
        block=8,
    )


def after(replicate, *events):
    for event in events:
        replicate, _ = step_replicate(replicate, event)
    return replicate


def news(replicate, status, own=None, **kwargs):
    known = {} if own is None else {ANN: own}
    return news_of(view(status, known, **kwargs), replicate, ANN, LATER)


def quick(*events):
    made = replicate_at(S.COMPUTING, Flow.CONTRIBUTE_AND_FINALIZE)
    computed = Finished(START, A.COMPUTE, S.COMPUTED, digest=RIGHT)
    return after(made, computed, *events)


QUICK_CONTRIBUTED = [
    Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"),
    Activated(START),
    Finished(START, A.CHECK, S.CAN_CONTRIBUTE),
    Finished(START, A.CONTRIBUTE, S.CONTRIBUTED),
]
"""A quick task up to its contribution."""
