"""An endpoint over a WebSocket: answers as they come, new blocks by subscription.

web3's own provider looks for an answer in a busy loop and keeps one batch at a time; here each
answer wakes the one who waits for it.
"""

from __future__ import annotations

import asyncio
import json
import socket as tcp
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from poolhand.chain.link import TIMEOUT, Query, shown
from poolhand.chain.refusal import EndpointDown, NodeRefusal

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of one message: a batch of logs can be long."""
SILENCE: Final = 15.0
"""Seconds without a new block after which we ask: some endpoints forget subscriptions."""


class SocketLink:
    """Implements ``link.SubscribingLink``; connects when needed, anew after every break."""

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self._url = url
        self._ids = count(1)
        self._opening: asyncio.Task[ClientConnection] | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news: dict[str, asyncio.Queue[Any]] = {}

    async def exchange(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        """Return the response objects, in order; raises EndpointDown."""
        socket = await self._connected()
        loop = asyncio.get_running_loop()
        asked = {next(self._ids): query for query in queries}
        futures = {number: loop.create_future() for number in asked}
        self._waiting.update(futures)
        body = [
            {"jsonrpc": "2.0", "id": number, "method": query.method, "params": query.params}
            for number, query in asked.items()
        ]
        try:
            async with asyncio.timeout(TIMEOUT):
                await socket.send(json.dumps(body if len(body) > 1 else body[0]))
                return [await future for future in futures.values()]
        except (WebSocketException, OSError, TimeoutError) as fault:
            raise EndpointDown(self.name, f"broke off ({type(fault).__name__})") from fault
        finally:
            for number, future in futures.items():
                self._waiting.pop(number, None)
                _drop(future)

    async def heads(self) -> AsyncIterator[Any]:
        """Yield headers of new blocks, the newest first of all.

        Raises:
            EndpointDown: The connection broke.
            NodeRefusal: The endpoint has no subscriptions.
        """
        found = await self._one("eth_subscribe", "newHeads")
        socket = self._socket  # the subscription lives and ends with this connection
        news = self._news.setdefault(str(found), asyncio.Queue())
        try:
            yield await self._one("eth_getBlockByNumber", "latest", False)
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        head = await news.get()
                except TimeoutError:
                    head = await self._one("eth_getBlockByNumber", "latest", False)
                if isinstance(head, EndpointDown):
                    raise head
                yield head
        finally:
            self._news.pop(str(found), None)
            if socket is not None and self._socket is socket:
                await self.close()

    async def close(self) -> None:
        """Close the connection; repeatable."""
        ending = [task for task in (self._opening, self._reader) if task is not None]
        self._reader = self._socket = None
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _one(self, method: str, *params: Any) -> Any:
        (answer,) = await self.exchange([Query(method, params, lambda result: result)])
        if answer.get("error") is not None:
            raise NodeRefusal.read(method, answer["error"])
        return answer.get("result")

    async def _connected(self) -> ClientConnection:
        """Return the connection; all who need a new one share the attempt."""
        if self._socket is not None:
            return self._socket
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        await asyncio.wait([opening])  # its end by ``close`` must not look like ours
        if opening.cancelled():
            raise EndpointDown(self.name, "was closed", reached=False)
        return opening.result()

    async def _open(self) -> ClientConnection:
        try:
            socket = await connect(
                self._url,
                open_timeout=TIMEOUT,
                close_timeout=1,
                max_size=MAX_MESSAGE,
                compression=None,
                proxy=None,
            )
        except (WebSocketException, OSError, TimeoutError) as fault:
            raise EndpointDown(self.name, "cannot be connected to", reached=False) from fault
        finally:
            self._opening = None
        self._socket = socket
        self._reader = asyncio.create_task(self._read(socket))
        return socket

    async def _read(self, socket: ClientConnection) -> None:
        """Hand out messages until the connection ends, then tell everybody who waits."""
        why = "closed the connection"
        try:
            async for message in socket:
                _acknowledge(socket)
                self._dispatch(json.loads(message))
        except (WebSocketException, OSError):
            why = "lost the connection"
        except (ValueError, TypeError, KeyError, AttributeError):
            why = "answers no JSON-RPC"
        finally:
            self._broken(socket, why)
            await socket.close()

    def _broken(self, socket: ClientConnection, why: str) -> None:
        if self._socket is socket:
            self._socket = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(EndpointDown(self.name, why))
        for news in self._news.values():
            news.put_nowait(EndpointDown(self.name, why))

    def _dispatch(self, message: Any) -> None:
        for each in message if isinstance(message, list) else [message]:
            if each.get("method") == "eth_subscription":
                told = each["params"]
                self._news.setdefault(str(told["subscription"]), asyncio.Queue()).put_nowait(
                    told["result"]
                )
            elif each.get("id") is None:
                raise ValueError("an answer to nothing we asked")
            else:
                future = self._waiting.pop(int(each["id"]), None)
                if future is not None and not future.done():
                    future.set_result(each)


def _acknowledge(socket: ClientConnection) -> None:
    """Acknowledge at once: a node under Nagle's algorithm holds its next message until we do.

    Linux would wait 40 ms, longer than all the rest of the way of a new block to its reader.
    """
    raw = socket.transport.get_extra_info("socket")
    if raw is None or not hasattr(tcp, "TCP_QUICKACK"):
        return
    with suppress(OSError):  # closed already: what was read still counts
        raw.setsockopt(tcp.IPPROTO_TCP, tcp.TCP_QUICKACK, 1)


def _drop(future: asyncio.Future[dict[str, Any]]) -> None:
    """Forget a future that nobody will await: its exception, if any, was another's too."""
    if not future.cancel() and not future.cancelled():
        future.exception()
