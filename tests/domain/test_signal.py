"""Who tells knows nobody; who hears connects."""

from __future__ import annotations

import pytest

from poolhand.domain.signal import Signal


def test_all_who_connected_are_told_in_their_order_and_what_was_said():
    signal, heard = Signal(), []
    signal.connect(lambda number, word: heard.append(("first", number, word)))
    signal.connect(lambda number, word: heard.append(("second", number, word)))
    signal(1, word="one")
    assert heard == [("first", 1, "one"), ("second", 1, "one")]


def test_to_tell_nobody_is_nothing():
    Signal()("unheard")


def test_what_a_listener_raises_is_the_tellers():
    signal, heard = Signal(), []

    def stumble(_what):
        raise KeyError("gone")

    signal.connect(stumble)
    signal.connect(heard.append)
    with pytest.raises(KeyError):
        signal("news")
    assert not heard
