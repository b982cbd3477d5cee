"""What a worker tells its pool of a running app: when asked, numbered, bounded, behind all else."""

from __future__ import annotations

import asyncio
import os

import pytest
from scripted_pool import ScriptedPool

from network.links import welcome
from poolhand.containers.noop import folder_of
from poolhand.domain.app_lines import AppLine
from poolhand.domain.app_progress import PROGRESS_FILE, PROGRESS_VARIABLE, AppProgress
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.machine import Ended, step
from poolhand.domain.replicate.status import Status
from poolhand.wire.messages import Aborted, FollowTask, Logs, TaskOutput, WorkProgress
from poolhand.worker import app_feeds
from poolhand.worker.app_feeds import (
    BETWEEN_TELLINGS,
    BYTES_IN_WINDOW,
    BYTES_TOLD_AT_ONCE,
    MOST_FOLLOWED,
    OUTPUTS_TOLD_IN_TURN,
)
from poolhand.worker.work_looks import app_progress, drop_progress


@pytest.fixture
async def running(tmp_path):
    """Return a scripted pool whose worker's app runs and prints what the test says."""
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    await pool.greets()
    pool.node.runtime.gate.clear()
    pool.task = await pool.offered()
    pool.container = pool.node.worker.engine.container(pool.task)
    yield pool
    pool.node.runtime.gate.set()
    await pool.world.stop()


def output(pool):
    """Return (number, text) of all lines that were told, in the order of telling."""
    return [
        (number, line.text)
        for each in pool.heard(TaskOutput)
        for number, line in enumerate(each.lines, each.first)
    ]


async def pass_time(pool, seconds=2):
    for _ in range(seconds * 10):
        pool.world.clock.advance(0.1)
        await pool.world.settle()


async def test_nothing_is_told_that_nobody_asked_for(running):
    running.node.runtime.prints(running.container, b"unheard")
    await pass_time(running)
    assert running.heard(TaskOutput) == running.heard(WorkProgress) == []


async def test_a_line_is_told_soon_after_it_was_printed_and_once(running):
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    running.forgets()
    running.node.runtime.prints(running.container, b"\x1b[1mone\x1b[0m", b"two\x07")
    running.node.runtime.prints(running.container, b"three", is_error=True)
    await pass_time(running, 1)
    assert running.heard(TaskOutput) == [
        TaskOutput(
            running.task,
            1,  # the app of this world has printed a line at its start
            (
                AppLine(is_error=False, text="\x1b[1mone\x1b[0m"),
                AppLine(is_error=False, text=r"two\x07"),
                AppLine(is_error=True, text="three"),
            ),
            is_last=False,
        )
    ]
    await pass_time(running)
    assert len(output(running)) == 3


async def test_whoever_comes_back_goes_on_where_it_was(running):
    await running.says(FollowTask(running.task, 0))
    running.node.runtime.prints(running.container, b"one", b"two")
    await pass_time(running)
    await running.says(FollowTask(running.task, None))
    running.forgets()
    running.node.runtime.prints(running.container, b"three")
    await pass_time(running)
    assert running.heard(TaskOutput) == []
    await running.says(FollowTask(running.task, 2))
    await pass_time(running)
    assert output(running) == [(2, "two"), (3, "three")]


async def test_whoever_comes_back_at_once_is_told_what_is_printed_then(running):
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    await running.member.received(FollowTask(running.task, None))
    await running.member.received(FollowTask(running.task, 1))
    running.forgets()
    running.node.runtime.prints(running.container, b"one")
    await pass_time(running)
    assert output(running) == [(1, "one")]


async def test_a_new_session_is_told_nothing_until_it_asks(running):
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    await running.member.connected(welcome())
    running.forgets()
    running.node.runtime.prints(running.container, b"one")
    await pass_time(running)
    assert running.heard(TaskOutput) == running.heard(WorkProgress) == []


async def test_a_worker_that_was_killed_numbers_the_lines_as_before(running):
    running.node.runtime.prints(running.container, b"one", b"two")
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    before = output(running)
    await running.restarts_worker()
    await running.greets()
    running.forgets()
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    assert output(running) == before


async def test_what_was_printed_while_the_pool_was_away_is_told_when_it_asks_again(running):
    feeds = running.node.worker.feeds
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    feeds._waiting = lambda: 1  # away
    running.forgets()
    running.node.runtime.prints(running.container, b"meanwhile")
    running.node.runtime.gate.set()
    await running.blocks(1)
    await pass_time(running)
    assert running.heard(TaskOutput) == []
    feeds._waiting = lambda: 0
    await running.greets()
    await running.says(FollowTask(running.task, 1))
    await pass_time(running)
    assert output(running)[0] == (1, "meanwhile")
    assert running.heard(TaskOutput)[-1].is_last


async def test_last_lines_that_were_lost_on_the_way_are_told_again(running):
    await running.says(FollowTask(running.task, 0))
    running.node.runtime.prints(running.container, b"last words")
    running.node.runtime.gate.set()
    await running.blocks(1)
    await pass_time(running)
    told = output(running)
    assert running.heard(TaskOutput)[-1].is_last
    await running.greets()
    running.forgets()
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    assert output(running) == told


async def test_the_end_of_an_output_is_told_again_to_each_session_while_its_task_is_held(running):
    running.node.runtime.gate.set()
    await running.blocks(1)
    (told,) = running.heard(Logs)
    running.forgets()  # it was lost: the pool was away
    await running.greets()
    assert running.heard(Logs) == [told]
    await running.says(Aborted(running.task, "FAILED"))
    running.finalize(running.task)
    running.forgets()
    for name in tuple(running.node.worker.feeds._replicates):
        del running.node.worker.feeds._replicates[name]
    await running.greets()
    assert running.heard(Logs) == []


async def test_the_end_is_told_once_all_is_told(running):
    await running.says(FollowTask(running.task, 0))
    running.node.runtime.prints(running.container, b"last words")
    running.node.runtime.gate.set()
    await pass_time(running)
    await running.blocks(1)
    await pass_time(running)
    assert [each.is_last for each in running.heard(TaskOutput)].count(True) == 1
    assert running.heard(TaskOutput)[-1].is_last
    assert output(running)[-1][1] == "last words"
    running.forgets()
    await pass_time(running)
    assert running.heard(TaskOutput) == []


async def test_of_a_task_that_is_not_here_the_end_is_told(running):
    unknown = TaskId(bytes([9] * 32))
    await running.says(FollowTask(unknown, 7))
    assert running.heard(TaskOutput) == [TaskOutput(unknown, 7, (), is_last=True)]


async def test_a_flood_is_told_at_a_bounded_pace_and_kept_in_a_bounded_window(running):
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    running.forgets()
    line = b"x" * 100
    running.node.runtime.prints(running.container, *[line] * 20_000)
    await pass_time(running, 3)
    told = running.heard(TaskOutput)
    assert all(sum(len(e.text) for e in each.lines) <= BYTES_TOLD_AT_ONCE for each in told)
    assert len(told) <= 31
    numbers = [number for number, _ in output(running)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < numbers[-1]  # what fell out of the window is missing
    feed = running.node.worker.feeds._feeds[running.task]
    assert len(feed.window) * (len(line) + 16) <= BYTES_IN_WINDOW


async def test_nothing_is_added_while_other_messages_wait(running):
    running.node.worker.feeds._waiting = lambda: 1
    await running.says(FollowTask(running.task, 0))
    running.node.runtime.prints(running.container, b"one")
    await pass_time(running)
    assert running.heard(TaskOutput) == []
    running.node.worker.feeds._waiting = lambda: 0
    await pass_time(running)
    assert (1, "one") in output(running)


class OneSession:
    """A session that writes what it was handed when a test says so."""

    def __init__(self, feeds) -> None:
        self.queue, self.told = [], []
        feeds._send, feeds._waiting = self.queue.append, lambda: len(self.queue)

    def writes(self):
        written, self.queue[:] = list(self.queue), []
        self.told += [each for each in written if isinstance(each, TaskOutput)]
        return written

    async def turn(self, pool):
        """Let the worker tell once; return what was written."""
        pool.world.clock.advance(BETWEEN_TELLINGS * 1.01)
        await pool.world.settle()
        return self.writes()

    def lines(self, task):
        return [line.text for each in self.told if each.task_id == task for line in each.lines]


@pytest.fixture
async def beside_floods(tmp_path):
    """Return a pool, the session of its worker, and tasks: the last one prints little."""
    pool = ScriptedPool(tmp_path, slots=7)
    await pool.opens()
    await pool.greets()
    pool.node.runtime.gate.clear()
    tasks = [await pool.offered() for _ in range(7)]
    session = OneSession(pool.node.worker.feeds)
    for task in tasks:
        await pool.says(FollowTask(task, 0))
    name = pool.node.worker.engine.container
    for _ in range(10):  # until all are read
        await session.turn(pool)
    for task in tasks[:-1]:
        pool.node.runtime.prints(name(task), *[b"x" * 100] * 5_000)
    for _ in range(2):  # until each flood was told of
        await session.turn(pool)
    yield pool, session, tasks
    pool.node.runtime.gate.set()
    await pool.world.stop()


async def test_floods_keep_no_line_of_a_neighbour_back(beside_floods):
    pool, session, tasks = beside_floods
    container = pool.node.worker.engine.container(tasks[-1])
    for turn in range(20):
        pool.node.runtime.prints(container, b"step %d" % turn)
        await pool.world.settle()
        await session.turn(pool)
        assert session.lines(tasks[-1])[-1] == f"step {turn}"


async def test_floods_have_equal_shares_and_leave_the_session_room(beside_floods):
    pool, session, tasks = beside_floods
    for _ in range(30):
        written = await session.turn(pool)
        assert sum(isinstance(each, TaskOutput) for each in written) <= OUTPUTS_TOLD_IN_TURN
    counts = [sum(each.task_id == task for each in session.told) for task in tasks[:-1]]
    assert min(counts) > 10
    assert max(counts) - min(counts) <= 2


async def test_how_far_it_is_is_told_when_it_changes_and_now_and_then(running):
    await running.says(FollowTask(running.task, 0))
    await pass_time(running, 1)
    assert len(running.heard(WorkProgress)) == 1
    file = running.files(running.task) / "output/iexec_out" / PROGRESS_FILE
    file.write_text("0.25 epoch 3 of 12")
    await pass_time(running, 2)
    told = running.heard(WorkProgress)[-1]
    assert (told.millionths, told.words, told.processes) == (250_000, "epoch 3 of 12", 1)
    count = len(running.heard(WorkProgress))
    await pass_time(running, 11)
    assert 1 <= len(running.heard(WorkProgress)) - count <= 3


class StuckLooks:
    """Looks at an engine that does not answer."""

    def __init__(self) -> None:
        self.looks, self.answer = 0, asyncio.Event()

    async def look(self, task_id):
        self.looks += 1
        await self.answer.wait()
        return WorkProgress(task_id, None, 0, 0, 0, 0, None, "")


async def test_an_engine_that_tells_of_no_progress_holds_up_no_lines(running):
    stuck = running.node.worker.feeds._looks = StuckLooks()
    await running.says(FollowTask(running.task, 0))
    await pass_time(running, 3)
    running.node.runtime.prints(running.container, b"one")
    await pass_time(running, 1)
    assert (1, "one") in output(running)
    assert stuck.looks == 1
    stuck.answer.set()
    await pass_time(running, 2)
    assert running.heard(WorkProgress)
    assert stuck.looks > 1


async def test_how_much_of_its_image_has_come_is_told(running):
    runtime = running.node.runtime
    (image,) = runtime.pulled
    await running.says(FollowTask(running.task, 0))
    await pass_time(running, 1)
    runtime.coming[image] = 3 * 2**20
    await pass_time(running, 2)
    del runtime.coming[image]
    await pass_time(running, 2)
    assert [each.pulled for each in running.heard(WorkProgress)] == [None, 3 * 2**20, None]


async def test_the_app_is_told_where_to_report_and_its_report_is_no_part_of_the_result(tmp_path):
    pool, seen = ScriptedPool(tmp_path), {}

    def app(spec):
        seen.update(spec.environment)
        folder = folder_of(spec, "/iexec_out")
        (folder / PROGRESS_FILE).write_text("1 done")
        return honest(spec)

    ((image, honest),) = pool.node.runtime.apps.items()
    pool.node.runtime.apps[image] = app
    await pool.opens()
    await pool.greets()
    task = await pool.contributed()
    assert seen[PROGRESS_VARIABLE] == f"/iexec_out/{PROGRESS_FILE}"
    assert not (pool.files(task) / "output/iexec_out" / PROGRESS_FILE).exists()
    await pool.world.stop()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing", "locked"])
def test_a_report_that_is_no_file_is_not_read(tmp_path, kind):
    secret, file = tmp_path / "secret", tmp_path / PROGRESS_FILE
    secret.write_text("0.5 a secret of the worker's")
    make = {
        "link": lambda: file.symlink_to(secret),
        "pipe": lambda: os.mkfifo(file),
        "folder": file.mkdir,
        "nothing": lambda: None,
        "locked": lambda: file.symlink_to("/proc/self/mem"),
    }
    make[kind]()
    assert app_progress(tmp_path) is None
    drop_progress(tmp_path)
    assert secret.exists()
    assert file.exists() == (kind == "folder")


def test_of_a_huge_report_only_the_beginning_is_read(tmp_path):
    with (tmp_path / PROGRESS_FILE).open("wb") as file:
        file.write(b"0.5 begun\n")
        file.truncate(2**40)
    assert app_progress(tmp_path) == AppProgress(500_000, "begun")


@pytest.mark.parametrize("is_read", [True, False])
async def test_feeds_of_tasks_that_are_over_are_forgotten_at_the_next(running, is_read):
    await running.says(FollowTask(running.task, 0))
    if not is_read:
        await running.says(FollowTask(running.task, None))
    await running.says(Aborted(running.task, "FAILED"))
    await running.acknowledges(running.task)
    await pass_time(running)
    assert running.replicate(running.task) is None
    assert len(running.node.worker.feeds._feeds) == (0 if is_read else 1)
    await running.says(FollowTask(TaskId(bytes([9] * 32)), 0))
    assert running.node.worker.feeds._feeds == {}
    assert Status.COMPUTED not in app_feeds.PRINTING


async def test_tasks_that_were_followed_once_are_in_nobodys_way(running):
    feeds = running.node.worker.feeds
    for number in range(MOST_FOLLOWED):
        name = TaskId(number.to_bytes(32))
        feeds._feeds[name] = app_feeds._AppFeed(name)
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    assert output(running)
    assert list(feeds._feeds) == [running.task]


async def test_held_tasks_that_are_over_give_way_where_there_is_no_more_room(running):
    feeds = running.node.worker.feeds
    held = running.replicate(running.task)
    over = step(held, Ended(running.world.clock.now(), Status.FAILED, "over"))[0]
    for number in range(MOST_FOLLOWED):
        name = TaskId(number.to_bytes(32))
        feeds._feeds[name] = app_feeds._AppFeed(name)
        feeds._replicates[name] = over
    await running.says(FollowTask(running.task, 0))
    await pass_time(running)
    assert output(running)
