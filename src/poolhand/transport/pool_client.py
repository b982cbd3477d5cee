"""The client of a workerpool's public API: what it sells, and how its tasks stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from poolhand.domain.errors import Malformed, PoolhandError, Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultHash, TaskId, TxHash
from poolhand.domain.json_text import parse_json
from poolhand.domain.orders.model import Signed, WorkerpoolOrder
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import Tag
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.text import shown
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, Gas, Seconds, UnixSeconds, Wei
from poolhand.transport.errors import HTTP_FAULTS
from poolhand.transport.pool_standing import PoolStanding, read_standing
from poolhand.wire.order_json import decode_order

UNAVAILABLE: Final = 503
"""HTTP status with which a pool says what is wrong now, and who must do what about it."""
MAX_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of one answer."""
LONGEST: Final = 60
"""Seconds for one answer to come whole."""
AS_IT_IS: Final = {"Accept-Encoding": "identity"}
"""Headers: nothing is inflated here."""

T = TypeVar("T")


class PoolDown(Unavailable):
    """The workerpool does not answer."""


class PoolRefused(Refused):
    """The workerpool does not do what was asked; ``pool_code`` is its word for why."""

    def __init__(self, pool_code: str, message: str) -> None:
        super().__init__(message)
        self.pool_code = pool_code


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """Which pool answers, on which chain, and where its results are."""

    chain_id: int
    hub: Address
    workerpool: Address
    owner: Address
    results_url: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of a history; ``tx`` (in ``block``) where a transaction made it.

    ``seconds`` is the time until the next line, None where it is not known; ``by_chain`` tells
    that ``at`` is the chain's time, else it is by the worker's clock.
    """

    status: str
    at: UnixSeconds
    detail: str = ""
    tx: TxHash | None = None
    block: BlockNumber | None = None
    seconds: Seconds | None = None
    by_chain: bool = False


@dataclass(frozen=True, slots=True)
class Deciding:
    """The hub's event that decided how a replicate ended, as the pool tells it.

    ``worker`` and ``result_hash`` are those of the consensus, where there was one.
    """

    event: str
    tx: TxHash
    block: BlockNumber
    worker: Address | None
    result_hash: ResultHash | None


@dataclass(frozen=True, slots=True)
class ReplicateNews:
    """One worker's attempt, as the pool knows it.

    ``live`` tells whether its lease holds, ``dropped`` whether it ended because the chain no longer
    has the deal.
    """

    worker: Address
    status: Status
    live: bool
    history: tuple[Moment, ...]
    won_by: Deciding | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class PoolTransaction:
    """A transaction of the pool's (``gas_price`` in wei per gas).

    ``block`` is None while no block has it, the others where the pool does not know them.
    """

    call: str
    tx: TxHash
    block: BlockNumber | None
    gas: Gas | None
    gas_price: Wei | None


@dataclass(frozen=True, slots=True)
class TaskNews:
    """A task as its pool knows it; ``first_block`` is that of its first event on chain.

    ``obstacle`` is why no worker that is there can go on with it; empty where one can.
    """

    task_id: TaskId
    deal_id: DealId
    index: int
    status: TaskStatus
    meaning: str
    flow: str
    history: tuple[Moment, ...]
    replicates: tuple[ReplicateNews, ...]
    transactions: tuple[PoolTransaction, ...]
    first_block: BlockNumber | None = None
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class PoolWorker:
    """A worker that is connected to the pool."""

    worker: Address
    paused: bool


class PoolClient:
    """Asks one workerpool; every method is a read and repeatable.

    Every method raises PoolDown when nobody answers, PoolRefused when the pool says no, and
    Malformed when the answer is not what the protocol says.

    Args:
        http: Whose timeouts and connections are used.
        url: Of the pool, ``http://host:port``.
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self.url = http, url.rstrip("/")

    async def config(self) -> PoolConfig:
        """Return which pool this is."""
        return _read(_config, await self._get("/v1/config"), self.url)

    async def order(
        self,
        category: int,
        trust: Trust,
        tag: Tag,
        volume: int,
        requester: Address = ZERO_ADDRESS,
        app: Address = ZERO_ADDRESS,
    ) -> Signed[WorkerpoolOrder]:
        """Return a signed order of at least ``volume`` tasks, for a requester and an app.

        What the pool cannot do is refused here, before anything is paid: the zero address leaves
        requester or app open, and the pool looks less closely.
        """
        asked = {
            "category": str(category),
            "trust": str(trust),
            "tag": str(tag),
            "volume": str(volume),
            "requester": str(requester),
            "app": str(app),
        }
        answer = await self._get("/v1/order", asked)
        return _read(lambda raw: decode_order(WorkerpoolOrder, raw), answer, self.url)

    async def task(self, task_id: TaskId) -> TaskNews | None:
        """Return a task with its replicates; None when the pool does not know it (yet)."""
        try:
            answer = await self._get(f"/v1/tasks/{task_id}")
        except PoolRefused as fault:
            if fault.pool_code == "not-known":
                return None
            raise
        return _read(_task, answer, self.url)

    async def standing(self) -> PoolStanding:
        """Return how the pool is, what it sells, and why it sells nothing."""
        health, config = await self._get("/health"), await self._get("/v1/config")
        return _read(lambda raw: read_standing(*raw), (health, config), self.url)

    async def workers(self) -> tuple[PoolWorker, ...]:
        """Return the workers that are connected."""
        answer = await self._get("/v1/workers")
        return _read(lambda raw: tuple(map(_worker, raw)), answer, self.url)

    async def logs(self, task_id: TaskId) -> Mapping[Address, tuple[str, str]]:
        """Return what the app printed on each worker: standard output and error."""
        answer = await self._get(f"/v1/tasks/{task_id}/logs")
        return _read(_logs, answer, self.url)

    async def _get(self, path: str, asked: Mapping[str, str] | None = None) -> Any:
        try:
            async with asyncio.timeout(LONGEST):
                answer = await self._read_answer(path, asked)
        except (*HTTP_FAULTS, TimeoutError) as fault:
            raise PoolDown(
                f"the workerpool at {self.url} does not answer ({fault or type(fault).__name__}): "
                "check --pool-url, or wait until its owner has started it"
            ) from fault
        if answer.is_success:
            return _json(answer, self.url)
        raise _refusal(answer, self.url)

    async def _read_answer(self, path: str, asked: Mapping[str, str] | None) -> httpx.Response:
        """Return an answer whose body is read, as it came: a stranger's may swell or never end."""
        body = bytearray()
        url = self.url + path
        async with self._http.stream("GET", url, params=asked, headers=AS_IT_IS) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise Malformed(f"the workerpool at {self.url} sent over {MAX_ANSWER} bytes")
        return httpx.Response(answer.status_code, content=bytes(body))


def _json(answer: httpx.Response, url: str) -> Any:
    try:
        return parse_json(answer.content)
    except ValueError as fault:
        raise Malformed(f"{url} does not speak JSON: is it really a workerpool's URL?") from fault


def _refusal(answer: httpx.Response, url: str) -> PoolhandError:
    """Turn an answer that is no success into an error."""
    try:
        members = parse_json(answer.content)
        code, message = shown(str(members["code"]), 64), shown(str(members["message"]), 500)
    except (ValueError, KeyError, TypeError):
        code = f"http-{answer.status_code}"
        message = f"HTTP {answer.status_code}; is {url} really a workerpool's URL?"
    if answer.status_code == UNAVAILABLE and not code.startswith("http-"):
        return PoolDown(f"the workerpool cannot do it now: {message}")
    if answer.status_code >= 500:
        return PoolDown(f"the workerpool at {url} is in trouble (HTTP {answer.status_code}): wait")
    return PoolRefused(code, f"the workerpool refused: {message}")


def _read(read: Callable[[Any], T], members: Any, url: str) -> T:
    try:
        return read(members)
    except (KeyError, TypeError, ValueError, AttributeError, Refused, Malformed) as fault:
        raise Malformed(f"the workerpool at {url} answered in a form unknown here: {fault}") from (
            fault
        )


def _config(members: Any) -> PoolConfig:
    return PoolConfig(
        chain_id=int(members["chain_id"]),
        hub=Address.parse(members["hub"]),
        workerpool=Address.parse(members["workerpool"]),
        owner=Address.parse(members["owner"]),
        results_url=str(members["results_url"]),
    )


def _worker(members: Any) -> PoolWorker:
    return PoolWorker(Address.parse(members["worker"]), bool(members["paused"]))


def _logs(members: Any) -> Mapping[Address, tuple[str, str]]:
    return {
        Address.parse(worker): (str(each["stdout"]), str(each["stderr"]))
        for worker, each in members.items()
    }


def _task(members: Any) -> TaskNews:
    return TaskNews(
        task_id=TaskId.parse(members["task_id"]),
        deal_id=DealId.parse(members["deal_id"]),
        index=int(members["index"]),
        status=TaskStatus(members["status"]),
        meaning=str(members["meaning"]),
        flow=str(members["flow"]),
        history=tuple(_moment(each) for each in members["history"]),
        replicates=tuple(_replicate(each) for each in members["replicates"]),
        transactions=tuple(_transaction(each) for each in members["transactions"]),
        first_block=min(
            (BlockNumber(int(each["block"])) for each in members.get("chain") or ()), default=None
        ),
        obstacle=shown(str(members.get("obstacle") or ""), 500),
    )


def _moment(members: Any) -> Moment:
    tx = members.get("tx")
    return Moment(
        status=str(members["status"]),
        at=UnixSeconds(int(members["at"])),
        detail=str(members.get("detail") or ""),
        tx=TxHash.parse(tx) if tx else None,
        block=_count(members.get("block"), BlockNumber),
        seconds=_count(members.get("seconds"), Seconds),
        by_chain=members.get("clock") == "chain",
    )


def _deciding(members: Any) -> Deciding:
    worker, result = members.get("worker"), members.get("result_hash")
    return Deciding(
        event=str(members["event"]),
        tx=TxHash.parse(members["tx"]),
        block=BlockNumber(int(members["block"])),
        worker=Address.parse(worker) if worker else None,
        result_hash=ResultHash.parse(result) if result else None,
    )


def _replicate(members: Any) -> ReplicateNews:
    return ReplicateNews(
        worker=Address.parse(members["worker"]),
        status=Status(members["status"]),
        live=bool(members["live"]),
        history=tuple(_moment(each) for each in members["history"]),
        won_by=_deciding(members["won_by"]) if members.get("won_by") else None,
        dropped=bool(members.get("dropped")),
    )


def _transaction(members: Any) -> PoolTransaction:
    return PoolTransaction(
        call=str(members["call"]),
        tx=TxHash.parse(members["tx"]),
        block=_count(members["block"], BlockNumber),
        gas=_count(members["gas"], Gas),
        gas_price=_count(members["gas_price"], Wei),
    )


def _count(raw: Any, unit: Callable[[int], T]) -> T | None:
    return None if raw is None else unit(int(raw))
