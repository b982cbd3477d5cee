"""What is said to workers: never before the journal holds why."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from poolhand.domain.ids import Address
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.scheduler.engine import Engine
from poolhand.transport.session_hub import WorkerAway
from poolhand.wire.messages import WorkerBound

log = structlog.get_logger()


class Mail:
    """Hands messages over.

    Args:
        engine: Knows when its journal is durable.
        hand_over: Sends a message to a worker's session; raises WorkerAway.
        fence: Ends the program before it says anything without the lead.
    """

    def __init__(
        self,
        engine: Engine,
        hand_over: Callable[[Address, WorkerBound], None],
        fence: Fence = UNFENCED,
    ) -> None:
        self._engine, self._hand_over, self._fence = engine, hand_over, fence

    def tell(self, worker: Address, message: WorkerBound) -> None:
        """Tell a worker once the journal holds all that is known now."""

        def told() -> None:
            with self._engine.boundary.around("telling", worker=str(worker)):
                self.hand(worker, message)

        self._engine.after(told)

    def hand(self, worker: Address, message: WorkerBound) -> None:
        """Hand a message over now; a worker that is away is told again when it is back."""
        self._fence.check()
        try:
            self._hand_over(worker, message)
        except WorkerAway as fault:
            log.debug("worker_away", worker=str(worker), cause=str(fault))
