"""One endpoint: how it has been, what it bears and what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from eth_abi.exceptions import DecodingError

from poolhand.chain.link import Link, Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal, down
from poolhand.chain.span import Span
from poolhand.domain.errors import BadHex
from poolhand.domain.onchain import Head
from poolhand.observe.outage_log import OutageLog

T = TypeVar("T")
FIRST_REST_OF_ENDPOINT: Final = 0.25
"""Seconds that an endpoint rests after its first failure; doubled with each further one."""
LONGEST_REST_OF_ENDPOINT: Final = 30.0
LONGEST_AWAY: Final = 300.0
"""Seconds that an endpoint is left alone at most, whatever it asks for."""
NONSENSE: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    DecodingError,
    BadHex,
)
"""What reading an answer raises when it is not what was asked for."""

Fit: TypeAlias = Callable[[Sequence[Any]], bool]
"""Tells whether answers show an endpoint that is up to date."""
log = structlog.get_logger()


def anything(_answers: Sequence[Any]) -> bool:
    """Take whatever an endpoint says for up to date."""
    return True


@dataclass(slots=True, eq=False)
class Endpoint:
    """One endpoint.

    Attributes:
        head: The newest block it told of.
        rests_until: When it is asked before others again (seconds of the loop's clock).
        away_until: Until then it wants not to be asked at all.
        span: How wide a range of logs it bears.
        lacks: Names of what it does not offer, for which something else is asked.
    """

    link: Link
    head: Head | None = None
    failures: int = 0
    rests_until: float = 0.0
    away_until: float = 0.0
    fault: EndpointDown | None = None
    checked: bool = False
    expelled: bool = False
    span: Span = field(default_factory=Span)
    lacks: set[str] = field(default_factory=set)
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    trouble: OutageLog = field(init=False)

    def __post_init__(self) -> None:
        """Speak of it by its name."""
        name = self.link.name
        self.trouble = OutageLog("endpoint_failed", "endpoint_answered", endpoint=name)

    def failed(self, fault: EndpointDown, now: float) -> None:
        """Let it rest; what fails while it rests already tells nothing new."""
        self.fault = fault
        self.away_until = max(self.away_until, now + min(fault.retry_after, LONGEST_AWAY))
        if now < self.rests_until:
            return
        rest = max(
            min(FIRST_REST_OF_ENDPOINT * 2**self.failures, LONGEST_REST_OF_ENDPOINT),
            fault.retry_after,
        )
        self.failures = min(self.failures + 1, 10)
        self.rests_until = now + min(rest, LONGEST_REST_OF_ENDPOINT)
        self.trouble.tell(fault, rest=rest)

    def answered(self) -> None:
        """Trust it again."""
        self.failures, self.rests_until, self.away_until, self.fault = 0, 0.0, 0.0, None
        self.trouble.over()

    def leave_alone(self, now: float) -> None:
        """Raise EndpointDown while it wants not to be asked."""
        left = self.away_until - now
        if left > 0:
            why = f"has had too many requests and wants none for another {left:.0f} s"
            raise EndpointDown(self.link.name, why, reached=False, retry_after=left, busy=True)

    async def exchange(
        self, queries: Sequence[Query[T]], fit: Fit = anything, *, whole: bool = True
    ) -> list[T | NodeRefusal]:
        """Ask, and read the answers; what it lacks is asked for in another way.

        Args:
            queries: Sent together.
            fit: Tells whether the answers are of an endpoint that is up to date.
            whole: Whether one refusal that tells of the endpoint is one of everything; else it is
                among the answers.

        Raises:
            EndpointDown: It does not answer, answers nonsense, or another would do better.
        """
        asked = [self._offered(query) for query in queries]
        answers = await self.link.exchange(asked)
        pairs = zip(asked, answers, strict=True)
        found = [self._read(query, answer, whole) for query, answer in pairs]
        while again := [at for at, each in enumerate(found) if _is_lack(asked[at], each)]:
            for at in again:
                asked[at] = self._alternative(asked[at], found[at])
            answers = await self.link.exchange([asked[at] for at in again])
            for at, answer in zip(again, answers, strict=True):
                found[at] = self._read(asked[at], answer, whole)
        if not fit(found):
            raise EndpointDown(self.link.name, "lags behind")
        return found

    def _offered(self, query: Query[T]) -> Query[T]:
        while query.name in self.lacks and query.instead is not None:
            query = query.instead
        return query

    def _alternative(self, query: Query[T], refusal: Any) -> Query[T]:
        """Return what to ask instead; remembers what the endpoint does not offer."""
        assert query.instead is not None
        if refusal.not_offered:
            self.note_lack(query.name, refusal)
        return self._offered(query.instead)

    def note_lack(self, what: str, refusal: NodeRefusal) -> None:
        """Remember what the endpoint does not offer."""
        if what not in self.lacks:
            self.lacks.add(what)
            log.info("endpoint_lacks", endpoint=self.link.name, what=what, said=refusal.text)

    def _read(self, query: Query[T], answer: dict[str, Any], whole: bool) -> T | NodeRefusal:
        try:
            if answer.get("error") is not None:
                return self._refusal(query, NodeRefusal.read(query.method, answer["error"]), whole)
            return query.read(answer["result"])
        except NONSENSE as fault:
            raise EndpointDown(
                self.link.name, f"answered {query.method} with nonsense ({fault!r})"
            ) from fault

    def _refusal(self, query: Query[Any], refusal: NodeRefusal, whole: bool) -> NodeRefusal:
        """Return what answers the question; raise EndpointDown for what tells of the endpoint."""
        replaceable = query.instead is not None and not refusal.busy
        lacking = bool(query.form) and refusal.not_offered
        if whole and refusal.elsewhere and not (replaceable or lacking):
            raise down(self.link.name, refusal)
        return refusal


def _is_lack(query: Query[Any], answer: Any) -> bool:
    """Whether something else is to be asked instead of what was refused."""
    refused = isinstance(answer, NodeRefusal) and not answer.is_plain
    return refused and query.instead is not None
