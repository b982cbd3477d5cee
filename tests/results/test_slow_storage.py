"""A storage that takes long: who asks again meanwhile waits, other tasks do not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from results_world import URL, Scene

from poolhand.domain.result_link import location_at
from poolhand.ports.storage import StorageDown
from poolhand.results.assembly import assemble
from poolhand.store.results_memory import MemoryResultStorage


class GatedDraft:
    def __init__(self, draft, storage) -> None:
        self._draft, self._storage = draft, storage

    def __getattr__(self, name):
        return getattr(self._draft, name)

    async def keep(self, archive):
        self._storage.arrived.put_nowait(archive.task_id)
        await self._storage.gates[archive.task_id].wait()
        if self._storage.fault:
            raise self._storage.fault
        return await self._draft.keep(archive)


class GatedStorage(MemoryResultStorage):
    """Keeps nothing of a task until its gate is opened."""

    def __init__(self) -> None:
        super().__init__(lambda task_id: location_at(URL, task_id))
        self.gates: dict = {}
        self.arrived: asyncio.Queue = asyncio.Queue()
        self.drafts, self.fault = 0, None

    @asynccontextmanager
    async def receiving(self):
        self.drafts += 1
        async with super().receiving() as draft:
            yield GatedDraft(draft, self)


@pytest.fixture
async def slow(tmp_path):
    scene = Scene(tmp_path / "records")
    await scene.http.aclose()
    scene.storage = GatedStorage()
    scene.app, scene.intake = assemble(
        scene.chain.hub, scene.storage, scene.clock, scene.settings, URL
    )
    scene.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=scene.app))
    async with scene.http:
        yield await scene.open()


async def test_who_asks_again_waits_for_what_is_under_way_and_sends_nothing(slow):
    worker = slow.workers[0]
    offer = await slow.revealed(worker)
    gate = slow.storage.gates[offer.task_id] = asyncio.Event()
    first = asyncio.create_task(slow.put(worker, offer))
    await slow.storage.arrived.get()
    second = asyncio.create_task(slow.put(worker, offer))
    key = offer.task_id, worker.address, _sha()
    while not slow.intake._keeping[key]._waiters:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    gate.set()
    answers = [(await each).json() for each in (first, second)]
    assert answers[0] == answers[1]
    assert "link" in answers[0]
    assert slow.storage.drafts == 1
    assert not slow.intake._keeping


async def test_what_could_not_be_kept_is_taken_from_who_asks_again(slow):
    worker = slow.workers[0]
    offer = await slow.revealed(worker)
    slow.storage.gates[offer.task_id] = asyncio.Event()
    slow.storage.gates[offer.task_id].set()
    slow.storage.fault = StorageDown("the bucket is gone")
    answer = await slow.put(worker, offer)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-down")
    slow.storage.fault = None
    assert (await slow.put(worker, offer)).status_code == 200


async def test_a_task_does_not_wait_for_the_archive_of_another(slow):
    offers = [await slow.revealed(worker) for worker in slow.workers[:2]]
    for offer in offers:
        slow.storage.gates[offer.task_id] = asyncio.Event()
    puts = [
        asyncio.create_task(slow.put(worker, offer))
        for worker, offer in zip(slow.workers, offers, strict=False)
    ]
    arrived = {await slow.storage.arrived.get() for _ in offers}
    assert arrived == {offer.task_id for offer in offers}
    for gate in slow.storage.gates.values():
        gate.set()
    assert [(await each).status_code for each in puts] == [200, 200]


def _sha() -> bytes:
    import hashlib

    from results_world import archive

    return hashlib.sha256(archive()).digest()
