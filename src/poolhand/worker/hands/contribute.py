"""Putting the contribution on chain, alone or together with the finalization."""

from __future__ import annotations

from poolhand.domain.errors import (
    AlreadyContributed,
    DeadlineReached,
    OutOfGas,
    PoolhandError,
    Raced,
    Refused,
    StakeTooLow,
    TaskNotActive,
)
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ResultDigest
from poolhand.domain.onchain import (
    Call,
    Contribute,
    ContributeAndFinalize,
    ContributionStatus,
    TaskView,
)
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.bench import Bench

_OUTCOMES: tuple[tuple[type[PoolhandError], Status], ...] = (
    (StakeTooLow, Status.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW),
    (TaskNotActive, Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE),
    (DeadlineReached, Status.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE),
    (AlreadyContributed, Status.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET),
    (OutOfGas, Status.OUT_OF_GAS),
)


async def contribute(bench: Bench, replicate: Replicate) -> Finished:
    """Send the contribution, once, and wait until it is mined."""
    digest = replicate.digest
    assert digest is not None
    call = _call(bench, replicate, digest)
    purpose = f"contribute:{replicate.offer.task_id}"
    try:
        receipt = await bench.patiently(lambda: bench.sender.send(purpose, call))
    except (Refused, Raced) as fault:
        view = await bench.view(replicate.offer.task_id)
        if is_ours(bench, view, digest):
            return Finished(bench.clock.now(), Action.CONTRIBUTE, Status.CONTRIBUTED)
        status = next((s for kind, s in _OUTCOMES if isinstance(fault, kind)), None)
        return Finished(
            bench.clock.now(), Action.CONTRIBUTE, status or Status.CONTRIBUTE_FAILED, str(fault)
        )
    return Finished(bench.clock.now(), Action.CONTRIBUTE, Status.CONTRIBUTED, tx=receipt.tx_hash)


def _call(bench: Bench, replicate: Replicate, digest: ResultDigest) -> Call:
    offer = replicate.offer
    if offer.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return ContributeAndFinalize(
            offer.task_id,
            digest,
            (replicate.link or "").encode(),
            replicate.callback_data or b"",
            offer.authorization,
        )
    return Contribute(
        offer.task_id,
        result_hash(offer.task_id, digest),
        result_seal(bench.worker, offer.task_id, digest),
        offer.authorization,
    )


def is_ours(bench: Bench, view: TaskView, digest: ResultDigest) -> bool:
    """Whether this very contribution is on chain already, from before a crash."""
    own = view.contributions.get(bench.worker)
    return (
        own is not None
        and own.status in (ContributionStatus.CONTRIBUTED, ContributionStatus.PROVED)
        and own.seal == result_seal(bench.worker, view.task_id, digest)
    )
