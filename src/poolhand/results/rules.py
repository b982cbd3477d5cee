"""Who may hand in what, when, and what is served: pure decisions over the chain's view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultDigest, TaskId
from poolhand.domain.messages import LOGIN_LIFETIME, MAX_SKEW, ResultUpload, pool_domain
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.signatures import BadSignature, check_authorization, recover
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.storage import Archive
from poolhand.results.errors import (
    DigestDiffers,
    NoResultHere,
    NotAuthorized,
    NotYetOnChain,
    OtherPool,
    ResultPending,
    TaskFailed,
    TooManyArchives,
    UploadExpired,
    WrongMoment,
)

PER_WORKER: Final = 2
"""Archives of one task that one worker may leave here before the chain has decided."""


@dataclass(frozen=True, slots=True)
class ResultClaim:
    """What a worker says with an upload; ``archive`` is the sha256 of the body (32 bytes).

    ``enclave`` is whose result it may bring of a confidential task; zero of any other.
    """

    task_id: TaskId
    deal_id: DealId
    index: int
    worker: Address
    authorization: bytes
    archive: bytes
    expiry: UnixSeconds
    signature: bytes
    enclave: Address = ZERO_ADDRESS


def check_claim(
    claim: ResultClaim, deal: Deal, chain_id: int, workerpool: Address | None, now: UnixSeconds
) -> None:
    """Check that the pool's owner sent this worker and that the worker sent this archive.

    Args:
        claim: What came with the request.
        deal: As the chain tells it.
        chain_id: Of the chain.
        workerpool: The only pool served; None: any.
        now: Unix seconds.

    Raises:
        OtherPool, NotAuthorized, UploadExpired: Nothing of the body needs to be read.
    """
    pool = deal.workerpool
    if workerpool is not None and pool.address != workerpool:
        raise OtherPool(f"deal {deal.deal_id} is of pool {pool.address}, not of {workerpool}")
    inside = deal.bot_first <= claim.index < deal.bot_first + deal.bot_size
    if not inside or task_id(claim.deal_id, claim.index) != claim.task_id:
        raise NotAuthorized(f"task {claim.task_id} is not task {claim.index} of {claim.deal_id}")
    if not now <= claim.expiry <= now + LOGIN_LIFETIME + MAX_SKEW:
        raise UploadExpired(f"the upload is valid until {claim.expiry}, it is {now}: set the clock")
    try:
        check_authorization(
            claim.authorization, pool.owner, claim.worker, claim.task_id, claim.enclave
        )
        domain = pool_domain(chain_id, pool.address)
        said = ResultUpload(domain, claim.worker, claim.task_id, claim.archive, claim.expiry)
        signer = recover(said.digest, claim.signature)
    except BadSignature as fault:
        raise NotAuthorized(str(fault)) from fault
    if signer != claim.worker:
        raise NotAuthorized(f"the upload is signed by {signer}, not by worker {claim.worker}")


def due_digest(
    view: TaskView, worker: Address, *, trust: int, final_deadline: UnixSeconds
) -> ResultDigest | None:
    """Return the digest that an archive must have now; None: any, to be judged by the chain later.

    After the reveal it is what the worker proved. Before, only a task of trust 1 that nobody else
    contributed to may be handed in: its worker settles it by ``contributeAndFinalize``.

    Raises:
        WrongMoment: The task is over, or this worker has no part in its result.
        NotYetOnChain: What is missing may only be late.
    """
    if view.block_time >= final_deadline:
        raise WrongMoment("the task's final deadline has passed: nothing can be done for it")
    match view.status:
        case ChainTaskStatus.REVEALING:
            return _proved(view, worker)
        case ChainTaskStatus.UNSET | ChainTaskStatus.ACTIVE if trust <= 1:
            if set(view.contributors) - {worker}:
                raise WrongMoment("another worker has contributed to this task of trust 1")
            return None
        case ChainTaskStatus.UNSET | ChainTaskStatus.ACTIVE:
            raise NotYetOnChain("the task has no consensus yet, as this service sees the chain")
        case _:
            raise WrongMoment(f"the task is {view.status.name} already")


def _proved(view: TaskView, worker: Address) -> ResultDigest:
    own = view.contributions[worker]
    if own.status is ContributionStatus.CONTRIBUTED and own.result_hash == view.consensus:
        raise NotYetOnChain("the worker has not revealed yet, as this service sees the chain")
    if own.status is not ContributionStatus.PROVED:
        raise WrongMoment("the worker's contribution is not part of the consensus")
    return view.digest


def check_digest(found: ResultDigest, due: ResultDigest | None) -> None:
    """Compare an archive's digest to the one that is due.

    Raises:
        DigestDiffers: They are not the same.
    """
    if due is not None and found != due:
        raise DigestDiffers(f"the archive's digest is {found}, on chain is {due}")


def check_room(worker: Address, archives: Iterable[Archive], most: int) -> None:
    """Check that one more archive may wait for the chain's decision.

    Raises:
        TooManyArchives: ``most`` of all workers wait, or ``PER_WORKER`` of this one.
    """
    waiting = tuple(archives)
    own = sum(each.worker == worker for each in waiting)
    if len(waiting) >= most or own >= PER_WORKER:
        raise TooManyArchives(
            f"{len(waiting)} archives of this task wait already, {own} of this worker's: "
            "finish the task with one of them"
        )


def choose(view: TaskView, archives: Iterable[Archive]) -> Archive:
    """Return the archive that is the task's result.

    Raises:
        NoResultHere, ResultPending, TaskFailed: There is none, yet or for good.
    """
    known = tuple(archives)
    won = next((each for each in known if is_result(each, view)), None)
    if won is not None:
        return won
    if view.status is ChainTaskStatus.FAILED:
        raise TaskFailed("the task failed: it has no result")
    if known and view.status is not ChainTaskStatus.COMPLETED:
        raise ResultPending("the task is not finished: its result is not decided yet")
    raise NoResultHere("no result of this task is kept here")


def is_result(archive: Archive, view: TaskView) -> bool:
    """Whether the chain stands behind an archive: proved digest, from one who contributed."""
    decided = view.status in (ChainTaskStatus.REVEALING, ChainTaskStatus.COMPLETED)
    return decided and archive.digest == view.digest and archive.worker in view.contributors


def is_waste(archive: Archive, view: TaskView, now: UnixSeconds, keep: Seconds | None) -> bool:
    """Whether an archive can be removed: it lost, its task failed, or it was kept long enough."""
    if view.status is ChainTaskStatus.FAILED:
        return True
    if view.status is ChainTaskStatus.COMPLETED:
        return not is_result(archive, view) or (keep is not None and now > archive.stored_at + keep)
    return view.block_time >= archive.final_deadline
