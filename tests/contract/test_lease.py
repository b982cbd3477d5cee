"""A lease: whoever slept through it, or failed to beat, passes nothing."""

from __future__ import annotations

import pytest

from poolhand.domain.lead import LEAD_LEASE
from poolhand.ports.lead import LeadLost
from poolhand.store.lease import Lease


class Held:
    """A journal in which beating fails when it is told to, and a clock in the test's hand."""

    def __init__(self):
        self.now, self.beats, self.fault = 50.0, 0, None

    def beat(self):
        if self.fault:
            raise self.fault
        self.beats += 1


@pytest.fixture
def held():
    return Held()


def lease_of(held):
    return Lease(held, held.now, lambda: held.now)


@pytest.mark.parametrize("asleep", [LEAD_LEASE, 3600])
def test_whoever_slept_through_its_lease_passes_nothing(held, asleep):
    lease = lease_of(held)
    held.now += LEAD_LEASE - 0.01
    lease.check()
    held.now += asleep
    with pytest.raises(LeadLost, match="longer than its lease"):
        lease.check()


def test_a_beat_counts_from_before_it_was_given(held):
    """Else a slow database would give a leader a lease that its successor does not know of."""
    lease, before = lease_of(held), held.now

    def slow():
        held.now += 2.0

    held.beat = slow
    lease.beat()
    held.now = before + LEAD_LEASE - 0.01
    lease.check()
    held.now = before + LEAD_LEASE
    with pytest.raises(LeadLost):
        lease.check()


def test_a_fault_of_beating_ends_the_lease_at_once(held):
    lease = lease_of(held)
    held.fault = LeadLost("two took the lead")
    lease._ended.wait = lambda _seconds: False  # no pause in this test
    lease._keep()
    with pytest.raises(LeadLost, match="two took the lead"):
        lease.check()


def test_whoever_gave_the_lead_up_passes_nothing(held):
    lease = lease_of(held)
    with lease.kept():
        lease.check()
    with pytest.raises(LeadLost, match="gave the lead up"):
        lease.check()
