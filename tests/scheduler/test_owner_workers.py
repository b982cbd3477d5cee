"""A pool's owner decides about single workers: drained, banned, readmitted, told something."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from pool_front import front, until
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task
from started_pool import PASSWORD, Started

from poolhand.cli.draining import NoPoolRuns
from poolhand.cli.pool_sign_in import AnotherPoolAnswers, NotTheWalletsPool, owner_session
from poolhand.cli.pool_workers import (
    decide,
    decided_report,
    excluded_report,
    list_excluded,
    list_workers,
    workers_report,
)
from poolhand.domain.exclusion import MOST_REASON, Exclusion, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.text import UnfitText
from poolhand.domain.units import UnixSeconds
from poolhand.keys.errors import WalletInUse
from poolhand.keys.keystore import import_wallet
from poolhand.keys.lock import WalletLock
from poolhand.scheduler.exclusions import Exclusions, TooManyExcluded
from poolhand.scheduler.owner_workers import (
    MOST_TEXT,
    EmptyText,
    WorkerNotHere,
    WorkerTooOld,
)
from poolhand.scheduler.page import sections
from poolhand.store.memory import MemoryJournal
from poolhand.store.section import Section
from poolhand.transport.clock import SeededEntropy
from poolhand.transport.listener import ClientRules
from poolhand.transport.session_client import SessionClient
from poolhand.wire.handshake import Rejected
from poolhand.wire.messages import (
    FIRST_SESSION_VERSION,
    MAX_SENTENCE,
    About,
    Capabilities,
    Close,
    Idle,
    OfferTask,
    OwnerMessage,
)
from poolhand.wire.pool_owner import ExclusionOrder, MessageOrder

WHY = ExclusionOrder(reason="it is too slow")
AT = UnixSeconds(1_700_000_000)


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


async def test_the_longest_reason_fits_what_a_banned_worker_is_told(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet = world.hire().wallet
        async with pool_front.dial(wallet) as line:
            await owner(world).ban(wallet.address, ExclusionOrder(reason="\N{SNOWMAN}" * 100))
            close = await line.hears(Close)
    assert close.message.startswith("this pool's owner has banned")
    assert len(close.message.encode()) < MAX_SENTENCE


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


async def test_a_ban_is_durable_before_the_worker_is_told(pool):
    world = await pool()
    worker = await world.hired()
    before = list(world.pool.journal.read())
    await owner(world).ban(worker.address, WHY)
    written = [stream for stream, _ in world.pool.journal.read()][len(before) :]
    assert f"exclusion/{worker.address}" in written


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
    await worker.says(About("gvisor"))
    (row,) = owner(world).page(None, 10).workers
    assert row.sandbox == "gvisor"
    assert "gvisor" in sections.workers(owner(world).page(None, 10))
    assert workers_report(owner(world).page(None, 10))


# --------------------------------------------------------------------------------------- remembering


def address(number):
    return Address(number.to_bytes(20, "big"))


async def test_nobody_who_is_kept_from_work_is_ever_forgotten():
    known = Exclusions(None, most=3)
    made = Exclusion(ExclusionKind.BAN, "", AT)
    for number in (3, 1, 2):
        await known.put(address(number), made)
    with pytest.raises(TooManyExcluded, match="readmit"):
        await known.put(address(4), made)
    await known.put(address(1), Exclusion(ExclusionKind.DRAIN, "again", AT))
    assert [each for each, _ in known.page(None, 9)] == [address(n) for n in (1, 2, 3)]
    assert [each for each, _ in known.page(address(1), 1)] == [address(2)]
    assert await known.lift(address(2))
    await known.put(address(4), made)
    assert not known.is_banned(address(1))
    assert known.is_banned(address(4))


async def test_what_was_decided_last_is_what_a_restart_reads():
    journal = MemoryJournal()
    known = Exclusions(Section(journal, "exclusion"))
    drained, banned = (Exclusion(kind, "why", AT) for kind in ExclusionKind)
    for number in range(4):
        await known.put(address(number), drained)
    await known.put(address(1), banned)
    await known.lift(address(2))
    for _ in range(3):
        known = Exclusions(Section(journal, "exclusion"))
        known.recover()
        assert known.page(None, 9) == [
            (address(0), drained),
            (address(1), banned),
            (address(3), drained),
        ]


# ------------------------------------------------------------------------------------ over HTTP


def held(started):
    with pytest.raises(WalletInUse) as caught:
        WalletLock(started.settings.locks, started.world.owner.address).acquire()
    return caught.value


WORKER = str(address(7))
ORDERS = {
    f"/v1/owner/workers/{WORKER}/ban": {"reason": "why"},
    f"/v1/owner/workers/{WORKER}/drain": {"reason": "why"},
    f"/v1/owner/workers/{WORKER}/readmit": {},
    f"/v1/owner/workers/{WORKER}/message": {"text": "hello"},
}


async def test_single_workers_are_the_owners_alone(tmp_path):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        for token in ("", "Bearer", "Bearer 00"):
            given = {"Authorization": token} if token else {}
            for path, body in ORDERS.items():
                answer = await http.post(taken.url + path, json=body, headers=given)
                assert (answer.status_code, answer.json()["code"]) == (401, "not-the-owner")
            for path in ("/v1/owner/workers", "/v1/owner/excluded"):
                assert (await http.get(taken.url + path, headers=given)).status_code == 401


async def test_the_owner_decides_over_http_and_exactly_says_what(tmp_path):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        bearer = {"Authorization": f"Bearer {taken.token}"}

        async def ask(path, body=None):
            if body is None:
                return await http.get(taken.url + path, headers=bearer)
            return await http.post(taken.url + path, json=body, headers=bearer)

        base = f"/v1/owner/workers/{WORKER}"
        answer = await ask(f"{base}/ban", {"reason": "why"})
        assert answer.json()["exclusion"]["kind"] == "ban"
        (found,) = (await ask("/v1/owner/excluded")).json()["workers"]
        assert (found["worker"], found["reason"]) == (WORKER, "why")
        assert (await ask(f"{base}/readmit", {})).json()["changed"] is True
        assert (await ask("/v1/owner/excluded")).json() == {
            "workers": [],
            "excluded": 0,
            "after": None,
        }
        assert (await ask(f"{base}/message", {"text": "hello"})).json()["code"] == "worker-not-here"
        for body in ({"reason": 1}, {"reason": "x" * 201}, {"why": "x"}, {"reason": "a\x00"}):
            assert (await ask(f"{base}/ban", body)).status_code == 400, body
        assert (await ask("/v1/owner/workers/0x12/ban", {})).status_code == 400
        assert (await ask("/v1/owner/workers?limit=0")).status_code == 400
        assert (await ask("/v1/owner/workers")).json()["connected"] == 0


def command_run(started, url=""):
    """What a verb knows: its wallet, and the pool that was named."""
    wallet = started.settings.wallet
    return SimpleNamespace(
        found={"pool-url": url},
        address=started.world.owner.address,
        settings=lambda signing: SimpleNamespace(locks=started.settings.locks),
        stored=SimpleNamespace(path=wallet, address=None),
        password=lambda: PASSWORD,
    )


async def beside(work, *args):
    """Do something as another program does, while the pool runs."""
    with ThreadPoolExecutor(1) as threads:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *args)


@pytest.mark.parametrize("named", [False, True], ids=["on its machine", "from elsewhere"])
async def test_the_command_line_decides_and_shows_what_holds(tmp_path, named):
    started = Started(tmp_path)

    def asks(command):
        made = decide(command, address(7), "ban", "why")
        found = list_excluded(command, 10, "")
        back = decide(command, address(7), "readmit", None)
        return made, found, back, list_workers(command, 10, str(address(1)))

    async with started.serving():
        command = command_run(started, started.urls[-1] if named else "")
        made, found, back, here = await beside(asks, command)
        url, session = await beside(owner_session, command)
        assert url == started.urls[-1]
        async with httpx.AsyncClient(trust_env=False) as http:
            bearer = {"Authorization": f"Bearer {session.token}"}
            assert (await http.get(f"{url}/owner/parts", headers=bearer)).status_code == 200
    for report in (decided_report(made), excluded_report(found), decided_report(back)):
        assert report
    assert [each.worker for each in found.workers] == [address(7)]
    assert (back.exclusion, here.workers) == (None, ())
    assert "no worker is connected" in str(workers_report(here))


async def test_a_wallet_signs_for_its_own_pool_at_the_address_that_was_typed_alone(tmp_path):
    started = Started(tmp_path)
    async with started.serving():
        command = command_run(started, started.urls[-1])
        stranger = import_wallet(tmp_path / "other", bytes([9] * 32).hex(), PASSWORD, cost=2)
        command.stored = SimpleNamespace(path=stranger.path, address=None)
        with pytest.raises(NotTheWalletsPool, match="belongs to"):
            await beside(owner_session, command)
    started = Started(tmp_path / "public", public_url="https://pool.example")
    async with started.serving():
        there = command_run(started, held(started).orders.url)
        with pytest.raises(AnotherPoolAnswers, match=r"address is https://pool\.example"):
            await beside(owner_session, there)


async def test_without_a_pool_there_is_nobody_to_order(tmp_path):
    command = command_run(Started(tmp_path))
    with pytest.raises(NoPoolRuns, match="--pool-url"):
        decide(command, address(7), "ban", "why")
