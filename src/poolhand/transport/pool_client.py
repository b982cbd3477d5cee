"""The client of a workerpool's public API: what it sells, and how its tasks stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

import httpx

from poolhand.domain.errors import Malformed, PoolhandError, Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.orders.model import MatchOrders, Signed, WorkerpoolOrder
from poolhand.domain.tag import Tag
from poolhand.domain.text import shown
from poolhand.domain.trust import Trust
from poolhand.domain.units import UnixSeconds
from poolhand.web.client import (
    AnswerTooLarge,
    Caps,
    Incoming,
    NoAnswer,
    WebAnswer,
    ask,
    opened,
)
from poolhand.wire.join_api import JoinManifest
from poolhand.wire.json_models import M, ServiceFault, read_model
from poolhand.wire.order_json import decode_order, encode_match
from poolhand.wire.output_api import (
    OutputNews,
    PrintedByWorker,
    ReaderChallenge,
    ReaderProof,
    ReaderSession,
)
from poolhand.wire.pool_api import (
    ConnectedWorkers,
    PoolConfig,
    PoolHealth,
    PoolSummary,
    PoolWorker,
    TaskNews,
    WorkerNews,
)
from poolhand.wire.pool_orders import OrdersOnSale
from poolhand.wire.purchase_api import SentPurchase

UNAVAILABLE: Final = 503
"""HTTP status with which a pool says what is wrong now, and who must do what about it."""
MAX_POOL_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of one answer."""
MAX_OUTPUT_EVENT: Final = 1024 * 1024
"""Bytes of one event of a task's output."""
LONGEST_SILENCE_OF_OUTPUT: Final = 20.0
"""Seconds; a pool that has no news says so every five."""
READER_SIGN_IN_PATH: Final = "/v1/reader/sign-in"
CONFIG_PATH: Final = "/v1/config"
JOIN_SCRIPT_PATH: Final = "/join.sh"
POOL_CLIENT_CAPS: Final = Caps(MAX_POOL_ANSWER, seconds=60)
_OUTPUT_CAPS: Final = Caps(2**50, seconds=None)
"""It comes as long as a task runs; its reader keeps none of it."""


class PoolDown(Unavailable):
    """The workerpool does not answer."""


class PoolRefused(Refused):
    """The workerpool does not do what was asked; ``pool_code`` is its word for why."""

    def __init__(self, pool_code: str, message: str) -> None:
        super().__init__(message)
        self.pool_code = pool_code


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """How a pool is, as it tells everybody."""

    config: PoolConfig
    health: PoolHealth


@dataclass(frozen=True, slots=True)
class PoolGreeting:
    """Which pool answers, and what time it has; None where its answer does not tell."""

    config: PoolConfig
    time: UnixSeconds | None


class PoolClient:
    """Asks one workerpool; every method is repeatable, and all but ``hand_in`` are reads.

    Every method raises PoolDown when nobody answers, PoolRefused when the pool says no, and
    Malformed when the answer is not what the protocol says.

    Args:
        http: Whose timeouts and connections are used.
        url: Of the pool, ``http://host:port``.
        caps: What one answer may cost.
    """

    remedy: ClassVar[str] = "check --pool-url, or wait until its owner has started it"
    """Who must do what where nobody answers."""

    def __init__(self, http: httpx.AsyncClient, url: str, caps: Caps = POOL_CLIENT_CAPS) -> None:
        self._http, self.url, self._caps = http, url.rstrip("/"), caps

    async def config(self) -> PoolConfig:
        """Return which pool this is."""
        return await self._read(PoolConfig, CONFIG_PATH)

    async def greeting(self) -> PoolGreeting:
        """Return which pool this is, and its time."""
        answer = await self._answer("GET", CONFIG_PATH)
        told = read_model(PoolConfig, _json(answer, self.url), self._who)
        return PoolGreeting(told, _date(answer))

    async def join_manifest(self) -> JoinManifest:
        """Return by which files workers join, as the owner whom it names signed it.

        Raises:
            NotTheOwnersFiles: Somebody else signed it, or something else was signed.
        """
        try:
            manifest = await self._read(JoinManifest, "/join/manifest.json")
        except PoolRefused as fault:
            if fault.pool_code != "not-found":
                raise
            raise PoolRefused(
                fault.pool_code,
                f"the workerpool at {self.url} has nothing for computers that join: its owner must "
                "install a newer version; until then `poolhand worker start` joins it by hand",
            ) from fault
        manifest.check()
        return manifest

    async def join_script(self, manifest: JoinManifest) -> bytes:
        """Return the script of a manifest.

        Raises:
            NotTheOwnersFiles: It is not the one that was signed.
        """
        content = (await self._answer("GET", JOIN_SCRIPT_PATH)).content
        manifest.check_script(content)
        return content

    async def order(
        self,
        category: int,
        trust: Trust,
        tag: Tag,
        volume: int,
        requester: Address = ZERO_ADDRESS,
        app: Address = ZERO_ADDRESS,
        *,
        params: str = "",
        by_signature: bool = False,
    ) -> Signed[WorkerpoolOrder]:
        """Return a signed order of at least ``volume`` tasks, for a requester and an app.

        What the pool cannot do is refused here, before anything is paid: the zero address leaves
        requester or app open, and the pool looks less closely. ``params``: as of the request, so
        that the pool looks whether its workers can do it. ``by_signature``: the pool is to send
        the purchase, at its fee.
        """
        asked = {
            "category": str(category),
            "trust": str(trust),
            "tag": str(tag),
            "volume": str(volume),
            "requester": str(requester),
            "app": str(app),
        }
        if params:
            asked["params"] = params
        if by_signature:
            asked["by_signature"] = "true"
        return self._order(await self._get("/v1/order", asked))

    async def hand_in(self, orders: MatchOrders) -> SentPurchase:
        """Have a purchase sent that is signed and complete; repeatable, it is sent once.

        PoolRefused means that the pool sent nothing for this asking; PoolDown, that it may have.
        """
        told = await self._ask("POST", "/v1/purchases", json=encode_match(orders))
        return read_model(SentPurchase, told, self._who)

    def _order(self, members: Any) -> Signed[WorkerpoolOrder]:
        try:
            return decode_order(WorkerpoolOrder, members)
        except (Malformed, Refused) as fault:
            raise Malformed(f"{self._who} answered in a form unknown here: {fault}") from fault

    async def task(self, task_id: TaskId) -> TaskNews | None:
        """Return a task with its replicates; None when the pool does not know it (yet)."""
        try:
            return await self._read(TaskNews, f"/v1/tasks/{task_id}")
        except PoolRefused as fault:
            if fault.pool_code == "not-known":
                return None
            raise

    async def standing(self) -> PoolStanding:
        """Return how the pool is, what it sells, and why it sells nothing."""
        health = await self._read(PoolHealth, "/health")
        return PoolStanding(await self.config(), health)

    async def orders(self) -> OrdersOnSale:
        """Return what the pool sells in markets, and why it does not sell more."""
        return await self._read(OrdersOnSale, "/v1/orders")

    async def summary(self) -> PoolSummary:
        """Return how the pool does."""
        return await self._read(PoolSummary, "/v1/summary")

    async def workers(
        self, most: int = 100, after: Address | None = None
    ) -> tuple[PoolWorker, ...]:
        """Return some of the workers that are connected, in order of their addresses.

        Args:
            most: How many at most; 1,000 are told at once.
            after: Those that come after this address; None: the first.
        """
        asked = {"limit": str(most)} if after is None else {"limit": str(most), "after": str(after)}
        found = await self._get("/v1/workers", asked)
        return read_model(ConnectedWorkers, found, self._who).root

    async def worker(self, address: Address) -> WorkerNews:
        """Return a connected worker and why it is given nothing more."""
        return await self._read(WorkerNews, f"/v1/workers/{address}")

    async def logs(self, task_id: TaskId, token: str = "") -> Mapping[Address, tuple[str, str]]:
        """Return what the app printed on each worker: standard output and error.

        Args:
            task_id: Which.
            token: Of its requester, who has signed; empty: as anybody.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else None
        found = await self._ask("GET", f"/v1/tasks/{task_id}/logs", headers=headers)
        printed = read_model(PrintedByWorker, found, self._who).root
        return {worker: (each.stdout, each.stderr) for worker, each in printed.items()}

    async def reader_challenge(self, requester: Address) -> ReaderChallenge:
        """Return what a requester is to sign to read what its tasks print."""
        found = await self._get(READER_SIGN_IN_PATH, {"address": str(requester)})
        return read_model(ReaderChallenge, found, self._who)

    async def reader_sign_in(self, proof: ReaderProof) -> ReaderSession:
        """Return the token of whoever has signed."""
        told = await self._ask("POST", READER_SIGN_IN_PATH, json=proof.model_dump())
        return read_model(ReaderSession, told, self._who)

    async def output(
        self, task_id: TaskId, after: Mapping[Address, int], token: str = ""
    ) -> AsyncGenerator[OutputNews]:
        """Yield what a task prints, with its colours, as it comes.

        Args:
            task_id: Which.
            after: The number of the next line, by worker, of those of whom lines were told.
            token: Of whoever has signed; empty: as anybody.

        Raises:
            PoolDown: It does not answer, or is silent for longer than a pool that is there.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        asked: dict[str, Any] = {
            "after": [f"{worker}:{number}" for worker, number in after.items()],
            "colours": "true",
        }
        times = httpx.Timeout(10, read=LONGEST_SILENCE_OF_OUTPUT)
        url, who = f"{self.url}/v1/tasks/{task_id}/output", self._who
        try:
            async with opened(
                self._http, "GET", url, _OUTPUT_CAPS, headers=headers, params=asked, timeout=times
            ) as coming:
                if not coming.is_success:
                    body = await coming.content(MAX_POOL_ANSWER)
                    answer = WebAnswer(coming.status, coming.headers, body, coming.url)
                    raise _refusal(answer, self.url)
                async for data in _events(coming):
                    yield read_model(OutputNews, _event(data, self.url), who)
        except NoAnswer as fault:
            raise PoolDown(
                f"the workerpool at {self.url} does not answer ({fault}): {self.remedy}"
            ) from fault
        except AnswerTooLarge as fault:
            raise Malformed(f"{who} sent over {fault.most} bytes") from fault

    @property
    def _who(self) -> str:
        return f"the workerpool at {self.url}"

    async def _read(self, kind: type[M], path: str) -> M:
        return read_model(kind, await self._get(path), self._who)

    async def _get(self, path: str, asked: Mapping[str, str] | None = None) -> Any:
        return await self._ask("GET", path, params=asked)

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        return _json(await self._answer(method, path, **request), self.url)

    async def _answer(self, method: str, path: str, **request: Any) -> WebAnswer:
        try:
            answer = await ask(self._http, method, self.url + path, self._caps, **request)
        except NoAnswer as fault:
            raise PoolDown(
                f"the workerpool at {self.url} does not answer ({fault}): {self.remedy}"
            ) from fault
        except AnswerTooLarge as fault:
            raise Malformed(f"{self._who} sent over {fault.most} bytes") from fault
        if answer.is_success:
            return answer
        raise _refusal(answer, self.url)


def _date(answer: WebAnswer) -> UnixSeconds | None:
    """Return the time that an answer tells; None where it tells none."""
    try:
        return UnixSeconds(int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp()))
    except (ValueError, TypeError, OverflowError):
        return None


async def _events(coming: Incoming) -> AsyncIterator[bytes]:
    """Yield the data of server-sent events; of one that has several lines, each."""
    rest = b""
    async for piece in coming.pieces(None):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > MAX_OUTPUT_EVENT:
            raise AnswerTooLarge(MAX_OUTPUT_EVENT)
        for line in lines:
            if line.startswith(b"data: "):
                yield line.removeprefix(b"data: ")


def _event(data: bytes, url: str) -> Any:
    try:
        return parse_json(data)
    except ValueError as fault:
        raise Malformed(f"an event of {url} is not JSON") from fault


def _json(answer: WebAnswer, url: str) -> Any:
    try:
        return parse_json(answer.content)
    except ValueError as fault:
        raise Malformed(f"{url} does not speak JSON: is it really a workerpool's URL?") from fault


def _refusal(answer: WebAnswer, url: str) -> PoolhandError:
    """Turn an answer that is no success into an error."""
    try:
        told = ServiceFault.model_validate(parse_json(answer.content))
        code, message = shown(told.code, 64), shown(told.message, 500)
    except ValueError:
        code = f"http-{answer.status}"
        message = f"HTTP {answer.status}; is {url} really a workerpool's URL?"
    if answer.status == UNAVAILABLE and not code.startswith("http-"):
        return PoolDown(f"the workerpool at {url} cannot do it now: {message}")
    if answer.status >= 500:
        return PoolDown(f"the workerpool at {url} is in trouble (HTTP {answer.status}): wait")
    return PoolRefused(code, f"the workerpool at {url} refused: {message}")
