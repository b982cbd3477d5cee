"""Who has to go when too many connections wait."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from poolhand.transport.waiting import (
    MOST_CONNECTIONS,
    WaitingConnections,
    WaitingRoom,
    limits_for,
    neighbourhood,
)


@dataclass(eq=False)
class Held:
    address: str
    gone: list = field(default_factory=list)

    def evict(self):
        self.gone.append(True)


@pytest.mark.case("A4")
def test_an_address_with_too_many_loses_its_own_oldest():
    waiting = WaitingConnections(WaitingRoom(2, 10))
    other, *own = Held("192.0.2.1"), Held("192.0.2.2"), Held("192.0.2.2"), Held("192.0.2.2")
    for each in (other, *own):
        waiting.touch(each)
    assert [bool(each.gone) for each in (other, *own)] == [False, True, False, False]


@pytest.mark.case("A4")
def test_with_too_many_in_all_the_address_that_has_most_loses_its_oldest():
    waiting = WaitingConnections(WaitingRoom(9, 3))
    alone, first, second = Held("192.0.2.1"), Held("192.0.2.2"), Held("192.0.2.2")
    for each in (alone, first, second, Held("192.0.2.3")):
        waiting.touch(each)
    assert (bool(alone.gone), bool(first.gone), bool(second.gone)) == (False, True, False)


def test_with_one_each_the_oldest_of_all_goes_and_a_touched_one_is_the_youngest():
    waiting = WaitingConnections(WaitingRoom(9, 2))
    first, second = Held("192.0.2.1"), Held("192.0.2.2")
    waiting.touch(first)
    waiting.touch(second)
    waiting.touch(first)
    waiting.touch(Held("192.0.2.3"))
    assert (bool(first.gone), bool(second.gone)) == (False, True)
    waiting.drop(second)
    assert len(waiting) == 2


def test_neighbours_in_one_ipv6_network_are_one_client_and_this_machine_is_bounded_in_all_alone():
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff") == "2001:db8::/64"
    assert neighbourhood("nobody") == "nobody"
    assert WaitingRoom(2, 10).of("127.0.0.1") == 10
    assert WaitingRoom(2, 10).of("192.0.2.1") == 2


@pytest.mark.parametrize("descriptors", [64, 256, 1_024, 65_536, 2**31])
def test_limits_leave_most_descriptors_to_workers_and_files(descriptors):
    limits = limits_for(descriptors)
    rooms = limits.asking.in_all + limits.sending.in_all + limits.taking.in_all
    assert rooms <= max(descriptors // 4, 16)
    assert max(limits.asking.in_all, limits.requests) <= MOST_CONNECTIONS
