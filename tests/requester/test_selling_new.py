"""An order for what was registered just now waits until the market has seen it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from poolhand.requester.selling import MOST_LOOKS_FOR_NEW, Selling
from poolhand.transport.market_faults import MarketRefused

NOT_YET = MarketRefused("the market", "Resource not deployed")


class Book:
    def __init__(self, *answers) -> None:
        self.answers, self.pauses = list(answers), []

    async def publish(self, signed, signer):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(self, seconds):
        self.pauses.append(seconds)


async def published(book):
    selling = Selling(None, SimpleNamespace(signer=None), None)
    return await selling.publish_new("order", book, book.pause)


async def test_it_is_published_as_soon_as_the_market_sees_it():
    book = Book(NOT_YET, NOT_YET, "entry")
    assert await published(book) == "entry"
    assert len(book.pauses) == 2


async def test_another_refusal_is_told_at_once():
    book = Book(MarketRefused("the market", "invalid sign"))
    with pytest.raises(MarketRefused, match="sign it again"):
        await published(book)
    assert book.pauses == []


async def test_a_market_that_never_sees_it_is_given_up():
    book = Book(NOT_YET)
    with pytest.raises(MarketRefused, match="not deployed"):
        await published(book)
    assert len(book.pauses) == MOST_LOOKS_FOR_NEW
