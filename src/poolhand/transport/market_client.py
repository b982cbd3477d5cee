"""The client of a market: what is for sale and was sold, publishing and taking back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address, DealId, OrderHash
from poolhand.domain.market.advice import is_known_already
from poolhand.domain.market.book import BookOrder, BookStatus, sort_of
from poolhand.domain.market.challenges import MarketLogin, Proof, proof_header
from poolhand.domain.market.filters import MOST_PAGE_SIZE, BookFilter
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.market.refusals import RESOURCE
from poolhand.domain.market.unpublishing import UnpublishTarget
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Order, OrderT, Signed
from poolhand.ports.signer import Signer
from poolhand.transport.again import Sleep, a_few_times, again
from poolhand.transport.market_faults import LoginLost, MarketDown, MarketRefused, NotThere
from poolhand.transport.market_faults import checked as _checked
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, ask
from poolhand.wire.json_models import read_model
from poolhand.wire.market_answers import (
    AnswerReader,
    DealPage,
    OrderPage,
    TakenOut,
    ToldChallenge,
    TradedDeal,
    bounded,
)
from poolhand.wire.market_api import MarketHealth
from poolhand.wire.market_asking import QueryParameters, asked_of, path_of
from poolhand.wire.market_orders import market_order
from poolhand.wire.market_pools import MarketPool, PoolAddress, PoolAnswer, PoolList
from poolhand.wire.market_queries import DEFAULT_SIZE

MAX_MARKET_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of one answer: a thousand orders with the longest parameters are larger, and refused."""
MARKET_ANSWER_CAPS: Final = Caps(MAX_MARKET_ANSWER, seconds=60)
MOST_CHALLENGE: Final = 500
"""Characters of a text that is signed to prove who asks."""
CHALLENGES_TRIED: Final = 3
"""Challenges that are tried: another program of the same wallet may use one up."""


class MarketClient:
    """Asks one market; every method may be repeated, the writing ones, too.

    Every method raises MarketDown when nobody answers or the market is busy, MarketRefused when it
    says no, and Malformed when the answer is not what the protocol says.

    Args:
        http: Whose timeouts and connections are used.
        url: Of the market, ``http://host:port``.
        domain: Of orders on the chain's hub.
        pause: Lets time pass before a try more where the market is away or busy; None: one try.
    """

    def __init__(
        self, http: httpx.AsyncClient, url: str, domain: Domain, pause: Sleep | None = None
    ) -> None:
        self._http, self.url, self._pause = http, url.rstrip("/"), pause
        self._domain = domain
        self._reader = AnswerReader(domain, self._who)

    # ------------------------------------------------------------------------------------ reading

    async def health(self) -> MarketHealth:
        """Return whether chain and book are in reach, and which hub it serves."""
        return read_model(MarketHealth, await self._ask("GET", "/health", {}), self._who)

    async def find(self, sort: OrderSort, name: OrderHash) -> BookOrder | None:
        """Return an order of whatever status; None when the market does not have it."""
        try:
            told = await self._ask("GET", f"{path_of(sort)}/{name}", self._chain)
        except NotThere:
            return None
        return self._reader.order(sort, told)

    async def orders(
        self, wanted: BookFilter, index: int = 0, size: int = DEFAULT_SIZE
    ) -> OrderPage:
        """Return a page of open orders, best price first.

        Args:
            wanted: Which; of apps and datasets it must say what or whose.
            index: Of the page, from 0.
            size: Of a page, 10 to 1000.
        """
        asked = {**self._chain, **asked_of(wanted), **_page(index, size)}
        told = await self._ask("GET", path_of(wanted.sort), asked)
        return self._reader.page(wanted.sort, told, size)

    async def every_order(self, wanted: BookFilter, most: int) -> AsyncIterator[BookOrder]:
        """Yield open orders, best price first, each once, ``most`` at most.

        The book moves on between two pages: an order may be missed, none comes twice.
        """
        size, seen = min(max(most, 10), MOST_PAGE_SIZE), set[OrderHash]()
        for index in range(-(-most // size)):
            page = await self.orders(wanted, index, size)
            for each in page.orders:
                if each.order_hash not in seen and len(seen) < most:
                    seen.add(each.order_hash)
                    yield each
            if len(page.orders) < size:
                return

    async def deals(
        self, wanted: Mapping[str, str], index: int = 0, size: int = DEFAULT_SIZE
    ) -> DealPage:
        """Return a page of deals, newest block first.

        Args:
            wanted: What a deal must have, by the names of ``market_queries.DEAL_PARAMETERS``.
            index: Of the page, from 0.
            size: Of a page, 10 to 1000.
        """
        asked = {**self._chain, **wanted, **_page(index, size)}
        told = await self._ask("GET", "/deals", asked)
        return read_model(DealPage, bounded(told, "deals", size, self._who), self._who)

    async def deal(self, name: DealId) -> TradedDeal | None:
        """Return a deal; None when the market has not seen it (yet)."""
        try:
            told = await self._ask("GET", f"/deals/{name}", self._chain)
        except NotThere:
            return None
        return read_model(TradedDeal, told, self._who)

    async def pools(self, index: int = 0, size: int = DEFAULT_SIZE) -> PoolList:
        """Return a page of registered pools, those first that answered the market last."""
        asked = {**self._chain, **_page(index, size)}
        told = await self._ask("GET", "/pools", asked)
        return read_model(PoolList, bounded(told, "pools", size, self._who), self._who)

    async def pool_url(self, workerpool: Address) -> str | None:
        """Return where a pool says that its API is, as it stands there; None of one unknown."""
        path = f"/{self._domain.chain_id}/workerpools/{workerpool}"
        try:
            return read_model(PoolAddress, await self._ask("GET", path, {}), self._who).api_url
        except NotThere:
            return None

    # ------------------------------------------------------------------------------------ writing

    async def publish(self, signed: Signed[OrderT], signer: Signer) -> BookOrder:
        """Put a signed order into the book; one that is open there already stays as it is.

        Args:
            signed: The order.
            signer: Its owner, or requester.

        Raises:
            MarketRefused: A rule of the book; the message says who must do what.
        """
        sort = sort_of(signed.order)
        body = {"order": market_order(sort, signed.order, signed.signature)}
        try:
            told = await self._write("POST", path_of(sort), body, signer)
        except MarketRefused as refusal:
            if not is_known_already(refusal.said):
                raise
            return await self._published(signed.order, refusal)
        members = told.get("published") if isinstance(told, dict) else None
        return self._reader.order(sort, members)

    async def _published(self, order: Order, refusal: MarketRefused) -> BookOrder:
        """Return an order that the market has: a lost answer may have told that it took it."""
        known = await self.find(sort_of(order), order_hash(self._domain, order))
        if known is None or known.status is not BookStatus.OPEN:
            raise refusal
        return known

    async def unpublish(self, sort: OrderSort, name: OrderHash, signer: Signer) -> OrderHash:
        """Take one order out of the book; on chain it stays valid until cancelled."""
        body = {"target": UnpublishTarget.ONE.value, "orderHash": str(name)}
        await self._taken_out(sort, body, signer)
        return name

    async def unpublish_last(
        self, sort: OrderSort, resource: Address, signer: Signer
    ) -> tuple[OrderHash, ...]:
        """Take the signer's newest order for a resource out of the book."""
        body = {"target": UnpublishTarget.LAST.value, RESOURCE[sort]: str(resource)}
        return await self._taken_out(sort, body, signer)

    async def unpublish_all(
        self, sort: OrderSort, resource: Address, signer: Signer
    ) -> tuple[OrderHash, ...]:
        """Take all of the signer's orders for a resource out of the book."""
        body = {"target": UnpublishTarget.ALL.value, RESOURCE[sort]: str(resource)}
        return await self._taken_out(sort, body, signer)

    async def register(self, profile: PoolProfile, signer: Signer) -> MarketPool:
        """Say what a pool is and where it is reached; ``signer`` is its owner.

        Raises:
            MarketRefused: It is somebody else's, or a text is none to be shown.
        """
        body = {
            "name": profile.name,
            "description": profile.description,
            "url": profile.url,
            "resultsUrl": profile.results_url,
        }
        told = await self._write("PUT", f"/pools/{profile.workerpool}", body, signer)
        return read_model(PoolAnswer, told, self._who).pool

    async def unregister(self, workerpool: Address, signer: Signer) -> None:
        """Have a pool forgotten; ``signer`` is its owner. Its orders stay; repeatable.

        Raises:
            MarketRefused: It is somebody else's.
        """
        await self._write("DELETE", f"/pools/{workerpool}", {}, signer)

    async def _taken_out(
        self, sort: OrderSort, body: Mapping[str, str], signer: Signer
    ) -> tuple[OrderHash, ...]:
        told = read_model(
            TakenOut, await self._write("PUT", path_of(sort), body, signer), self._who
        )
        return told.unpublished

    async def _write(self, method: str, path: str, body: Mapping[str, Any], signer: Signer) -> Any:
        for left in range(CHALLENGES_TRIED - 1, -1, -1):
            headers = {"authorization": await self._login(signer)}
            try:
                return await self._ask(method, path, self._chain, json=body, headers=headers)
            except LoginLost:
                if not left:
                    raise
        raise AssertionError

    async def _login(self, signer: Signer) -> str:
        asked = {**self._chain, "address": str(signer.address)}
        told = read_model(ToldChallenge, await self._ask("GET", "/challenge", asked), self._who)
        challenge = told.data.message.challenge
        if len(challenge) > MOST_CHALLENGE:
            raise Malformed(f"{self._who} wants a text signed that is over {MOST_CHALLENGE} long")
        login = MarketLogin(self._domain.chain_id, challenge)
        return proof_header(Proof(login.digest, signer.sign_message(login), signer.address))

    # ------------------------------------------------------------------------------------- asking

    @property
    def _who(self) -> str:
        return f"the market at {self.url}"

    @property
    def _chain(self) -> QueryParameters:
        return {"chainId": str(self._domain.chain_id)}

    async def _ask(self, method: str, path: str, asked: QueryParameters, **request: Any) -> Any:
        async def once() -> Any:
            return await self._asked(method, path, asked, **request)

        if self._pause is None:
            return await once()
        return await again(once, MarketDown, a_few_times, self._pause)

    async def _asked(self, method: str, path: str, asked: QueryParameters, **request: Any) -> Any:
        try:
            answer = await ask(
                self._http, method, self.url + path, MARKET_ANSWER_CAPS, params=asked, **request
            )
        except NoAnswer as fault:
            raise MarketDown(
                f"{self._who} does not answer ({fault}): check --market, or wait until whoever "
                "runs it has started it"
            ) from fault
        except AnswerTooLarge as fault:
            raise Malformed(f"{self._who} sent over {fault.most} bytes: ask for less") from fault
        return _checked(answer, self._who)


def _page(index: int, size: int) -> QueryParameters:
    return {"pageIndex": str(index), "pageSize": str(size)}
