"""*Simulated*: a flood of messages that are each allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.transport.session_client import SessionClient
from poolhand.wire.messages import Capacity, Logs, ReportBatch, SchedulerBound, StatusReport
from poolhand.worker.reports import PoolLink

PAUSE_BETWEEN_FLOOD_LOOKS: Final = 0.01
"""Seconds between two looks at how much the pool has taken; it keeps a processor free."""
BACKLOG: Final = 1_000
"""Messages kept waiting for the pool: always more than it can take in a tick."""


def flood_through(link: PoolLink) -> PoolLink:
    """Return a session that begins to flood with the first message that the worker sends."""
    assert isinstance(link, SessionClient)
    return Flood(link)


class Flood:
    """Implements ``worker.reports.PoolLink`` over an honest one.

    Args:
        client: The session; its own pace must have been taken away.
    """

    def __init__(self, client: SessionClient) -> None:
        self._client = client
        self._flooding: asyncio.Task[None] | None = None

    def send(self, message: SchedulerBound) -> None:
        """Send what the worker has to say, and far more beside it."""
        self._client.send(message)
        if self._flooding is None:
            self._flooding = asyncio.get_running_loop().create_task(self._flood())

    async def _flood(self) -> None:
        messages = nonsense()
        while True:
            while self._client.is_connected and self._client.waiting < BACKLOG:
                self._client.send(next(messages))
            await asyncio.sleep(PAUSE_BETWEEN_FLOOD_LOOKS)


def nonsense() -> Iterator[SchedulerBound]:
    """Yield messages of every kind that costs the pool something, for ever."""
    for number in count():
        task_id = TaskId(keccak(b"simulated adversary" + number.to_bytes(8, "big")))
        entry = StatusReport(Status.RUNNING, UnixSeconds(0), None, "simulated adversary")
        yield Capacity(None)
        yield ReportBatch(task_id, 0, (entry,), None)
        yield Logs.tail(task_id, "simulated adversary " * 100, "")
