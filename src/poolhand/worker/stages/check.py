"""May this worker contribute? Asked of the chain, in the order in which it would refuse."""

from __future__ import annotations

from poolhand.domain.ids import Address
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.worker.briefs import Briefs
from poolhand.worker.stages.contribute import is_ours
from poolhand.worker.stages.stake import StakeLook
from poolhand.worker.task_views import TaskViews


class CheckStage:
    """Looks at task, deadline, contribution and stake."""

    def __init__(self, briefs: Briefs, views: TaskViews, stake: StakeLook, clock: Clock) -> None:
        self._briefs, self._views, self._stake, self._clock = briefs, views, stake, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Check; a task that is not initialized is waited for."""
        brief = await self._briefs.of(replicate.offer)
        view = await self._views.begun(replicate, "the contribution waits for it")
        worker, digest = self._views.worker, replicate.digest
        if digest is not None and is_ours(worker, view, digest):
            # Sent before a crash whose journal's tail is lost: CONTRIBUTE will find it there.
            return Finished(self._clock.now(), Action.CHECK, Status.CAN_CONTRIBUTE)
        refusal = _refuse(worker, view)
        if refusal is None and replicate.offer.flow is Flow.STANDARD:
            needed = brief.deal.worker_stake
            shortage = await self._stake.shortage(needed, view.contribution_deadline)
            if shortage is not None:
                refusal = Status.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW, shortage
        status, detail = refusal or (Status.CAN_CONTRIBUTE, None)
        return Finished(self._clock.now(), Action.CHECK, status, detail)


def _refuse(worker: Address, view: TaskView) -> tuple[Status, str] | None:
    if view.status is not ChainTaskStatus.ACTIVE:
        return (
            Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
            f"the task is {view.status.name} on chain",
        )
    if view.block_time >= view.contribution_deadline:
        late = view.block_time - view.contribution_deadline
        return (
            Status.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE,
            f"the deadline to contribute passed {late} s ago",
        )
    own = view.contributions.get(worker)
    if own is not None and own.status is not ContributionStatus.UNSET:
        return (
            Status.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET,
            f"{worker} has contributed {own.result_hash.short} before",
        )
    return None
