"""Score and stake of workers, read from the chain in batches."""

from __future__ import annotations

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Hub
from poolhand.scheduler.worker_directory import WorkerDirectory


class AccountReads:
    """Tells the directory what the chain says of workers.

    Args:
        hub: Asked.
        boundary: Takes what nobody expected of one worker's account.
        outage: Told when the chain is out of reach.
    """

    def __init__(
        self, directory: WorkerDirectory, hub: Hub, boundary: FaultBoundary, outage: OutageLog
    ) -> None:
        self._directory, self._hub = directory, hub
        self._boundary, self._outage = boundary, outage

    async def read(self, workers: list[Address]) -> None:
        """Read score and stake of workers; old values stand where the chain does not answer."""
        try:
            scores = await self._hub.scores(workers)
            accounts = await self._hub.accounts(workers)
        except ChainUnreachable as fault:
            self._outage.tell(fault)
            return
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
            if len(workers) == 1:
                self._boundary.take(fault, "appraisal", worker=str(workers[0]))
                return
            for worker in workers:
                await self.read([worker])
            return
        self._outage.over()
        for worker in scores.found.keys() & accounts.found.keys():
            self._directory.appraise(worker, scores[worker], accounts[worker])
