"""The contracts' guards as pure checks: which one, if any, refuses a call.

The hub reverts without a message; ``diagnose`` runs these over state read from the chain, and the
fake chain runs them over its own, so that the suite that proves the fake proves the diagnosis.
Of several guards that fail, the one that helps the caller most is told.

Source: PoCo 6.x, IexecPoco2Facet; all comparisons are with block time.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

from poolhand.chain.errors import (
    AlreadyInitialized,
    AlreadyRevealed,
    BadAuthorization,
    BadEnclave,
    CallbackMismatch,
    DigestMismatch,
    NotAlone,
    NotClaimable,
    NotFinalizable,
    NotPoolOwner,
    NotReopenable,
    NotRevealable,
    TrustTooHigh,
    UnknownDeal,
)
from poolhand.domain.deal import Deal
from poolhand.domain.errors import (
    AlreadyContributed,
    DeadlineReached,
    PeerFault,
    StakeTooLow,
    TaskNotActive,
)
from poolhand.domain.hashes import eip191_hash, result_hash, result_seal
from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Contribute,
    ContributeAndFinalize,
    ContributionStatus,
    ContributionView,
    Finalize,
    Reveal,
    TaskView,
)
from poolhand.domain.signatures import check_authorization, recover
from poolhand.domain.units import NanoRlc, UnixSeconds, show_rlc


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What a guard looks at, all at one block.

    Attributes:
        now: Time of the block that the call would be in.
        sender: Who sends.
        deal: Of the task, None when unknown.
        task: The task; ``task.contributions`` holds the sender's own, if any.
        stake: The sender's free stake.
    """

    now: UnixSeconds
    sender: Address
    deal: Deal | None
    task: TaskView
    stake: NanoRlc = NanoRlc(0)

    @property
    def own(self) -> ContributionView | None:
        """The sender's contribution, None when there is none."""
        found = self.task.contributions.get(self.sender)
        return found if found and found.status is not ContributionStatus.UNSET else None

    @property
    def name(self) -> str:
        """The task, as messages name it."""
        return f"task {self.task.task_id.short}"


def initialize(facts: GuardFacts, index: int) -> None:
    """Refuse a task that is not of the deal, or known already."""
    deal = facts.deal
    if deal is None:
        raise UnknownDeal(f"{facts.name} belongs to no deal on this chain: check the deal id")
    if not deal.bot_first <= index < deal.bot_first + deal.bot_size:
        raise UnknownDeal(
            f"deal {deal.deal_id.short} has no task {index}: its tasks are "
            f"{deal.bot_first} to {deal.bot_first + deal.bot_size - 1}"
        )
    if facts.task.status is not ChainTaskStatus.UNSET:
        raise AlreadyInitialized(f"{facts.name} is initialised already")


def contribute(facts: GuardFacts, call: Contribute) -> None:
    """Refuse a contribution."""
    _open_to_contributions(facts)
    deal = _deal(facts)
    _check_enclave(facts, deal, call)
    if facts.stake < deal.worker_stake:
        raise StakeTooLow(
            f"contributing to {facts.name} locks {show_rlc(deal.worker_stake)} RLC and "
            f"{facts.sender} has {show_rlc(facts.stake)} RLC of free stake: deposit the difference"
        )


def reveal(facts: GuardFacts, call: Reveal) -> None:
    """Refuse a reveal."""
    task, own = facts.task, facts.own
    if own is not None and own.status is ContributionStatus.PROVED:
        raise AlreadyRevealed(f"{facts.sender} has revealed {facts.name} already")
    if task.status is not ChainTaskStatus.REVEALING:
        raise NotRevealable(f"{facts.name} is {task.status.name}: there is no consensus to reveal")
    if own is None or own.status is not ContributionStatus.CONTRIBUTED:
        raise NotRevealable(f"{facts.sender} has no valid contribution to {facts.name}")
    if own.result_hash != task.consensus:
        raise NotRevealable(f"the consensus on {facts.name} is not the result of {facts.sender}")
    if facts.now >= task.reveal_deadline:
        raise DeadlineReached(f"reveals of {facts.name} ended at {task.reveal_deadline}")
    if not _proves(own, facts, call.digest):
        raise DigestMismatch(f"the digest is not what {facts.sender} contributed to {facts.name}")


def finalize(facts: GuardFacts, call: Finalize) -> None:
    """Refuse the end of a task."""
    deal = _pool_owner(facts)
    task = facts.task
    if task.status is not ChainTaskStatus.REVEALING:
        raise NotFinalizable(f"{facts.name} is {task.status.name}, not REVEALING")
    _before_final_deadline(facts)
    everybody = task.reveal_counter == task.winner_counter
    late = task.reveal_counter > 0 and facts.now >= task.reveal_deadline
    if not (everybody or late):
        raise NotFinalizable(
            f"{facts.name} has {task.reveal_counter} of {task.winner_counter} reveals and "
            f"waits for the others until {task.reveal_deadline}"
        )
    _check_callback(facts, deal, call.callback_data, task.digest)


def reopen(facts: GuardFacts) -> None:
    """Refuse to open a task again."""
    _pool_owner(facts)
    task = facts.task
    if task.status is not ChainTaskStatus.REVEALING:
        raise NotReopenable(f"{facts.name} is {task.status.name}, not REVEALING")
    _before_final_deadline(facts)
    if task.reveal_counter or facts.now < task.reveal_deadline:
        raise NotReopenable(
            f"{facts.name} has {task.reveal_counter} reveals and may get more "
            f"until {task.reveal_deadline}"
        )


def contribute_and_finalize(facts: GuardFacts, call: ContributeAndFinalize) -> None:
    """Refuse both ends in one."""
    _open_to_contributions(facts)
    deal = _deal(facts)
    if facts.task.contributors:
        raise NotAlone(f"another worker has contributed to {facts.name}: contribute and reveal")
    if deal.trust != 1:
        raise TrustTooHigh(f"{facts.name} demands trust {deal.trust}: contribute and reveal")
    _check_callback(facts, deal, call.callback_data, call.digest)
    _check_enclave(facts, deal, call)


def claim(facts: GuardFacts) -> None:
    """Refuse to end a task as failed."""
    task = facts.task
    if task.status not in (ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING):
        raise NotClaimable(f"{facts.name} is {task.status.name}: there is nothing to claim")
    if facts.now < task.final_deadline:
        raise NotClaimable(f"{facts.name} may be claimed from {task.final_deadline} on")


def _open_to_contributions(facts: GuardFacts) -> None:
    task = facts.task
    if facts.own is not None:
        raise AlreadyContributed(f"{facts.sender} has contributed to {facts.name} already")
    if task.status is not ChainTaskStatus.ACTIVE:
        raise TaskNotActive(f"{facts.name} is {task.status.name}: contributions are over")
    if facts.now >= task.contribution_deadline:
        raise DeadlineReached(
            f"contributions to {facts.name} ended at {task.contribution_deadline}"
        )


def _check_enclave(facts: GuardFacts, deal: Deal, call: Contribute | ContributeAndFinalize) -> None:
    if deal.tag.needs_tee and call.enclave.is_zero:
        raise BadEnclave(f"{facts.name} runs in an enclave: give the enclave's challenge")
    try:
        check_authorization(
            call.authorization,
            deal.workerpool.owner,
            facts.sender,
            call.task_id,
            call.enclave,
        )
    except PeerFault as fault:
        raise BadAuthorization(f"{fault}: ask the scheduler for a new authorization") from fault
    if call.enclave.is_zero:
        return
    hashed, seal = _sealed(facts, call)
    try:
        signer = recover(eip191_hash(keccak(hashed + seal)), call.enclave_sign)
    except PeerFault as fault:
        raise BadEnclave(f"enclave signature: {fault}") from fault
    if signer != call.enclave:
        raise BadEnclave(f"the result is signed by {signer}, the enclave is {call.enclave}")


def _sealed(facts: GuardFacts, call: Contribute | ContributeAndFinalize) -> tuple[bytes, bytes]:
    if isinstance(call, Contribute):
        return call.result_hash, call.seal
    return (
        result_hash(call.task_id, call.digest),
        result_seal(facts.sender, call.task_id, call.digest),
    )


def _proves(own: ContributionView, facts: GuardFacts, digest: ResultDigest) -> bool:
    task_id = facts.task.task_id
    return own.result_hash == result_hash(task_id, digest) and own.seal == result_seal(
        facts.sender, task_id, digest
    )


def _check_callback(facts: GuardFacts, deal: Deal, data: bytes, digest: ResultDigest) -> None:
    if not deal.has_callback and not data:
        return
    if keccak(data) != digest:
        raise CallbackMismatch(f"the callback data of {facts.name} does not hash to its digest")


def _pool_owner(facts: GuardFacts) -> Deal:
    deal = _deal(facts)
    if facts.sender != deal.workerpool.owner:
        raise NotPoolOwner(
            f"{facts.name} is {deal.workerpool.owner}'s to end, not {facts.sender}'s"
        )
    return deal


def _before_final_deadline(facts: GuardFacts) -> None:
    if facts.now >= facts.task.final_deadline:
        raise DeadlineReached(
            f"{facts.name} had to end by {facts.task.final_deadline}: it may only be claimed"
        )


def _deal(facts: GuardFacts) -> Deal:
    if facts.deal is None:
        raise TaskNotActive(f"{facts.name} is not initialised on this chain")
    return facts.deal
