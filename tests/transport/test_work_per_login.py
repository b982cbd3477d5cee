"""Ten times the workers, and no more work per login, message, beat or departure: counted."""

from __future__ import annotations

import pytest
import structlog

from poolhand import observe
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.transport.session_hub import SessionHub
from poolhand.wire.messages import Capabilities, Capacity, Login
from work import counted

SMALL, LARGE, ROUNDS, MOST = 200, 2_000, 50, 1.3
CAN = Capabilities("w", "0", 1, 1, 1, (), gpu=False, instance=Nonce(bytes(32)))


@pytest.fixture(autouse=True)
def quiet():
    """Write no log: what a line costs depends on which addresses were written before."""
    observe.configure(level="error")
    yield
    structlog.reset_defaults()


class Gate:
    """A scheduler that does nothing."""

    def admit(self, login):
        pass

    def connected(self, arrival):
        pass

    def received(self, worker, message):
        pass

    def lost(self, worker):
        pass


class Outlet:
    """A connection on which nothing is carried."""

    def put(self, text):
        pass

    def end(self, farewell=None):
        pass


class Crowd:
    """A hub with so many workers connected."""

    def __init__(self, count):
        self.clock, self.next = ManualClock(), 0
        self.hub = SessionHub(self.clock, SeededEntropy(), "http://r")
        self.hub._gate, self.hub._is_open = Gate(), True
        self.sessions = [self.login() for _ in range(count)]

    def login(self):
        self.next += 1
        worker = Address(self.next.to_bytes(20, "big"))
        session, _ = self.hub.admit(
            Login(2, worker, CAN, 0, Nonce(bytes(32)), bytes(65), ()), "1.2.3.4", Outlet()
        )
        self.hub.arrived(session)
        return session

    def message(self):
        self.hub.take(self.sessions[len(self.sessions) // 2], Capacity(None))

    def beat(self):
        self.hub.hear(self.sessions[len(self.sessions) // 2])

    def look(self):
        self.hub._sweep(we_stood_still=False)

    def departure(self):
        self.hub.drop(self.sessions.pop().arrival.worker, "left", "bye")


def work_of(crowd, kind):
    """Count what something takes, each time that it is done."""
    count, act = 0, getattr(crowd, kind)
    for _ in range(ROUNDS):
        with counted() as work:
            act()
        count += work.count
    return count / ROUNDS


@pytest.mark.parametrize("kind", ["login", "message", "beat", "look", "departure"])
def test_ten_times_the_workers_are_no_more_work(kind):
    small, large = (work_of(Crowd(count), kind) for count in (SMALL, LARGE))
    assert large <= MOST * small
