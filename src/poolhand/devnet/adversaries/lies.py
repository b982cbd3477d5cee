"""*Simulated*: a wrong hash, and a copied one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from eth_hash.auto import keccak

from poolhand.devnet.adversaries.onlooker import Onlooker
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address, ResultDigest, ResultHash, ResultSeal, TaskId
from poolhand.domain.onchain import (
    Call,
    ChainTaskStatus,
    Contribute,
    ContributionStatus,
    Receipt,
    TaskView,
)
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Wei
from poolhand.ports.chain import TransactionSender
from poolhand.worker.shell import StageRunner


def false_digest(worker: Address, task_id: TaskId) -> ResultDigest:
    """Return a digest that no app has given: another for every worker, so that liars disagree."""
    return ResultDigest(keccak(b"simulated adversary" + worker + task_id))


async def compute_and_lie(
    onlooker: Onlooker, honest: StageRunner, replicate: Replicate
) -> Finished:
    """Run the app, then tell another digest: hash, seal and reveal all fit the lie."""
    finished = await honest.perform(replicate, Action.COMPUTE)
    if finished.digest is None:
        return finished
    return replace(finished, digest=false_digest(onlooker.worker, replicate.offer.task_id))


async def compute_nothing(
    onlooker: Onlooker, honest: StageRunner, replicate: Replicate
) -> Finished:
    """Claim to have computed."""
    del honest
    digest = false_digest(onlooker.worker, replicate.offer.task_id)
    return Finished(onlooker.now(), Action.COMPUTE, Status.COMPUTED, digest=digest)


class Copier:
    """Contributes the hash of whoever contributes first, with a made-up seal."""

    def __init__(self) -> None:
        self._models: dict[TaskId, ResultHash] = {}

    def sender(self, sender: TransactionSender) -> TransactionSender:
        """Return a sender whose contributions are copies."""
        return Forger(sender, self._models)

    async def contribute(
        self, onlooker: Onlooker, honest: StageRunner, replicate: Replicate
    ) -> Finished:
        """Contribute a copy, then wait until its digest is public."""
        task_id, worker = replicate.offer.task_id, onlooker.worker
        view = await onlooker.seen(task_id, lambda v: bool(_model(v, worker)) or not _is_open(v))
        model = _model(view, worker)
        if model is None:
            detail = "simulated adversary: nobody contributed what could be copied"
            status = Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
            return Finished(onlooker.now(), Action.CONTRIBUTE, status, detail)
        self._models[task_id] = model
        finished = await honest.perform(replicate, Action.CONTRIBUTE)
        if finished.outcome is not Status.CONTRIBUTED:
            return finished
        view = await onlooker.seen(task_id, lambda v: any(v.digest) or not _is_undecided(v, worker))
        return replace(finished, digest=view.digest if any(view.digest) else None)


class Forger:
    """Puts a copied hash and a made-up seal into contributions; all else goes out as it is.

    Implements ``ports.chain.TransactionSender``.

    Args:
        sender: An honest one.
        models: The hashes to copy.
    """

    def __init__(self, sender: TransactionSender, models: Mapping[TaskId, ResultHash]) -> None:
        self._sender, self._models = sender, models

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._sender.address

    async def means(self) -> Means:
        """Return what the wallet has for gas; raises what the honest sender raises."""
        return await self._sender.means()

    async def send(self, purpose: str, call: Call, reserve: Wei = Wei(0)) -> Receipt:
        """Send a call; raises what the honest sender raises."""
        if isinstance(call, Contribute):
            model = self._models[call.task_id]
            call = replace(call, result_hash=model, seal=_made_up_seal(self.address))
        return await self._sender.send(purpose, call, reserve)


def _made_up_seal(worker: Address) -> ResultSeal:
    return ResultSeal(keccak(b"simulated seal" + worker))


def _model(view: TaskView, worker: Address) -> ResultHash | None:
    """Return the hash to copy: that of our own copy when it is there already."""
    for each in (worker, *view.contributors):
        known = view.contributions.get(each)
        if known is not None and known.status is not ContributionStatus.UNSET:
            return known.result_hash
    return None


def _is_open(view: TaskView) -> bool:
    late = view.status is ChainTaskStatus.ACTIVE and view.block_time >= view.contribution_deadline
    return view.status <= ChainTaskStatus.ACTIVE and not late


def _is_undecided(view: TaskView, worker: Address) -> bool:
    own = view.contributions[worker].status
    return view.status < ChainTaskStatus.COMPLETED and own is ContributionStatus.CONTRIBUTED
