"""What apps printed: kept of so many tasks, in so much memory, and no more."""

from __future__ import annotations

import sys

from pool_world import first_task

from poolhand.domain.ids import Address, TaskId
from poolhand.scheduler.kept_logs import MOST_LOG_BYTES_KEPT, KeptLogs
from poolhand.wire.messages import Logs
from poolhand.wire.session_terms import LOG


async def test_the_end_of_what_an_app_printed_is_kept(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.says(Logs(task, "hello", "oh"))
    assert await world.scheduler.outputs.logs.of(task) == {worker.address: ("hello", "oh")}


def test_in_memory_are_the_newest_thousand_and_no_more():
    kept, task = KeptLogs(), TaskId(bytes([9] * 32))
    kept.keep(Address(bytes(20)), task, "hello", "oh")
    for number in range(1000):
        kept.keep(Address(bytes(20)), TaskId(number.to_bytes(32, "big")), "", "")
    assert len(kept) == 1000
    assert task not in kept


def test_what_apps_printed_is_bounded_by_what_it_takes_of_memory():
    """Each text takes four bytes for a character, and each worker tells it twice."""
    kept, text = KeptLogs(), "a" * (LOG - 4) + "\N{GRINNING FACE}"
    for number in range(100):
        for worker in range(10):
            for _ in range(2):
                name = TaskId(number.to_bytes(32, "big"))
                kept.keep(Address(worker.to_bytes(20, "big")), name, text, text)
    held = [sum(sys.getsizeof(t) for pair in each.values() for t in pair) for each in kept.values()]
    assert MOST_LOG_BYTES_KEPT - held[-1] < sum(held) <= MOST_LOG_BYTES_KEPT
    assert list(kept) == [TaskId(n.to_bytes(32, "big")) for n in range(100 - len(kept), 100)]
