"""How an order stands, in words: unpublished is not cancelled; what was not asked is not told."""

from __future__ import annotations

import pytest

from poolhand.domain.market.book import BookStatus
from poolhand.domain.market.standing import UNTIL_CANCELLED, in_words


@pytest.mark.parametrize("status", [None, BookStatus.DEAD])
def test_what_nobody_finds_or_can_use_is_still_valid_on_chain(status):
    told = in_words(status, 3, 7)
    assert UNTIL_CANCELLED in told
    assert "3 of 7 tasks" in told


@pytest.mark.parametrize("status", [None, *BookStatus])
def test_what_has_nothing_left_on_chain_is_over_wherever_it_stands(status):
    told = in_words(status, 0, 7)
    assert told.endswith("on chain: nobody can use it any more")
    assert UNTIL_CANCELLED not in told


def test_where_no_market_was_asked_nothing_is_said_of_one():
    told = in_words(None, 3, 7, asked=False)
    assert told == f"{UNTIL_CANCELLED}, 3 of 7 tasks left; no market was asked"
