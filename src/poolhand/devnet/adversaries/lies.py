"""*Simulated*: a wrong hash, and a copied one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from eth_hash.auto import keccak

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
from poolhand.worker.stages.contribute import contribute
from poolhand.worker.toolbox import Toolbox


def false_digest(worker: Address, task_id: TaskId) -> ResultDigest:
    """Return a digest that no app has given: another for every worker, so that liars disagree."""
    return ResultDigest(keccak(b"simulated adversary" + worker + task_id))


async def compute_and_lie(toolbox: Toolbox, honest: StageRunner, replicate: Replicate) -> Finished:
    """Run the app, then tell another digest: hash, seal and reveal all fit the lie."""
    finished = await honest.perform(replicate, Action.COMPUTE)
    if finished.digest is None:
        return finished
    return replace(finished, digest=false_digest(toolbox.worker, replicate.offer.task_id))


async def compute_nothing(toolbox: Toolbox, honest: StageRunner, replicate: Replicate) -> Finished:
    """Claim to have computed."""
    del honest
    digest = false_digest(toolbox.worker, replicate.offer.task_id)
    return Finished(toolbox.clock.now(), Action.COMPUTE, Status.COMPUTED, digest=digest)


async def copy(toolbox: Toolbox, honest: StageRunner, replicate: Replicate) -> Finished:
    """Contribute the hash of whoever contributes first, then wait until its digest is public."""
    del honest
    task_id = replicate.offer.task_id
    view = await seen(
        toolbox, task_id, lambda v: bool(_model(v, toolbox.worker)) or not _is_open(v)
    )
    model = _model(view, toolbox.worker)
    if model is None:
        detail = "simulated adversary: nobody contributed what could be copied"
        status = Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
        return Finished(toolbox.clock.now(), Action.CONTRIBUTE, status, detail)
    swapped = replace(toolbox, sender=Forger(toolbox.sender, model))
    finished = await contribute(swapped, replicate)
    if finished.outcome is not Status.CONTRIBUTED:
        return finished
    view = await seen(
        toolbox, task_id, lambda v: any(v.digest) or not _is_undecided(v, toolbox.worker)
    )
    return replace(finished, digest=view.digest if any(view.digest) else None)


class Forger:
    """Puts a copied hash and a made-up seal into contributions; all else goes out as it is.

    Implements ``ports.chain.TransactionSender``.
    """

    def __init__(self, sender: TransactionSender, model: ResultHash) -> None:
        self._sender, self._model = sender, model

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
            call = replace(call, result_hash=self._model, seal=_made_up_seal(self.address))
        return await self._sender.send(purpose, call, reserve)


def _made_up_seal(worker: Address) -> ResultSeal:
    return ResultSeal(keccak(b"simulated seal" + worker))


async def seen(toolbox: Toolbox, task_id: TaskId, met: Callable[[TaskView], bool]) -> TaskView:
    """Look at a task and all its contributions with every head until a condition is met."""
    view = await _look(toolbox, task_id)
    if met(view):
        return view
    async with aclosing(toolbox.watcher.heads()) as heads:  # type: ignore[type-var]
        async for _ in heads:
            view = await _look(toolbox, task_id)
            if met(view):
                break
    return view


async def _look(toolbox: Toolbox, task_id: TaskId) -> TaskView:
    async def ask() -> TaskView:
        known = (await toolbox.hub.tasks({task_id: ()}))[task_id]
        owners = {*known.contributors, toolbox.worker}
        return (await toolbox.hub.tasks({task_id: owners}))[task_id]

    return await toolbox.until_answered(ask)


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
