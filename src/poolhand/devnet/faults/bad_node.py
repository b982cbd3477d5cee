"""A node that can misbehave: JSON-RPC over HTTP and WebSocket in front of a good one.

Without a fault every question and answer passes as it is. Each fault may be for one caller alone.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

import structlog
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSMsgType,
    web,
)
from eth_hash.auto import keccak

from poolhand.devnet.faults.callers import is_meant
from poolhand.devnet.faults.kinds import (
    DropTransactions,
    Lag,
    LoseAnswers,
    NodeFault,
    TooManyRequests,
)
from poolhand.devnet.faults.lagging import (
    JsonObject,
    answered,
    asked,
    beyond,
    is_beyond,
    told_block,
)
from poolhand.devnet.ports import LOOPBACK_ADDRESS
from poolhand.domain.errors import ChainUnreachable

BROADCAST: Final = "eth_sendRawTransaction"
MOST_LINE_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of one message: a batch of logs can be long."""
STATUS_TOO_MANY: Final = 429
SUBSCRIBING: Final = ("eth_subscribe", "eth_unsubscribe")

F = TypeVar("F", Lag, TooManyRequests, DropTransactions, LoseAnswers)
log = structlog.get_logger()


class _NodeGone(Exception):
    """The good node does not answer."""


@dataclass(slots=True, eq=False)
class _Socket:
    """One caller's WebSocket, and ours to the node for its subscriptions."""

    near: web.WebSocketResponse
    far: ClientWebSocketResponse
    caller: int
    held: list[tuple[int, str]] = field(default_factory=list)
    """What a lagging node has not told yet: block number and message."""


class BadNode:
    """The misbehaving node; an async context manager.

    Args:
        node_url: Returns where the good one answers now.
        caller_at: Names the program behind a port that connects to us.

    Attributes:
        port: Where it listens, once entered.
    """

    def __init__(self, node_url: Callable[[], str], caller_at: Callable[[int], str]) -> None:
        self._node_url, self._caller_at = node_url, caller_at
        self._faults: dict[NodeFault, int] = {}
        self._counts: Counter[NodeFault] = Counter()
        self._sockets: set[_Socket] = set()
        self._session: ClientSession | None = None
        app = web.Application(client_max_size=MOST_LINE_MESSAGE)
        app.router.add_route("*", "/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        self.port = 0

    async def __aenter__(self) -> Self:
        timeout = ClientTimeout(total=None, sock_connect=5)
        self._session = ClientSession(timeout=timeout, trust_env=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK_ADDRESS, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in tuple(self._sockets):
            await each.far.close()
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def set(self, fault: NodeFault) -> None:
        """Misbehave so from now on; raises ChainUnreachable when the good node is away."""
        try:
            self._faults[fault] = await self._head() if isinstance(fault, Lag) else 0
        except _NodeGone:
            raise ChainUnreachable("the node is down: start it before it is to lag") from None

    async def clear(self, fault: NodeFault) -> None:
        """Behave again, and tell subscribers what was held back."""
        self._faults.pop(fault, None)
        self._counts.pop(fault, None)
        for each in self._sockets:
            await self._release(each)

    # ---------------------------------------------------------------------------------- transport

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        refusal = self._strikes(TooManyRequests, _port(request))
        if refusal is not None:
            after = {"Retry-After": str(refusal.retry_after)}
            return web.Response(
                status=STATUS_TOO_MANY, headers=after, text="too many requests (simulated)"
            )
        try:
            answer = await self._exchange(await request.read(), _port(request))
        except _NodeGone:
            answer = None
        if answer is None:
            return _broken(request)
        return web.Response(body=answer, content_type="application/json")

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        try:
            far = await self._session.ws_connect(self._node_url(), max_msg_size=MOST_LINE_MESSAGE)
        except (ClientError, OSError, TimeoutError):
            return _broken(request)
        near = web.WebSocketResponse(max_msg_size=MOST_LINE_MESSAGE, compress=False)
        try:
            await near.prepare(request)
        except ConnectionError:  # the caller has left, or was cut off, meanwhile
            await far.close()
            return near
        socket = _Socket(near, far, _port(request))
        self._sockets.add(socket)
        telling = asyncio.create_task(self._tell(socket))
        asking: set[asyncio.Task[None]] = set()
        try:
            async for message in near:
                if message.type is not WSMsgType.TEXT:
                    break
                task = asyncio.create_task(self._answer(socket, message.data))
                asking.add(task)
                task.add_done_callback(asking.discard)
        finally:
            self._sockets.discard(socket)
            for task in (telling, *asking):
                task.cancel()
            await asyncio.gather(telling, *asking, return_exceptions=True)
            await far.close()
        return near

    async def _answer(self, socket: _Socket, text: str) -> None:
        """Answer one message of a WebSocket; a node that is gone takes the connection with it."""
        try:
            raw = json.loads(text)
            if isinstance(raw, dict) and raw.get("method") in SUBSCRIBING:
                await socket.far.send_str(text)
                return
            refusal = self._strikes(TooManyRequests, socket.caller)
            if refusal is not None:
                await socket.near.send_str(json.dumps(_refused(raw)))
                return
            answer = await self._exchange(text.encode(), socket.caller)
            if answer is not None:
                await socket.near.send_str(answer.decode())
        except (_NodeGone, ConnectionError, ValueError):
            await socket.near.close()

    async def _tell(self, socket: _Socket) -> None:
        """Pass on what the node tells by itself: at once, or when a lagging one would."""
        async for message in socket.far:
            if message.type is not WSMsgType.TEXT:
                break
            block = told_block(json.loads(message.data)) if "subscription" in message.data else None
            if block is None:
                await socket.near.send_str(message.data)
            else:
                socket.held.append((block, message.data))
                await self._release(socket, block)
        await socket.near.close()

    async def _release(self, socket: _Socket, head: int = 0) -> None:
        """Tell what a node at its view would have told by now."""
        view = self._view(socket.caller, max((block for block, _ in socket.held), default=head))
        due = [text for block, text in socket.held if view is None or block <= view]
        socket.held = [each for each in socket.held if view is not None and each[0] > view]
        with suppress(ConnectionError):
            for text in due:
                await socket.near.send_str(text)

    # ----------------------------------------------------------------------------------- answering

    async def _exchange(self, body: bytes, port: int) -> bytes | None:
        """Answer one request or batch; None: its answer is lost."""
        if not self._faults:
            return await self._ask(body)
        raw = json.loads(body)
        calls: list[JsonObject] = raw if isinstance(raw, list) else [raw]
        view = None
        if self._fault(Lag, port) is not None:
            view = self._view(port, await self._head())
        found = [await self._one(call, port, view) for call in calls]
        kept = [answer for answer in found if answer is not None]
        if len(kept) < len(calls):
            return None
        return json.dumps(kept if isinstance(raw, list) else kept[0]).encode()

    async def _one(self, call: JsonObject, port: int, view: int | None) -> JsonObject | None:
        if call.get("method") == BROADCAST and self._strikes(DropTransactions, port):
            return _swallowed(call)
        if view is None:
            answer = await self._call(call)
        elif is_beyond(call, view) or await self._is_newer(call, view):
            answer = beyond(call)
        else:
            answer = answered(call, await self._call(asked(call, view)), view)
        loss = self._fault(LoseAnswers, port)
        if loss is not None and loss.method in ("*", call.get("method")):
            return None if self._strikes(LoseAnswers, port) else answer
        return answer

    async def _is_newer(self, call: JsonObject, view: int) -> bool:
        """Tell whether the logs asked for are of a block, by its hash, that is not there yet."""
        first: JsonObject = next(iter(call.get("params") or ()), {})
        wanted = first.get("blockHash") if call.get("method") == "eth_getLogs" else None
        if wanted is None:
            return False
        block = (await self._call(_question("eth_getBlockByHash", wanted, False))).get("result")
        return block is not None and int(block["number"], 16) > view

    async def _head(self) -> int:
        found = await self._call(_question("eth_blockNumber"))
        return int(found["result"], 16)

    async def _call(self, call: JsonObject) -> JsonObject:
        found: JsonObject = json.loads(await self._ask(json.dumps(call).encode()))
        return found

    async def _ask(self, body: bytes) -> bytes:
        assert self._session is not None
        kind = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._node_url(), data=body, headers=kind) as answer:
                return await answer.read()
        except (ClientError, OSError, TimeoutError) as fault:
            raise _NodeGone from fault

    # -------------------------------------------------------------------------------------- faults

    def _fault(self, kind: type[F], port: int) -> F | None:
        """Return the fault of a kind that concerns whoever calls from a port."""
        found = [fault for fault in self._faults if isinstance(fault, kind)]
        caller = self._caller_at(port) if any(fault.caller != "*" for fault in found) else ""
        return next((fault for fault in found if is_meant(fault.caller, caller)), None)

    def _strikes(self, kind: type[F], port: int) -> F | None:
        """Return the fault if it is this time's turn: it strikes every so many times."""
        fault = self._fault(kind, port)
        if fault is None or isinstance(fault, Lag):
            return None
        self._counts[fault] += 1
        if self._counts[fault] % fault.every:
            return None
        log.info("fault_struck", fault=fault.name, times=self._counts[fault], simulated=True)
        return fault

    def _view(self, port: int, head: int) -> int | None:
        """Return the newest block that a caller is shown; None: all of them."""
        lag = self._fault(Lag, port)
        return None if lag is None else min(head, max(self._faults[lag], head - lag.blocks))


def _port(request: web.Request) -> int:
    assert request.transport is not None
    return int(request.transport.get_extra_info("peername")[1])


def _broken(request: web.Request) -> web.Response:
    """Break the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def _question(method: str, *params: Any) -> JsonObject:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}


def _swallowed(call: JsonObject) -> JsonObject:
    raw = bytes.fromhex(str(call["params"][0]).removeprefix("0x"))
    return {"jsonrpc": "2.0", "id": call.get("id"), "result": "0x" + keccak(raw).hex()}


def _refused(raw: Any) -> Any:
    error = {"code": STATUS_TOO_MANY, "message": "too many requests (simulated)"}
    if isinstance(raw, list):
        return [{"jsonrpc": "2.0", "id": each.get("id"), "error": error} for each in raw]
    return {"jsonrpc": "2.0", "id": raw.get("id"), "error": error}
