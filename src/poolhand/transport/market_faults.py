"""A market that says no, or nothing: what happened, who must act, how."""

from __future__ import annotations

from typing import Any, Final

from poolhand.domain.errors import Malformed, PoolhandError, Refused, Unavailable
from poolhand.domain.json_text import parse_json
from poolhand.domain.market.advice import advice
from poolhand.domain.market.refusals import InvalidAuthorization
from poolhand.domain.text import shown
from poolhand.web.client import WebAnswer
from poolhand.wire.json_models import read_model
from poolhand.wire.market_answers import MarketSaid

TOO_MANY_REQUESTS: Final = 429
NOT_FOUND: Final = 404


class MarketDown(Unavailable):
    """The market does not answer, or cannot now."""


class MarketRefused(Refused):
    """The market does not do what was asked; ``said`` is its text, word for word."""

    def __init__(self, who: str, said: str) -> None:
        told = advice(said)
        super().__init__(f"{who} refused: {said}" + (f". What to do: {told}" if told else ""))
        self.said = said


class NotThere(MarketRefused):
    """The market has no such order, deal or category."""


class LoginLost(MarketRefused):
    """The proof of who asks was not taken: its challenge was used up or has expired."""


def checked(answer: WebAnswer, who: str) -> Any:
    """Return the JSON of a good answer.

    Args:
        answer: Of a market.
        who: Answered, for messages.

    Raises:
        MarketDown: It cannot now.
        MarketRefused: It will not.
        Malformed: It is no market.
    """
    try:
        members = parse_json(answer.content)
    except ValueError as fault:
        if answer.status >= 500:
            raise _in_trouble(answer, who) from fault
        raise Malformed(f"{who} does not speak JSON: is it really a market's URL?") from fault
    if answer.is_success:
        return members
    raise _refusal(answer, members, who)


def _refusal(answer: WebAnswer, members: Any, who: str) -> PoolhandError:
    if answer.status == TOO_MANY_REQUESTS:
        return MarketDown(f"{who} takes no more requests of this machine for now: wait a while")
    if answer.status >= 500:
        return _in_trouble(answer, who)
    said = shown(read_model(MarketSaid, members, who).error, 500)
    if answer.status == NOT_FOUND:
        return NotThere(who, said)
    lost = said == str(InvalidAuthorization())
    return LoginLost(who, said) if lost else MarketRefused(who, said)


def _in_trouble(answer: WebAnswer, who: str) -> MarketDown:
    return MarketDown(f"{who} is in trouble (HTTP {answer.status}): wait, or tell whoever runs it")
