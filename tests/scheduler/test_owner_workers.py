"""A pool's owner decides about single workers: drained, banned, readmitted, told something."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pool_front import front, until
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.cli.pool_workers import workers_report
from poolhand.domain.exclusion import MOST_REASON, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.text import UnfitText
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.owner_workers import (
    MOST_TEXT,
    EmptyText,
    OwnerWorkers,
    WorkerNotHere,
    WorkerTooOld,
)
from poolhand.scheduler.page import sections
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import SeededEntropy
from poolhand.transport.listener import ClientRules
from poolhand.transport.session_client import SessionClient
from poolhand.wire.handshake import Rejected
from poolhand.wire.messages import About, Capabilities, Close, Idle, OfferTask, OwnerMessage
from poolhand.wire.pool_owner import ExclusionOrder, MessageOrder
from poolhand.wire.session_terms import FIRST_SESSION_VERSION, MAX_SENTENCE, OWNER_MESSAGES

WHY = ExclusionOrder(reason="it is too slow")


def owner(world):
    return world.scheduler.owners_workers


def texts(worker):
    return [each.text for each in worker.told if isinstance(each, OwnerMessage)]


# ------------------------------------------------------------------------------------------- drained


async def test_a_drained_worker_finishes_what_it_holds_and_is_given_nothing_new(pool):
    world = await pool()
    slow, other = await world.hired(slots=2), world.hire()
    task = first_task(await world.deal())
    await world.step()
    await slow.reports(task, *TO_COMPUTED)
    decided = await owner(world).drain(slow.address, WHY)
    assert (decided.exclusion.kind, decided.connected) == (ExclusionKind.DRAIN, True)
    await world.settle()
    assert "no new tasks" in texts(slow)[-1]
    assert texts(slow)[-1].count(WHY.reason) == 1
    second = first_task(await world.deal())
    await world.step()
    assert world.offered(second) == ()
    assert slow.last(Idle).reasons[IdleReason.DRAINED] == 1
    assert world.scheduler.placement.idle_workers() == {IdleReason.DRAINED: 1}
    await slow.reports(task, *TO_CONTRIBUTED[len(TO_COMPUTED) :])
    slow.contributes(task)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.REVEALING, "what it held goes on"
    await other.arrives()
    await world.step()
    assert [each.worker for each in world.offered(second)] == [other.address]


async def test_a_drained_worker_sells_no_slot_and_readmitted_it_is_given_tasks_again(pool):
    world = await pool()
    worker = await world.hired(slots=3)
    takers = world.scheduler.preflight.takers
    assert takers.slots > 0
    await owner(world).drain(worker.address, WHY)
    assert takers.slots == 0
    task = first_task(await world.deal())
    await world.step()
    assert world.offered(task) == ()
    decided = await owner(world).readmit(worker.address)
    await world.step()
    assert (decided.changed, decided.exclusion) == (True, None)
    assert "tasks again" in texts(worker)[-1]
    assert [each.worker for each in world.offered(task)] == [worker.address]
    assert not (await owner(world).readmit(worker.address)).changed


async def test_a_drained_worker_is_told_again_in_a_new_session_and_after_a_restart(pool):
    world = await pool()
    worker = await world.hired()
    await owner(world).drain(worker.address, WHY)
    await worker.arrives()
    await world.settle()
    assert len(texts(worker)) == 2
    assert len(set(texts(worker))) == 1
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await worker.arrives()
    task = first_task(await world.deal())
    await world.step()
    assert len(set(texts(worker))) == 1
    assert world.offered(task) == ()


# -------------------------------------------------------------------------------------------- banned


async def test_a_banned_worker_loses_what_it_holds_to_others(pool):
    world = await pool()
    worker, other = await world.hired(), world.hire()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_COMPUTED)
    await owner(world).ban(worker.address, WHY)
    await other.arrives()
    await world.step()
    assert not world.scheduler.directory.has(worker.address)
    assert [each.worker for each in world.offered(task)] == [worker.address, other.address]
    assert world.status(task, worker) is S.WORKER_LOST


async def test_a_banned_worker_is_told_why_and_let_in_no_more_until_it_is_readmitted(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet = world.hire().wallet
        async with pool_front.dial(wallet) as line:
            await owner(world).ban(wallet.address, WHY)
            close = await line.hears(Close)
        assert close.code == "worker-banned"
        assert WHY.reason in close.message
        with pytest.raises(Rejected) as told:
            await pool_front.dial(wallet).__aenter__()
        reject = told.value.reject
        assert (reject.code, reject.retry_after) == ("worker-banned", None)
        assert str(wallet.address) in reject.message
        assert WHY.reason in reject.message
        async with pool_front.dial(world.hire().wallet):
            pass
        await owner(world).readmit(wallet.address)
        async with pool_front.dial(wallet):
            pass


class Listener:
    """The worker behind a real session: notes what it hears."""

    def __init__(self) -> None:
        self.heard, self.partings = [], []

    def held(self):
        return ()

    async def connected(self, welcome):
        self.heard.append(welcome)

    async def received(self, message):
        self.heard.append(message)

    async def disconnected(self, reason, retry_in):
        self.partings.append((reason, retry_in))


async def test_a_real_session_hears_the_owners_word_and_ends_with_the_reason_of_a_ban(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet, listener = world.hire().wallet, Listener()
        can = Capabilities("w", "0", 2, 1, 10**9, (), False, Nonce(bytes(32)))
        quick = ClientRules(first_pause=0, last_pause=0)
        client = SessionClient(
            pool_front.facts, world.owner.address, wallet, can, world.clock, SeededEntropy(1), quick
        )
        running = asyncio.ensure_future(client.run(listener))
        await until(lambda: listener.heard)
        owner(world).say(wallet.address, MessageOrder(text="please update"))
        await until(lambda: isinstance(listener.heard[-1], OwnerMessage))
        assert listener.heard[-1].text == "please update"
        await owner(world).ban(wallet.address, WHY)
        with pytest.raises(Rejected, match=WHY.reason):
            await running
    (first, _), (last, retry_in) = listener.partings
    assert WHY.reason in first
    assert (WHY.reason in last, retry_in) == (True, None), "only a person can help"


WIDE = "\N{GRINNING FACE}"
"""Takes as many bytes as any character that a person may write."""


async def test_a_banned_worker_is_told_the_whole_sentence_however_wide_the_reason(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet = world.hire().wallet
        async with pool_front.dial(wallet) as line:
            why = ExclusionOrder(reason=WIDE * MOST_REASON)
            await owner(world).ban(wallet.address, why)
            close = await line.hears(Close)
        with pytest.raises(Rejected) as told:
            await pool_front.dial(wallet).__aenter__()
    assert told.value.reject.message == close.message
    assert close.message.startswith(f"this pool's owner has banned wallet {wallet.address}: {WIDE}")
    assert close.message.endswith("…. Ask the owner to let it in again")
    assert MAX_SENTENCE - 4 < len(close.message.encode()) <= MAX_SENTENCE


async def test_a_ban_survives_a_restart(pool):
    world = await pool()
    worker = world.hire()
    await owner(world).ban(worker.address, WHY)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    async with front(world) as pool_front:
        with pytest.raises(Rejected, match="worker-banned"):
            await pool_front.dial(worker.wallet).__aenter__()
    (found,) = owner(world).excluded(None, 10).workers
    assert (found.worker, found.reason, found.connected) == (worker.address, WHY.reason, False)


class SlowJournal(MemoryJournal):
    """One whose disk takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.written = asyncio.Event(), asyncio.Event()

    async def durable(self):
        self.asked.set()
        await self.written.wait()


@pytest.mark.parametrize("verb", ["drain", "ban"])
async def test_what_is_decided_holds_at_once_and_is_durable_before_the_worker_hears_of_it(verb):
    journal, directory, heard = SlowJournal(), WorkerDirectory(), []
    worker = ConnectedWorker(Address(bytes([7] * 20)), "w", "0", 1, 1, gpus=0, tee=())
    directory.join(replace(worker, protocol=OWNER_MESSAGES))
    exclusions = Exclusions(journal)
    told = [lambda _, each: heard.append(each)] * 2
    orders = OwnerWorkers(exclusions, directory, lambda: UnixSeconds(7), *told)
    deciding = asyncio.ensure_future(getattr(orders, verb)(worker.worker, "why"))
    await journal.asked.wait()
    assert exclusions.of(worker.worker).kind == verb
    assert (heard, deciding.done()) == ([], False)
    journal.written.set()
    await deciding
    assert len(heard) == 1
    journal.asked.clear()
    journal.written.clear()
    readmitting = asyncio.ensure_future(orders.readmit(worker.worker))
    await journal.asked.wait()
    assert (exclusions.of(worker.worker), len(heard), readmitting.done()) == (None, 1, False)
    journal.written.set()
    assert await readmitting


@pytest.mark.parametrize("reason", ["x" * (MOST_REASON + 1), "a\x1b[2Jb", "\u202eevil"])
async def test_a_reason_that_is_no_text_for_people_decides_nothing(pool, reason):
    world = await pool()
    worker = await world.hired()
    for orders in (world.scheduler.owners.drain, world.scheduler.owners.ban):
        with pytest.raises(UnfitText):
            await orders(worker.address, reason)
    assert world.scheduler.exclusions.of(worker.address) is None
    assert world.scheduler.directory.has(worker.address)


# ---------------------------------------------------------------------------------------------- told


async def test_a_worker_is_told_what_its_pools_owner_says(pool):
    world = await pool()
    worker = await world.hired()
    said = owner(world).say(worker.address, MessageOrder(text=" please update "))
    await world.settle()
    assert said.text == "please update"
    assert texts(worker) == ["please update"]


@pytest.mark.parametrize("character", [WIDE, '"', "\\"])
async def test_the_longest_texts_reach_a_worker_whole_in_whatever_characters(pool, character):
    world = await pool()
    async with front(world) as pool_front:
        wallet = world.hire().wallet
        async with pool_front.dial(wallet) as line:
            owner(world).say(wallet.address, MessageOrder(text=character * MOST_TEXT))
            assert (await line.hears(OwnerMessage)).text == character * MOST_TEXT
            why = ExclusionOrder(reason=character * MOST_REASON)
            await owner(world).drain(wallet.address, why)
            assert why.reason in (await line.hears(OwnerMessage)).text


async def test_what_cannot_be_said_is_refused_with_the_reason(pool):
    world = await pool()
    away, here = world.hire(), await world.hired()
    with pytest.raises(WorkerNotHere):
        world.scheduler.owners.say(away.address, "hello")
    for text in ("x" * (MOST_TEXT + 1), "two\nlines", "\u200b"):
        with pytest.raises(UnfitText):
            world.scheduler.owners.say(here.address, text)
    with pytest.raises(EmptyText):
        world.scheduler.owners.say(here.address, "  ")
    assert texts(here) == []


async def test_a_message_of_a_newer_version_goes_to_nobody_who_has_not_agreed_on_it(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet = world.hire().wallet
        async with pool_front.dial(wallet, newest=FIRST_SESSION_VERSION) as line:
            with pytest.raises(WorkerTooOld, match="must update"):
                world.scheduler.owners.say(wallet.address, "hello")
            await owner(world).drain(wallet.address, WHY)
            await owner(world).readmit(wallet.address)
            task = first_task(await world.deal(settle=False))
            assert (await line.hears(OfferTask)).task_id == task
        assert not [each for each in line.heard if isinstance(each, OwnerMessage)]


async def test_the_owner_sees_in_what_a_worker_says_that_apps_run(pool):
    world = await pool()
    worker = await world.hired()
    await worker.says(About("gvisor", 2))
    (row,) = owner(world).page(None, 10).workers
    assert (row.sandbox, row.gpu, row.gpus) == ("gvisor", True, 2)
    assert "gvisor" in sections.workers(owner(world).page(None, 10))
    assert "<br>2 GPUs" in sections.workers(owner(world).page(None, 10))
    assert workers_report(owner(world).page(None, 10))
