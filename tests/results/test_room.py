"""How much may lie here: of one worker before the chain has decided, and of all together (N4)."""

from __future__ import annotations

import random
import shutil

import pytest
from results_world import Scene, archive, digest_of

from poolhand.domain.ids import Address
from poolhand.domain.units import Seconds
from poolhand.results.errors import NoRoomForWorker, NoRoomLeft
from poolhand.results.room import Quota, ResultsRoom

SIZE = 20_000


def large(text: str) -> bytes:
    """An archive of a little over ``SIZE`` bytes that does not pack well."""
    return archive(text, extra=random.Random(text).randbytes(SIZE).hex()[:SIZE])


async def opened(tmp_path, **settings) -> Scene:
    return await Scene(tmp_path / "vault", max_archive=100_000, **settings).open()


def stored(scene) -> int:
    return sum(path.stat().st_size for path in scene.settings.folder.rglob("*.zip"))


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.case("N4")
async def test_one_workers_undecided_archives_have_a_limit_and_others_are_not_held_up(tmp_path):
    scene = await opened(tmp_path, max_waiting=30_000)
    worker, other = scene.workers[:2]
    offers = [await scene.offer(worker) for _ in range(4)]
    answers = [await scene.put(worker, offer, large("42")) for offer in offers]
    assert answers[0].status_code == answers[1].status_code == 200
    assert code(answers[2]) == code(answers[3]) == (507, "no-room-for-worker")
    assert stored(scene) <= 30_000
    assert (await scene.put(other, await scene.offer(other), large("42"))).status_code == 200


@pytest.mark.case("N4")
async def test_who_settles_its_tasks_brings_as_much_as_there_is(tmp_path):
    scene = await opened(tmp_path, max_waiting=30_000)
    worker = scene.workers[0]
    for _ in range(5):
        offer = await scene.offer(worker)
        assert (await scene.put(worker, offer, large("42"))).status_code == 200
        await scene.settle(worker, offer, digest_of("42"))
    assert stored(scene) > 50_000


async def test_what_the_consensus_proved_does_not_count_as_waiting(tmp_path):
    scene = await opened(tmp_path, max_waiting=15_000)
    worker = scene.workers[0]
    for _ in range(3):
        assert (await scene.put(worker, await scene.revealed(worker), large("42"))).is_success


@pytest.mark.case("N4")
async def test_all_archives_together_have_a_limit_and_room_comes_back(tmp_path):
    scene = await opened(tmp_path, max_stored=30_000, keep=Seconds(60))
    workers = scene.workers[:3]
    offers = [await scene.revealed(worker) for worker in workers]
    pairs = list(zip(workers, offers, strict=True))
    answers = [await scene.put(worker, offer, large("42")) for worker, offer in pairs]
    assert [each.status_code for each in answers] == [200, 200, 507]
    assert code(answers[2]) == (507, "no-room-left")
    for offer in offers[:2]:
        await scene.market.finalize(offer.task_id)
    scene.clock.advance(61)
    assert await scene.intake.tidy_up() == 2
    assert (await scene.put(*pairs[2], large("42"))).status_code == 200


async def test_an_upload_that_fails_takes_no_room(tmp_path):
    scene = await opened(tmp_path, max_waiting=30_000, max_stored=30_000)
    worker = scene.workers[0]
    offer = await scene.offer(worker)
    for _ in range(5):
        assert (await scene.put(worker, offer, b"x" * 25_000)).status_code == 400
    assert (await scene.put(worker, offer, large("42"))).status_code == 200
    assert (await scene.put(worker, offer, large("42"))).status_code == 200


@pytest.mark.case("N4")
async def test_a_restart_forgets_nothing(tmp_path):
    scene = await opened(tmp_path, max_waiting=30_000)
    worker = scene.workers[0]
    for _ in range(2):
        assert (await scene.put(worker, await scene.offer(worker), large("42"))).is_success
    scene.start()
    await scene.intake.count()
    answer = await scene.put(worker, await scene.offer(worker), large("42"))
    assert code(answer) == (507, "no-room-for-worker")


@pytest.mark.case("N4")
def test_many_workers_together_leave_some_of_the_disk_where_the_operator_set_no_limit():
    room = ResultsRoom(Quota(of_worker=600))
    room.leave_some(1_000)
    with (
        room.arriving(Address(b"\x01" * 20)) as first,
        room.arriving(Address(b"\x02" * 20)) as other,
    ):
        first(600)
        other(300)
        with pytest.raises(NoRoomLeft, match="come to more than 900 bytes"):
            other(1)
    with room.arriving(Address(b"\x03" * 20)) as again:
        again(600)


@pytest.mark.case("N4")
def test_a_limit_that_the_operator_set_is_kept_whatever_is_free():
    room = ResultsRoom(Quota(of_worker=10**6, stored=500))
    room.leave_some(10**9)
    with room.arriving(Address(b"\x01" * 20)) as grow, pytest.raises(NoRoomLeft):
        grow(501)


@pytest.mark.case("N4")
async def test_a_service_of_any_pool_bounds_the_whole_by_its_disk(tmp_path):
    scene = await opened(tmp_path)
    await scene.intake.count()
    free = shutil.disk_usage(tmp_path).free
    with scene.intake._room.arriving(Address(b"\x01" * 20)) as grow:
        with pytest.raises((NoRoomLeft, NoRoomForWorker)):
            grow(free)
        assert scene.intake._room._stored < free
