"""What a pool's owner says: shown, bounded, and logged once."""

from __future__ import annotations

from poolhand.domain.units import UnixSeconds
from poolhand.wire.messages import OwnerMessage
from poolhand.worker.owner_messages import (
    MESSAGES_AT_ONCE,
    MOST_MESSAGES_KEPT,
    REFILL,
    OwnerMessages,
)

NOW = UnixSeconds(1_700_000_000)


def message(number):
    return OwnerMessage(UnixSeconds(NOW + number), f"number {number}")


def test_the_newest_are_kept_and_come_first():
    messages = OwnerMessages()
    assert all(messages.take(message(number), NOW) for number in range(MOST_MESSAGES_KEPT + 2))
    kept = messages.kept()
    assert len(kept) == MOST_MESSAGES_KEPT
    assert (kept[0], kept[-1]) == (message(MOST_MESSAGES_KEPT + 1), message(2))


def test_what_is_told_again_is_no_news():
    messages = OwnerMessages()
    assert messages.take(message(1), NOW)
    assert not messages.take(message(1), NOW)
    assert (len(messages.kept()), messages.dropped) == (1, 0)


def test_a_pool_that_says_too_much_is_heard_now_and_then():
    messages = OwnerMessages()
    taken = sum(messages.take(message(number), NOW) for number in range(1000))
    assert (taken, messages.dropped) == (MESSAGES_AT_ONCE, 1000 - MESSAGES_AT_ONCE)
    later = UnixSeconds(NOW + REFILL)
    assert messages.take(message(1001), later)
    assert not messages.take(message(1002), later)
    much = UnixSeconds(NOW + 10**6)
    assert sum(messages.take(message(n), much) for n in range(2000, 3000)) == MESSAGES_AT_ONCE
