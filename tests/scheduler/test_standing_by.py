"""A second process stands by, answers what it can, and takes over; decided over fakes in memory."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.lead import LEAD_LEASE, LEAD_SILENCE, TAKING, Leader, LockSession, Sighting
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.ports.lead import UNFENCED, LeadLost
from poolhand.scheduler.standing_by import Standby
from poolhand.store.errors import JournalLocked, JournalUnreadable, JournalUnwritable
from poolhand.store.roles import RoleForbidden
from poolhand.wire.messages import Capacity

FIRST = Leader(epoch=1, holder="process 7 on one", address="http://one", beats=3)
OWNER = Address(b"\x02" * 20)


class Server:
    """A database's row and lock, and a clock; each look lets a second pass."""

    def __init__(self):
        self.leader, self.is_held, self.now = FIRST, True, 100.0
        self.fault, self.refusals, self.ended, self.script = None, [], [], {}
        self.looks, self.lost, self.troubles = 0, [], []
        self.session, self.forbids, self.is_frozen = LockSession(70), None, False

    def sight(self):
        self.now += 1.0
        self.looks += 1
        self.script.pop(self.looks, lambda: None)()
        if self.fault:
            raise self.fault
        return Sighting(self.leader, self.session if self.is_held else None)

    def check_endable(self, seen):
        if self.forbids and seen.session:
            raise self.forbids

    def end(self, seen):
        self.check_endable(seen)
        self.ended.append(seen.leader)
        self.is_held = self.is_frozen
        return 1

    def begin(self):
        if self.refusals:
            raise self.refusals.pop(0)
        assert not self.is_held
        self.is_held = True
        return self

    def beat(self):
        if self.lost:
            raise self.lost.pop(0)

    def close(self):
        self.is_held = False


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def wallet(tmp_path):
    made = WalletLock(tmp_path, OWNER)
    yield made
    made.release()


async def lead(server, wallet, told=()):
    """Stand by until this process leads; returns what was taken, and whether anybody waited.

    At the looks ``told`` its trouble is kept.
    """
    waited = []
    standby = Standby(server, wallet, server.begin, lambda: server.now, pause=0)

    async def waits():
        waited.append(server.looks)

    for look in told:
        before = server.script.get(look, lambda: None)
        server.script[look] = lambda before=before: (
            before(),
            server.troubles.append(standby.trouble),
        )
    async with asyncio.timeout(60):
        taken = await standby.lead(waits)
    return taken, waited


async def test_whoever_finds_nobody_leads_at_once(server, wallet):
    server.leader, server.is_held = None, False
    (_, lease), waited = await lead(server, wallet)
    lease.check()
    assert (server.looks, waited) == (1, [])
    assert wallet.is_held


async def test_a_leader_that_resigned_is_followed_at_once(server, wallet):
    def resign():
        server.leader, server.is_held = replace(FIRST, holder=""), False

    server.script[4] = resign
    _, waited = await lead(server, wallet)
    assert (server.looks, waited) == (4, [1])
    assert not server.ended


async def test_a_dead_leaders_lease_is_waited_for_though_its_lock_is_free(server, wallet):
    server.script[3] = lambda: setattr(server, "is_held", False)
    await lead(server, wallet)
    assert server.looks == 1 + LEAD_SILENCE
    assert not server.ended


async def test_a_frozen_leader_is_ended_first(server, wallet):
    await lead(server, wallet)
    assert server.ended == [FIRST]
    assert server.looks == 2 + LEAD_SILENCE


async def test_a_lock_that_nobody_leads_by_is_not_waited_for_without_end(server, wallet):
    server.leader = replace(FIRST, holder="")
    await lead(server, wallet)
    assert server.ended == [server.leader]
    assert server.looks == 2 + TAKING


async def test_one_whose_role_may_not_end_the_leader_says_so_from_the_first_and_stands_by(
    server, wallet
):
    server.forbids = RoleForbidden("end it", 'run GRANT "one" TO "two";')

    def granted():
        server.forbids = None

    server.script[30] = granted
    await lead(server, wallet, told=[3, 29, 31])
    assert 'GRANT "one" TO "two"' in server.troubles[0]
    assert server.troubles[0] == server.troubles[1]
    assert server.troubles[2] == ""
    assert server.looks == 31, "once it was granted the silent leader was ended at once"


async def test_a_session_that_does_not_end_is_told_with_its_process(server, wallet):
    server.is_frozen = True

    def thaws():
        server.is_frozen = False

    server.script[40] = thaws
    await lead(server, wallet, told=[int(LEAD_SILENCE + LEAD_LEASE) + 1, 39])
    assert server.troubles[0] == ""
    assert "server process 70" in server.troubles[1]


async def test_whoever_is_slower_than_another_goes_on_waiting(server, wallet):
    server.is_held = False
    server.refusals = [JournalLocked("db", "unknown"), JournalUnwritable("db", "ended")]
    await lead(server, wallet)
    assert server.looks == 3 + LEAD_SILENCE


async def test_a_database_that_is_away_is_waited_for_and_makes_nobody_leader(server, wallet):
    def away():
        server.fault = JournalUnreadable("db", "no answer")

    def back():
        server.fault, server.leader, server.is_held = None, replace(FIRST, beats=99), True

    server.script |= {2: away, 30: back}
    await lead(server, wallet)
    assert server.looks >= 30 + LEAD_SILENCE, "what was not seen is no silence"


async def test_a_database_that_never_answered_is_told_at_once(server, wallet):
    server.fault = JournalUnreadable("db", "no answer")
    with pytest.raises(JournalUnreadable):
        await lead(server, wallet)


async def test_a_wallet_that_another_program_of_this_machine_uses_keeps_it_from_leading(
    server, wallet, tmp_path
):
    server.leader, server.is_held = None, False
    with WalletLock(tmp_path, OWNER), pytest.raises(WalletInUse):
        await lead(server, wallet)
    other = WalletLock(tmp_path, OWNER)
    other.acquire()
    server.leader, server.is_held = FIRST, True
    server.script |= {2: lambda: setattr(server, "is_held", False), 15: other.release}
    await lead(server, wallet)
    assert server.looks == 15


async def test_whoever_stands_by_holds_the_wallet_of_its_machine(server, wallet, tmp_path):
    """Else somebody would send from it here while the leader does elsewhere."""
    seen = []

    def look():
        with pytest.raises(WalletInUse):
            WalletLock(tmp_path, OWNER).acquire()
        seen.append(True)

    server.script[3] = look
    await lead(server, wallet)
    assert seen


async def test_a_lead_that_was_taken_slowly_still_has_its_lease(server, wallet):
    """Bringing the tables up may take longer than a lease."""
    server.leader, server.is_held = None, False
    begin = server.begin

    def slow():
        server.now += 60
        return begin()

    server.begin = slow
    (_, lease), _ = await lead(server, wallet)
    lease.check()
    server.now += 60
    with pytest.raises(LeadLost):
        lease.check()


async def test_whoever_loses_the_lead_while_taking_it_leaves_it_free(server, wallet):
    server.leader, server.is_held = None, False
    server.lost = [LeadLost("the database ended its session")]
    with pytest.raises(LeadLost):  # at the first look it is told
        await lead(server, wallet)
    assert not server.is_held
    server.leader, server.is_held = FIRST, True
    server.lost = [LeadLost("the database ended its session")]
    server.script[server.looks + 3] = lambda: setattr(server, "is_held", False)
    await lead(server, wallet)
    assert not server.ended, "it had to end its own session"


async def test_whoever_keeps_all_threads_busy_keeps_it_from_no_take_over(server, wallet):
    """Strangers may ask one that stands by for long lists, as many at once as they like."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    answered = threading.Event()
    asking = asyncio.ensure_future(asyncio.to_thread(answered.wait))
    try:
        await asyncio.sleep(0)
        await lead(server, wallet)
    finally:
        answered.set()
    await asking


class Closed:
    """The fence of a process that lost the lead."""

    def check(self):
        raise LeadLost("two took the lead")


async def test_a_worker_is_told_nothing_by_whoever_lost_the_lead(pool):
    world = await pool()
    worker = await world.hired()
    told = len(worker.told)
    world.scheduler.mail._fence = Closed()
    with pytest.raises(LeadLost):
        world.scheduler.mail.hand(worker.address, Capacity(None))
    assert len(worker.told) == told
    world.scheduler.mail._fence = UNFENCED
