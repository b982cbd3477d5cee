"""What ends without a result: which task, why, who must act and how."""

from __future__ import annotations

from collections.abc import Sequence

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.text import shown
from poolhand.domain.units import show_moment
from poolhand.requester.causes import causes, nobody_left
from poolhand.requester.results import NoResultComing
from poolhand.requester.watching import TaskProgress
from poolhand.wire.pool_causes import Cause


class FailedTask(NoResultComing):
    """A task has failed on chain: there is no result, and its price was refunded.

    Attributes:
        task_id, index: Which.
        causes: Why each worker that had it did not do it, as the pool tells; none where it is
            silent.
        party: Who must act.
        next_step: How.
    """

    def __init__(self, task: TaskProgress, told: Sequence[Cause]) -> None:
        self.task_id: TaskId = task.task_id
        self.index, self.causes = task.index, tuple(told)
        first = self.causes[0] if self.causes else None
        self.party = first.acts if first else "workerpool's owner"
        self.next_step = (
            first.next_step if first else "ask why, and buy it again from another workerpool"
        )
        why = "; ".join(each.sentence for each in self.causes) or "its pool does not say why"
        super().__init__(
            shown(
                f"task {self.index} ({self.task_id}) failed, and its price was refunded: {why} "
                f"(next: {self.party}: {self.next_step})"
            )
        )


class TimedOutTask(NoResultComing):
    """A task was not done by its final deadline: its price comes back by a claim.

    Attributes:
        task_id, index: Which.
        causes: As of ``FailedTask``.
        party: Who must act.
        next_step: How.
    """

    def __init__(self, task: TaskProgress, told: Sequence[Cause]) -> None:
        self.task_id: TaskId = task.task_id
        self.index, self.causes = task.index, tuple(told)
        self.party = "you"
        self.next_step = "call cancel() of its deal to claim the price; its pool does so too"
        ended = f" at {show_moment(task.deadline)}" if task.deadline else ""
        why = "".join(f"; {each.sentence}" for each in self.causes)
        super().__init__(
            shown(
                f"task {self.index} ({self.task_id}) was not done by its final deadline{ended}"
                f"{why} (next: {self.party}: {self.next_step})"
            )
        )


class NoWorkerLeft(NoResultComing):
    """No worker of the pool is left for a task; its price comes back at its final deadline.

    Attributes:
        task_id, index: Which.
        causes: As of ``FailedTask``.
        party: Who must act.
        next_step: How.
    """

    def __init__(self, task: TaskProgress, deal: Deal) -> None:
        self.task_id: TaskId = task.task_id
        self.index, self.causes = task.index, causes(task)
        self.party = "you"
        self.next_step = "buy it with pool= of another workerpool, or make the same call again"
        super().__init__(f"{nobody_left(task, deal)} (next: {self.party}: {self.next_step})")


class SeveralTasks(Refused):
    """One result was asked of a deal that has several."""

    def __init__(self, tasks: int) -> None:
        super().__init__(
            f"the deal has {tasks} tasks, each with a result: use results(), or tasks[0].result()"
        )


class ClientClosed(Refused):
    """Something was asked of a client, or of its handles, after it was closed."""

    def __init__(self) -> None:
        super().__init__(
            "the client is closed: make another, and attach() to the deal, which goes on without it"
        )


class NoSuchFile(Refused):
    """A result has no file of a name."""


class UnknownCategory(Refused):
    """The hub has no category of a name or number."""
