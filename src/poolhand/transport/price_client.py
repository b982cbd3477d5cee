"""Reading what a coin is worth from where the operator has said."""

from __future__ import annotations

from typing import Final

import httpx

from poolhand.domain.coin_price import PriceFeed, read_coin_price
from poolhand.domain.errors import Unavailable
from poolhand.domain.units import NanoRlc
from poolhand.web.client import AnswerTooLarge, Caps, GoesElsewhere, NoAnswer, opened
from poolhand.web.trusted import trusted

LONGEST_PRICE_ANSWER: Final = 20.0
"""Seconds."""
MOST_PRICE_ANSWER: Final = 1 << 20
"""Bytes."""


class NoPriceTold(Unavailable):
    """Whoever tells prices does not answer, or answers something else."""


async def read_price(feed: PriceFeed) -> NanoRlc:
    """Return what one coin is worth (nRLC).

    Raises:
        NoPriceTold: It does not answer, or refuses.
        Malformed: It answers, and no price is where it should be.
    """
    host = feed.host
    caps = Caps(MOST_PRICE_ANSWER, LONGEST_PRICE_ANSWER)
    try:
        async with (
            httpx.AsyncClient(
                timeout=LONGEST_PRICE_ANSWER, verify=trusted(environment=True)
            ) as http,
            opened(http, "GET", feed.url, caps) as answer,
        ):
            if not answer.is_success:
                raise NoPriceTold(f"{host} answers {answer.status}")
            content = await answer.content()
    except (NoAnswer, AnswerTooLarge, GoesElsewhere) as fault:
        raise NoPriceTold(f"{host} does not answer: {fault}") from fault
    return read_coin_price(feed, content)
