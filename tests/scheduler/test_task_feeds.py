"""What running apps print, from workers to whoever may read it, and to nobody else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from eth_account import Account
from pool_world import TO_COMPUTED, first_task

from network.links import capabilities
from poolhand.domain.app_lines import AppLine
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce, ReaderSignIn, pool_domain
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.one_time import CHALLENGE_LIFE, SignInRefused
from poolhand.scheduler.reader_sessions import (
    MOST_PER_REQUESTER,
    MOST_READER_SESSIONS,
    READER_LIFE,
    ReaderSessions,
)
from poolhand.scheduler.task_feeds import (
    LINES_HELD,
    MOST_READERS_OF_TASK,
    WORKER_TOO_OLD,
    TooManyOutputReaders,
)
from poolhand.transport.asgi import application
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.transport.session_hub import Arrival
from poolhand.wire.messages import (
    Capacity,
    FollowTask,
    Logs,
    TaskOutput,
    WorkProgress,
)
from poolhand.wire.output_api import NewsKind, typed_reader_sign_in

URL = "http://pool.test"


def lines(*texts, is_error=False):
    return tuple(AppLine(is_error, each) for each in texts)


@pytest.fixture
async def office(pool):
    """Return a pool at work, a client of its API, a task, and the worker that computes it."""
    world = await pool(public_logs=False)
    app = application("Poolhand pool", world.scheduler.api(URL))
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_COMPUTED[:-1])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield world, client, task, worker


class Reader:
    """Reads a task's output; ``news`` has all that came but beats."""

    def __init__(self, world, task, after=()):
        self.world, self.news = world, []
        self.events = world.scheduler.outputs.feeds.read(task, dict(after))
        self.work = asyncio.create_task(self._read())

    async def _read(self):
        async for each in self.events:
            if each.kind is not NewsKind.BEAT:
                self.news.append(each)

    @property
    def lines(self):
        return [
            (number, line.text)
            for each in self.news
            for number, line in enumerate(each.lines, each.first)
        ]

    @property
    def left_out(self):
        return sum(each.left_out for each in self.news)

    async def leaves(self):
        self.work.cancel()
        await asyncio.gather(self.work, return_exceptions=True)
        await self.events.aclose()


@asynccontextmanager
async def reading(world, task, after=()):
    reader = Reader(world, task, after)
    await world.settle()
    try:
        yield reader
    finally:
        await reader.leaves()


async def pass_time(world, seconds=1.0):
    for _ in range(round(seconds * 10)):
        world.clock.advance(0.1)
        await world.settle()


def asked(worker):
    return [each for each in worker.told if isinstance(each, FollowTask)]


async def test_a_worker_is_asked_while_somebody_reads_and_not_otherwise(office):
    world, _, task, worker = office
    assert asked(worker) == []
    async with reading(world, task):
        async with reading(world, task):
            await pass_time(world)
            assert asked(worker) == [FollowTask(task, 0)]
        assert asked(worker) == [FollowTask(task, 0)]
    assert asked(worker) == [FollowTask(task, 0), FollowTask(task, None)]


async def test_a_worker_is_asked_once_it_has_taken_its_task_up(office):
    world, _, _, _ = office
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    (attempt,) = world.offered(task)
    assert attempt.worker == worker.address
    async with reading(world, task):
        await pass_time(world, 2)
        assert asked(worker) == []  # it would say that there is no such task, and no more
        await worker.reports(task, TO_COMPUTED[0])
        await pass_time(world, 2)
        assert asked(worker) == [FollowTask(task, 0)]


async def test_every_reader_is_told_every_line_once_in_order(office):
    world, _, task, worker = office
    async with reading(world, task) as one:
        await worker.says(TaskOutput(task, 0, lines("a", "b"), is_last=False))
        await pass_time(world)
        async with reading(world, task) as late:
            await worker.says(TaskOutput(task, 1, lines("b", "c"), is_last=False))
            await pass_time(world)
            whole = [(0, "a"), (1, "b"), (2, "c")]
            assert one.lines == late.lines == whole
    async with reading(world, task) as again:
        await pass_time(world)
        assert again.lines == whole
        assert asked(worker)[-1] == FollowTask(task, 3)
    async with reading(world, task, {worker.address: 2}) as resumed:
        await pass_time(world)
        assert resumed.lines == [(2, "c")]


async def test_who_comes_late_has_caught_up_after_a_few_events(office):
    world, _, task, worker = office
    async with reading(world, task):
        for number in range(400):  # an app that prints a line now and then
            await worker.says(TaskOutput(task, number, lines(f"step {number}"), is_last=False))
    async with reading(world, task) as late:
        await pass_time(world, 0.5)
        assert [number for number, _ in late.lines] == list(range(400))


async def test_a_flood_is_bounded_and_what_a_slow_reader_lost_is_counted(office):
    world, _, task, worker = office
    async with reading(world, task) as reader:
        number = 0
        for _ in range(400):  # all before the reader has its turn
            world.scheduler.workers.received(
                worker.address, TaskOutput(task, number, lines(*["x" * 60] * 100), is_last=False)
            )
            number += 100
        await pass_time(world, 20)
        numbers = [each for each, _ in reader.lines]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + reader.left_out == number
        assert reader.left_out > 0  # the spool has room for a MiB, the window for its lines
        assert numbers[-1] == number - 1
        feed = world.scheduler.outputs.feeds._feeds[task]
        assert len(feed.outputs[worker.address].window) <= LINES_HELD


async def test_what_was_not_asked_for_is_dropped(office):
    world, _, task, worker = office
    await worker.says(TaskOutput(task, 0, lines("unasked"), is_last=False))
    other = await world.hired()
    async with reading(world, task) as reader:
        foreign = TaskOutput(task, 0, lines("not this worker's task"), is_last=False)
        await other.says(foreign)
        feeds = world.scheduler.outputs.feeds
        feeds.received(other.address, foreign)  # as if nobody had looked before
        await pass_time(world)
        assert reader.lines == []
        assert other.address not in feeds._feeds[task].outputs


async def test_progress_is_told_as_it_comes(office):
    world, _, task, worker = office
    async with reading(world, task) as reader:
        await worker.says(WorkProgress(task, None, 7, 2**20, 1500, 3, 250_000, "epoch 3"))
        await pass_time(world, 3)
        (news,) = reader.news
        assert (news.kind, news.worker) == (NewsKind.PROGRESS, worker.address)
        told = news.progress
        assert (told.fraction, told.words, told.cpu_ms, told.memory) == (
            0.25,
            "epoch 3",
            1500,
            2**20,
        )


async def test_a_worker_of_an_older_program_is_asked_nothing_and_the_reader_told_why(office):
    world, _, _, _ = office
    old = world.hire()
    arrival = Arrival(old.address, capabilities(old), (), "memory", 0, version=3)
    world.scheduler.workers.connected(arrival)
    await old.says(Capacity(None))
    task = first_task(await world.deal())
    await world.step()
    assert [each.worker for each in world.task(task).attempts] == [old.address]
    async with reading(world, task) as reader:
        await pass_time(world, 2)
        assert asked(old) == []
        assert [(each.kind, each.because) for each in reader.news] == [
            (NewsKind.SILENT, WORKER_TOO_OLD)
        ]


async def test_a_worker_that_comes_back_is_asked_from_where_it_was(office):
    world, _, task, worker = office
    async with reading(world, task) as reader:
        await worker.says(TaskOutput(task, 0, lines("a", "b"), is_last=False))
        await worker.logs_in()
        assert asked(worker)[-1] == FollowTask(task, 2)
        await worker.says(TaskOutput(task, 2, lines("c"), is_last=False))
        await pass_time(world)
        assert reader.lines == [(0, "a"), (1, "b"), (2, "c")]


async def test_the_end_of_what_nobody_followed_is_told_and_then_the_end(office):
    world, _, task, worker = office
    await worker.says(Logs(task, "printed", "oh"))
    for _ in range(5):
        await world.step(1000)
    async with reading(world, task) as reader:
        await pass_time(world, 3)
        assert [each.kind for each in reader.news] == [NewsKind.PRINTED, NewsKind.END]
        assert (reader.news[0].stdout, reader.news[0].stderr) == ("printed", "oh")
        assert reader.work.done()


async def test_so_many_read_a_task_and_no_more(office):
    world, client, task, _ = office
    readers = [Reader(world, task) for _ in range(MOST_READERS_OF_TASK)]
    await world.settle()
    with pytest.raises(TooManyOutputReaders):
        world.scheduler.outputs.feeds.check_room(task)
    token = await signed_in(world, client, world.requester)
    answer = await client.get(f"/v1/tasks/{task}/output", headers=bearer(token))
    assert answer.status_code == 503
    for each in readers:
        await each.leaves()
    assert len(world.scheduler.outputs.feeds) == 0
    world.scheduler.outputs.feeds.check_room(task)


# ------------------------------------------------------------------------------ who may read


def bearer(token):
    return {"authorization": f"Bearer {token}"}


async def challenged(client, wallet):
    told = await client.get("/v1/reader/sign-in", params={"address": str(wallet.address)})
    return told.json()


def proof_of(told, wallet, **changes):
    domain = pool_domain(told["chain_id"], wallet_of(told["workerpool"]))
    made = ReaderSignIn(
        domain,
        wallet_of(told["requester"]),
        told["url"],
        Nonce.parse(told["nonce"]),
        UnixSeconds(told["expiry"]),
    )
    signature = f"0x{wallet.sign_message(replace(made, **changes)).hex()}"
    return {
        "requester": told["requester"],
        "nonce": told["nonce"],
        "expiry": told["expiry"],
        "signature": signature,
    }


def wallet_of(text):
    return Address.parse(text)


async def signed_in(world, client, wallet):
    del world
    proof = proof_of(await challenged(client, wallet), wallet)
    return (await client.post("/v1/reader/sign-in", json=proof)).json()["token"]


async def test_its_requester_reads_and_nobody_else(office):
    world, client, task, worker = office
    await worker.says(Logs(task, "hello", ""))
    for path in (f"/v1/tasks/{task}/logs", f"/v1/tasks/{task}/output"):
        assert (await client.get(path)).json()["code"] == "not-public"
        assert (await client.get(path, headers=bearer("00"))).status_code == 403
        stranger = await signed_in(world, client, world.owner)
        answer = await client.get(path, headers=bearer(stranger))
        assert (answer.status_code, answer.json()["code"]) == (403, "not-the-requester")
    own = bearer(await signed_in(world, client, world.requester))
    told = (await client.get(f"/v1/tasks/{task}/logs", headers=own)).json()
    assert told == {str(worker.address): {"stdout": "hello", "stderr": ""}}


async def test_a_challenge_is_good_for_one_signature_of_its_own_wallet(office):
    world, client, _, _ = office
    told = await challenged(client, world.requester)
    proof = proof_of(told, world.requester)
    assert (await client.post("/v1/reader/sign-in", json=proof)).status_code == 200
    again = await client.post("/v1/reader/sign-in", json=proof)
    assert (again.status_code, again.json()["code"]) == (401, "sign-in-refused")

    told = await challenged(client, world.requester)
    forged = await client.post("/v1/reader/sign-in", json=proof_of(told, world.owner))
    assert forged.status_code == 401
    right = proof_of(told, world.requester)  # used up by the forgery
    assert (await client.post("/v1/reader/sign-in", json=right)).status_code == 401

    told = await challenged(client, world.requester)
    relayed = proof_of(told, world.requester, url="http://another.example")
    assert (await client.post("/v1/reader/sign-in", json=relayed)).status_code == 401

    told = {**await challenged(client, world.owner), "requester": str(world.requester.address)}
    stolen = proof_of(told, world.requester)  # the challenge was given to another address
    assert (await client.post("/v1/reader/sign-in", json=stolen)).status_code == 401


@pytest.fixture
def sessions():
    clock = ManualClock(UnixSeconds(1_000))
    made = ReaderSessions(pool_domain(1, wallet_of("0x" + "11" * 20)), URL, clock, SeededEntropy())
    return clock, made


def in_time(made, wallet):
    told = made.challenge(wallet.address)
    return made.sign_in(wallet.address, told.nonce, told.expiry, wallet.sign_message(told))


def test_a_challenge_and_a_token_have_an_end(sessions):
    clock, made = sessions
    wallet = Wallet.from_key(bytes([7] * 32))
    told = made.challenge(wallet.address)
    clock.advance(CHALLENGE_LIFE + 1)
    with pytest.raises(SignInRefused, match="is over"):
        made.sign_in(wallet.address, told.nonce, told.expiry, wallet.sign_message(told))
    token = in_time(made, wallet)
    assert made.requester(token) == wallet.address
    clock.advance(READER_LIFE)
    assert made.requester(token) is None
    assert len(made) == 0


def test_who_signs_in_often_loses_its_own_tokens_and_nobody_elses(sessions):
    _, made = sessions
    quiet, busy = (Wallet.from_key(bytes([number] * 32)) for number in (7, 8))
    kept = in_time(made, quiet)
    first = in_time(made, busy)
    for _ in range(MOST_PER_REQUESTER):
        last = in_time(made, busy)
    assert made.requester(first) is None
    assert made.requester(last) == busy.address
    assert made.requester(kept) == quiet.address
    assert len(made) == 1 + MOST_PER_REQUESTER <= MOST_READER_SESSIONS


def test_what_a_browsers_wallet_signs_is_what_is_checked(sessions):
    _, made = sessions
    account = Account.from_key(bytes([7] * 32))
    told = made.challenge(wallet_of(account.address))
    signed = account.sign_typed_data(full_message=typed_reader_sign_in(told))
    token = made.sign_in(
        wallet_of(account.address), told.nonce, told.expiry, bytes(signed.signature)
    )
    assert made.requester(token) == wallet_of(account.address)


async def test_where_a_reader_was_is_read_or_refused(office):
    world, client, task, _ = office
    own = bearer(await signed_in(world, client, world.requester))
    for bad in ("x", "0x12:3", f"0x{'11' * 20}:", f"0x{'11' * 20}:-1", f"0x{'11' * 20}:{'9' * 19}"):
        answer = await client.get(f"/v1/tasks/{task}/output", headers=own, params={"after": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-cursor")
