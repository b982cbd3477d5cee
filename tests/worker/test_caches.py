"""Images and datasets that are kept for tasks to come, and what goes when they are too many."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from scripted_pool import ScriptedPool

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.settings.load import load
from poolhand.settings.preferences import LIVE_OPTIONS
from poolhand.transport.clock import ManualClock
from poolhand.worker.dataset_cache import DatasetCache
from poolhand.worker.image_cache import PAUSE_BETWEEN_CLEANINGS, ImageCache
from poolhand.worker.live_settings import LiveSettings

TASK, OTHER = (TaskId(bytes([number] * 32)) for number in (1, 2))
OLD, NEW, FOREIGN = (f"r.test/{name}@sha256:{name[0] * 64}" for name in ("ann", "bob", "cat"))


class Engine:
    """A simulated engine's images, by reference; ``busy`` ones belong to a container."""

    def __init__(self, **sizes) -> None:
        self.sizes, self.busy, self.is_down = dict(sizes), set(), False

    async def size(self, reference):
        if self.is_down:
            raise RuntimeDown("the engine is away")
        return self.sizes.get(reference)

    async def remove(self, reference):
        if self.is_down:
            raise RuntimeDown("the engine is away")
        if reference in self.busy:
            return False
        self.sizes.pop(reference, None)
        return True


def live_with(**values):
    told = {key.replace("_", "-"): value for key, value in values.items()}
    return LiveSettings(load(LIVE_OPTIONS, told, {}))


@pytest.fixture
def clock():
    return ManualClock(1_700_000_000)


@pytest.fixture
def engine():
    return Engine()


async def pulls(cache, engine, clock, reference, size=6):
    """Do what a pull does: notice whether the image is there, have it brought, note its use."""
    is_foreign = await cache.is_foreign(reference)
    engine.sizes.setdefault(reference, size)
    await cache.used(reference, is_foreign=is_foreign)
    clock.advance(1)


async def test_what_was_used_longest_ago_goes_first(tmp_path, engine, clock):
    cache = ImageCache(engine, tmp_path / "images.json", live_with(image_cache="10"), list, clock)
    for reference in (OLD, NEW):
        await pulls(cache, engine, clock, reference)
    await cache.clean()
    assert engine.sizes == {NEW: 6}
    await pulls(cache, engine, clock, OLD)
    await pulls(cache, engine, clock, NEW)
    await cache.clean()
    assert engine.sizes == {NEW: 6}
    assert cache.size == 6


async def test_an_image_that_was_there_before_is_never_removed(tmp_path, engine, clock):
    engine.sizes[FOREIGN] = 50
    cache = ImageCache(engine, tmp_path / "images.json", live_with(image_cache="0"), list, clock)
    for reference in (FOREIGN, OLD, FOREIGN):
        await pulls(cache, engine, clock, reference)
    await cache.clean()
    assert engine.sizes == {FOREIGN: 50}


async def test_what_a_task_or_a_container_has_stays(tmp_path, engine, clock):
    held = [TASK]
    live = live_with(image_cache="0")
    cache = ImageCache(engine, tmp_path / "images.json", live, lambda: held, clock)
    cache.wants(TASK, OLD)
    for reference in (OLD, NEW):
        await pulls(cache, engine, clock, reference)
    engine.busy.add(NEW)
    await cache.clean()
    assert set(engine.sizes) == {OLD, NEW}
    held.clear()
    await cache.clean()
    assert set(engine.sizes) == {NEW}
    engine.busy.clear()
    await cache.clean()
    assert engine.sizes == {}


async def test_what_a_task_begins_to_want_meanwhile_stays(tmp_path, engine, clock):
    held = [TASK]
    cache = ImageCache(engine, tmp_path / "i.json", live_with(image_cache="0"), lambda: held, clock)
    for reference in (OLD, NEW):
        await pulls(cache, engine, clock, reference)
    remove = engine.remove

    async def slowly(reference):
        cache.wants(TASK, NEW)
        return await remove(reference)

    engine.remove = slowly
    await cache.clean()
    assert set(engine.sizes) == {NEW}


async def test_a_lower_limit_is_kept_at_once(tmp_path, engine, clock):
    live = live_with(image_cache="1g", dataset_cache="1k")
    images = ImageCache(engine, tmp_path / "images.json", live, list, clock)
    datasets = DatasetCache(tmp_path / "datasets", live, clock.now)
    await pulls(images, engine, clock, OLD)
    (tmp_path / "source").write_bytes(DATA)
    await datasets.keep(CHECKSUM, tmp_path / "source")
    keeping = [asyncio.create_task(each.keep_clean()) for each in (images, datasets)]
    await asyncio.sleep(0)
    live.set({"image-cache": "0", "dataset-cache": "0"})
    async with asyncio.timeout(30):
        while engine.sizes or any((tmp_path / "datasets").iterdir()):  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0)
    for each in keeping:
        each.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)


async def test_what_is_this_workers_is_known_after_a_restart(tmp_path, engine, clock):
    file, live = tmp_path / "images.json", live_with(image_cache="0")
    await pulls(ImageCache(engine, file, live, list, clock), engine, clock, OLD)
    engine.sizes[FOREIGN] = 1
    again = ImageCache(engine, file, live, list, clock)
    await again.clean()
    assert engine.sizes == {FOREIGN: 1}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version":2}', '{"version":1,"images":[1]}'])
async def test_a_damaged_note_means_that_nothing_is_removed(tmp_path, engine, clock, text):
    file = tmp_path / "images.json"
    file.write_text(text)
    engine.sizes[OLD] = 9
    cache = ImageCache(engine, file, live_with(image_cache="0"), list, clock)
    await cache.clean()
    assert engine.sizes == {OLD: 9}


async def test_an_engine_that_is_away_costs_no_task_and_no_image(tmp_path, engine, clock):
    file = tmp_path / "images.json"
    cache = ImageCache(engine, file, live_with(image_cache="0"), list, clock)
    engine.is_down = True
    assert await cache.is_foreign(OLD)
    await cache.used(OLD, is_foreign=True)
    engine.is_down = False
    await pulls(cache, engine, clock, NEW)
    engine.is_down = True
    await cache.used(NEW, is_foreign=False)
    with pytest.raises(RuntimeDown):
        await cache.clean()
    engine.is_down = False
    await cache.clean()
    assert engine.sizes == {}


async def test_a_task_wants_its_image_until_it_is_over(tmp_path):
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    await pool.greets()
    task = await pool.contributed()
    images = pool.node.worker.images
    (reference,) = images._wanted.values()
    assert reference.startswith("registry.test/words@sha256:")
    assert task in images._wanted
    pool.finalize(task)
    await pool.blocks(1)
    await pool.world.step(int(PAUSE_BETWEEN_CLEANINGS))
    assert images._wanted == {}
    await pool.world.stop()


# ------------------------------------------------------------------------------------- datasets

DATA = b"so many numbers"
CHECKSUM = sha256(DATA).hexdigest()


def cache_of(folder, limit="1k"):
    clock = ManualClock(1_700_000_000)
    live = live_with(dataset_cache=limit)
    return DatasetCache(folder / "datasets", live, clock.now), clock, live


async def kept_one(folder, limit="1k"):
    cache, clock, live = cache_of(folder, limit)
    source = folder / "source"
    source.write_bytes(DATA)
    await cache.keep(CHECKSUM, source)
    return cache, clock, live


async def test_a_dataset_is_taken_again_with_its_checksum(tmp_path):
    cache, _, _ = await kept_one(tmp_path)
    target = tmp_path / "target"
    assert await cache.take(CHECKSUM, target, 100) == len(DATA)
    assert target.read_bytes() == DATA
    target.unlink()
    assert await cache.take(CHECKSUM, target, 100) == len(DATA)


async def test_a_dataset_that_was_altered_or_is_too_large_or_not_kept_is_fetched(tmp_path):
    cache, _, live = await kept_one(tmp_path)
    target = tmp_path / "target"
    assert await cache.take(CHECKSUM, target, 3) is None
    assert await cache.take("ab" * 32, target, 100) is None
    live.set({"dataset-cache": "0"})
    assert await cache.take(CHECKSUM, target, 100) is None
    live.set({"dataset-cache": "1k"})
    file = tmp_path / "datasets" / CHECKSUM
    file.chmod(0o600)
    file.write_bytes(DATA[:-1] + b"?")
    assert await cache.take(CHECKSUM, target, 100) is None
    assert not target.exists()
    assert not file.exists()


def kept_in(folder):
    return {each.name for each in (folder / "datasets").iterdir()}


async def test_of_datasets_too_what_was_used_longest_ago_goes_first(tmp_path):
    cache, clock, live = cache_of(tmp_path, "20")
    names = {}
    for text in (b"a" * 9, b"b" * 9, b"c" * 9):
        source = tmp_path / text.decode()
        source.write_bytes(text)
        names[text[:1]] = sha256(text).hexdigest()
        await cache.keep(names[text[:1]], source)
        clock.advance(1)
        await cache.take(names[b"a"], tmp_path / "target", 100)
        clock.advance(1)
    assert kept_in(tmp_path) == {names[b"a"], names[b"c"]}
    live.set({"dataset-cache": "0"})
    await cache.keep(CHECKSUM, source)
    assert kept_in(tmp_path) == set()


async def test_a_folder_that_cannot_be_written_costs_no_task(tmp_path):
    (tmp_path / "datasets").write_text("no folder")
    cache, _, _ = await kept_one(tmp_path)
    assert await cache.take(CHECKSUM, tmp_path / "target", 100) is None
