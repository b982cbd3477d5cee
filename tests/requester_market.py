"""A market in one process: the fake chain, a pool's API on ASGI, a registry (``asked_registry``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from asked_registry import registry
from poolhand.chain.fake import FakeChain
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.messages import pool_domain
from poolhand.domain.onchain import CreateWorkerpool, Deposit
from poolhand.domain.orders.model import MatchOrders, Salt, Signed, WorkerpoolOrder
from poolhand.domain.orders.signed_purchase import deal_of
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc, Seconds
from poolhand.keys.wallet import Wallet
from poolhand.requester.requester import Requester
from poolhand.requester.wish import Wish
from poolhand.results.input_api import input_routes
from poolhand.results.input_shelf import InputShelf
from poolhand.scheduler.api.task_output import reader_sign_in_routes
from poolhand.scheduler.reader_sessions import ReaderSessions
from poolhand.settings.chain import ChainSettings
from poolhand.settings.requester import RequesterSettings
from poolhand.transport.addresses import IPAddress
from poolhand.transport.asgi import application
from poolhand.transport.attempts import Attempts
from poolhand.transport.bearer import given_token
from poolhand.transport.clock import ManualClock, SeededEntropy, SystemClock
from poolhand.transport.results_client import ResultMissing
from poolhand.wire.order_json import decode_match, encode_order
from poolhand.wire.output_api import NewsKind, OutputNews

RLC = NANO_PER_RLC
POOL_URL = "http://pool.test"
RESULTS_URL = "https://results.test"
IMAGE = "127.0.0.1:5000/poolhand/words:1.0"


async def _some(parts: list[bytes]) -> AsyncIterator[bytes]:
    for each in parts:
        yield each


@dataclass
class FakePool:
    """Sells orders at a price and tells of tasks, as the scheduler's API does."""

    chain: FakeChain
    owner: Wallet
    workerpool: Address
    price: int = 2 * RLC
    volume: int = 1000
    tag: Tag | None = None
    refuses: tuple[int, str, str] | None = None
    garbage: bytes | None = None
    hub: Address | None = None
    idle: str | None = None
    stands_by: bool = False
    tasks: dict[TaskId, dict[str, Any]] = field(default_factory=dict)
    sold: list[Signed[WorkerpoolOrder]] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    connected: list[Address] = field(default_factory=list)
    logs: dict[TaskId, dict[Address, tuple[str, str]]] | None = None
    outputs: list[list[OutputNews]] = field(default_factory=list)
    followed: list[tuple[str, ...]] = field(default_factory=list)
    results_url: str = "http://pool.test:13200"
    sends: dict[str, Any] | None = None
    simulated_tee: bool = False
    will_not_send: tuple[int, str, str] | None = None
    before_sending: Callable[[], None] = lambda: None
    after_sending: Callable[[], None] = lambda: None
    handed_in: list[MatchOrders] = field(default_factory=list)
    with_fee: list[bool] = field(default_factory=list)
    told_params: list[str] = field(default_factory=list)
    result_keys: dict[str, dict[str, str]] = field(default_factory=dict)
    on_sale: dict[str, Any] = field(default_factory=lambda: {"markets": [], "orders": []})

    def __post_init__(self) -> None:
        self.reader_sessions = ReaderSessions(
            pool_domain(self.chain.facts.chain_id, self.workerpool),
            POOL_URL,
            SystemClock(),
            SeededEntropy(),
        )

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/config")
        async def config() -> dict[str, Any]:
            return {
                "chain_id": self.chain.facts.chain_id,
                "hub": str(self.hub or self.chain.facts.hub),
                "workerpool": str(self.workerpool),
                "owner": str(self.owner.address),
                "results_url": self.results_url,
                "version": "1.0",
                "prices": {"0": self.price},
                "by_signature": self.sends,
                "simulated_tee": self.simulated_tee,
            }

        @app.get("/health")
        async def health() -> dict[str, Any]:
            return {
                "ok": True,
                "role": "standby" if self.stands_by else "leader",
                "leader": "another process" if self.stands_by else None,
                "block": self.chain.head.number,
                "workers": len(self.connected),
                "idle": {"stake too low": 2, "no open task": 1} if self.connected else {},
                "open_tasks": len(self.tasks),
                "gas": {"balance": 1, "message": None},
                "sells": self.idle is None,
                "sells_nothing_because": self.idle,
            }

        @app.get("/v1/order")
        async def order(
            category: int,
            trust: int,
            tag: str,
            volume: int,
            requester: str = "",
            app: str = "",
            by_signature: bool = False,
            params: str = "",
        ) -> Response:
            self.told_params.append(params)
            self.with_fee.append(by_signature)
            self.asked.append((requester, app, volume))
            if self.garbage is not None:
                return Response(self.garbage, media_type="application/json")
            if self.refuses:
                status, code, message = self.refuses
                return JSONResponse({"code": code, "message": message}, status)
            fee = self.sends["fee"] if by_signature and self.sends else 0
            return JSONResponse(encode_order(self.sell(category, trust, tag, fee)))

        self._of_orders(app)
        self._of_tasks(app)
        return app

    def _connected(self, limit: int) -> Response:
        if self.stands_by:
            message = "this process stands by for its pool"
            return JSONResponse({"code": "standing-by", "message": message}, 503)
        page = sorted(self.connected)[:limit]
        return JSONResponse([{"worker": str(each), "paused": False} for each in page])

    def _of_orders(self, app: FastAPI) -> None:
        @app.get("/v1/result-keys/{owner}")
        async def result_key(owner: str) -> Response:
            """Answer as the results service, which is at the same host."""
            found = self.result_keys.get(owner)
            return JSONResponse(found or {}, 200 if found else 404)

        @app.get("/v1/orders")
        async def orders() -> dict[str, Any]:
            return self.on_sale

        @app.post("/v1/purchases")
        async def hand_in(purchase: dict[str, Any]) -> Response:
            orders = decode_match(purchase)
            self.handed_in.append(orders)
            self.before_sending()
            if self.will_not_send:
                status, code, message = self.will_not_send
                return JSONResponse({"code": code, "message": message}, status)
            name = deal_of(orders, self.chain.domain)
            tx = await self.chain.sender(self.owner).post(f"match:{name}", orders)
            self.after_sending()
            return JSONResponse({"deal_id": str(name), "tx": str(tx)})

    def _of_tasks(self, app: FastAPI) -> None:
        @app.get("/v1/tasks/{task_id}")
        async def task(task_id: str) -> Response:
            found = self.tasks.get(TaskId.parse(task_id))
            if found is None:
                return JSONResponse({"code": "not-known", "message": "no such task"}, 404)
            return JSONResponse(found)

        @app.get("/v1/workers")
        async def workers(limit: int = 100) -> Response:
            return self._connected(limit)

        @app.get("/v1/workers/{address}")
        async def worker(address: str) -> Response:
            if Address.parse(address) not in self.connected:
                message = f"worker {address} is not connected to this pool"
                return JSONResponse({"code": "not-known", "message": message}, 404)
            lacks = {"reason": "stake too low", "tasks": 3, "remedy": "deposit RLC as stake"}
            told = {"worker": address, "paused": False, "idle": [lacks], "stake_missing": RLC}
            return JSONResponse(told)

        self._of_outputs(app)

    def _of_outputs(self, app: FastAPI) -> None:
        @app.get("/v1/tasks/{task_id}/logs")
        async def logs(task_id: str, request: Request) -> Response:
            if self.logs is None and not self._is_signed(request):
                return JSONResponse({"code": "not-public", "message": "sign a challenge"}, 403)
            printed = (self.logs or {}).get(TaskId.parse(task_id), {})
            return JSONResponse(
                {str(w): {"stdout": out, "stderr": err} for w, (out, err) in printed.items()}
            )

        @app.get("/v1/tasks/{task_id}/output")
        async def output(task_id: str, request: Request) -> Response:
            del task_id
            asked = request.query_params
            self.followed.append(tuple(asked.getlist("after")))
            if self.logs is None and not self._is_signed(request):
                return JSONResponse({"code": "not-public", "message": "sign a challenge"}, 403)
            events = self.outputs.pop(0) if self.outputs else [OutputNews(kind=NewsKind.END)]
            told = [f"data: {each.model_dump_json()}\n\n".encode() for each in events]
            return StreamingResponse(_some(told), media_type="text/event-stream")

        sessions = self.reader_sessions
        counted = Attempts("signing in", SystemClock())
        app.router.routes.extend(reader_sign_in_routes(sessions, counted).routes)

    def _is_signed(self, request: Request) -> bool:
        return self.reader_sessions.requester(given_token(request)) is not None

    def sell(self, category: int, trust: int, tag: str, fee: int = 0) -> Signed[WorkerpoolOrder]:
        z = ZERO_ADDRESS
        order = WorkerpoolOrder(
            self.workerpool,
            NanoRlc(self.price + fee),
            self.volume,
            self.tag or Tag.parse(tag),
            category,
            Trust(trust),
            z,
            z,
            z,
            Salt(sha256(f"pool {len(self.sold)}".encode()).digest()),
        )
        signed = Signed(order, self.owner.sign_order(self.chain.domain, order))
        self.sold.append(signed)
        return signed


@dataclass
class FakeResults:
    """StageRunner out archives by task."""

    archives: dict[TaskId, bytes] = field(default_factory=dict)
    missing_at: int = 0
    asked: list[str] = field(default_factory=list)

    async def download(self, location: str, target: str) -> str:
        service, _, name = location.partition("/v1/results/")
        self.asked.append(service)
        if self.missing_at:
            self.missing_at -= 1
            raise ResultMissing("the results service has no such result")
        await asyncio.to_thread(Path(target).write_bytes, self.archives[TaskId.parse(name)])
        return ""


@dataclass
class Market:
    chain: FakeChain
    pool: FakePool
    wallet: Wallet
    http: httpx.AsyncClient
    settings: RequesterSettings
    results: FakeResults
    clock: ManualClock | SystemClock = field(default_factory=ManualClock)
    seed: int = 0
    hosts: dict[str, str] = field(default_factory=dict)
    inputs: InputShelf | None = None

    def leave_inputs(self) -> None:
        """Let the pool name a results service that keeps files for workers."""
        self.pool.results_url, self.hosts["results.test"] = RESULTS_URL, "8.8.8.8"

    def requester(
        self, wallet: Wallet | bool | None = None, settings: RequesterSettings | None = None
    ) -> Requester:
        """Start the program anew: another run has other salts. False is no wallet."""
        self.seed += 1
        return Requester(
            self.chain,
            self.connect,
            self.http,
            settings or self.settings,
            self.wallet if wallet is None else wallet or None,
            self.clock,
            SeededEntropy(self.seed),
            self.results,
            self._resolve,
        )

    @property
    def asked(self) -> list[str]:
        """The results services that were asked."""
        return self.results.asked

    async def _resolve(self, host: str, _port: int) -> tuple[IPAddress, ...]:
        """Know the hosts that a test has named, and no others."""
        if host not in self.hosts:
            raise OSError("unknown host")
        return (ip_address(self.hosts[host]),)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeChain]:
        yield self.chain

    async def app(self) -> Address:
        return (await self.requester().deploy_app(IMAGE)).address

    async def wish(self, **terms: Any) -> Wish:
        return Wish(await self.app(), **terms)

    @property
    def deals(self) -> int:
        return len(self.chain.state.deals)


class Killed(BaseException):
    """The program is no more."""


def kill_at(chain: FakeChain, when: str, at: int) -> None:
    """Play a program's end ``before_send`` or ``after_send`` of that transaction from now on."""
    left = at

    def kill(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    setattr(chain, when, kill)


def client(**apps: FastAPI) -> httpx.AsyncClient:
    """Return a client that reaches the given apps by host name and nothing else."""
    mounts = {
        f"all://{host.replace('_', '.')}": httpx.ASGITransport(app=app)
        for host, app in apps.items()
    }
    nowhere = httpx.MockTransport(_refuse)
    return httpx.AsyncClient(mounts={**mounts}, transport=nowhere)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


async def open_market(folder: Path) -> Market:
    """A requester with RLC, a pool with stake, an image in a registry."""
    chain = FakeChain()
    wallet, owner = Wallet.from_key(bytes([1] * 32)), Wallet.from_key(bytes([2] * 32))
    chain.fund(wallet.address, rlc=NanoRlc(1000 * RLC), stake=100 * RLC)
    chain.fund(owner.address, rlc=NanoRlc(1000 * RLC))
    await chain.sender(owner).send("deposit", Deposit(NanoRlc(100 * RLC)))
    created = await chain.sender(owner).send("pool", CreateWorkerpool(owner.address, "pool"))
    assert created.created
    pool = FakePool(chain, owner, created.created)
    settings = RequesterSettings(
        ChainSettings(("http://chain.test",), chain.facts.hub),
        pool_url=POOL_URL,
        state=folder / "state",
        locks=folder / "locks",
    )
    inputs = InputShelf(folder / "inputs", 10**9, Seconds(3600), SystemClock())
    service = application(
        "inputs", [input_routes(inputs, chain.facts, SystemClock(), RESULTS_URL)], max_body=10**8
    )
    http = client(**{"pool_test": pool.app(), "127_0_0_1": registry(), "results_test": service})
    return Market(chain, pool, wallet, http, settings, FakeResults(), inputs=inputs)
