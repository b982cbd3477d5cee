"""An endpoint over a WebSocket: answers as they come, new blocks by subscription."""

from __future__ import annotations

import asyncio
import socket as tcp
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from poolhand.chain.answers import HttpAnswer, failure, read_json
from poolhand.chain.batches import Answers, Batches, BatchRefused
from poolhand.chain.link import MOST_NODE_ANSWER, NODE_TIMEOUT, NODE_WAS_LATE, Query, message, shown
from poolhand.chain.refusal import EndpointDown, NodeRefusal, down
from poolhand.domain.json_text import parse_json

LONGEST_WITHOUT_BLOCK: Final = 15.0
"""Seconds without a new block after which we ask: some endpoints forget subscriptions."""
MOST_EARLY_NEWS: Final = 100
"""Of subscriptions not known yet: the answer that names one may be read after its first news."""


class SocketLink:
    """Implements ``link.SubscribingLink``; connects when needed, anew after every break."""

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self.batches = Batches(self.name)
        self._url = url
        self._ids = count(1)
        self._opening: asyncio.Task[ClientConnection] | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._together: dict[int, tuple[int, ...]] = {}
        """By the id of each request of a batch under way: all of that batch."""
        self._news: dict[str, asyncio.Queue[Any]] = {}
        self._early: deque[tuple[str, Any]] = deque(maxlen=MOST_EARLY_NEWS)

    async def exchange(self, queries: Sequence[Query[Any]]) -> Answers:
        """Return the response objects, in order; raises EndpointDown."""
        return await self.batches.send(queries, self._post)

    async def _post(self, queries: Sequence[Query[Any]]) -> Answers:
        """Send one request or one batch; raises EndpointDown or BatchRefused."""
        socket = await self._connected()
        loop = asyncio.get_running_loop()
        sent = tuple(next(self._ids) for _ in queries)
        futures = {number: loop.create_future() for number in sent}
        self._waiting.update(futures)
        if len(sent) > 1:
            self._together.update(dict.fromkeys(sent, sent))
        try:
            async with asyncio.timeout(NODE_TIMEOUT):
                await socket.send(message(queries, sent))
                return [await future for future in futures.values()]
        except TimeoutError as fault:
            raise EndpointDown(self.name, NODE_WAS_LATE, slow=True) from fault
        except (WebSocketException, OSError) as fault:
            raise EndpointDown(self.name, f"broke off ({type(fault).__name__})") from fault
        finally:
            for number, future in futures.items():
                self._waiting.pop(number, None)
                self._together.pop(number, None)
                _drop(future)

    async def heads(self) -> AsyncIterator[Any]:
        """Yield headers of new blocks, the newest first of all.

        Raises:
            EndpointDown: The connection broke.
            NodeRefusal: The endpoint has no subscriptions.
        """
        found = await self._one("eth_subscribe", "newHeads")
        socket = self._socket  # the subscription lives and ends with this connection
        news = self._news_of(str(found))
        try:
            yield await self._one("eth_getBlockByNumber", "latest", False)
            while True:
                try:
                    async with asyncio.timeout(LONGEST_WITHOUT_BLOCK):
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

    def _news_of(self, name: str) -> asyncio.Queue[Any]:
        """Return where the news of a subscription come, with those that came before we knew it."""
        news = self._news[name] = asyncio.Queue()
        for each, head in self._early:
            if each == name:
                news.put_nowait(head)
        self._early.clear()
        return news

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
                open_timeout=NODE_TIMEOUT,
                close_timeout=1,
                max_size=MOST_NODE_ANSWER,
                compression=None,
                proxy=None,
            )
        except InvalidStatus as fault:
            raise self._not_let_in(fault) from fault
        except (WebSocketException, OSError, TimeoutError) as fault:
            raise EndpointDown(self.name, "cannot be connected to", reached=False) from fault
        finally:
            self._opening = None
        self._socket = socket
        self._reader = asyncio.create_task(self._read(socket))
        return socket

    def _not_let_in(self, fault: InvalidStatus) -> EndpointDown:
        """Read the HTTP answer that came instead of a WebSocket."""
        came = fault.response
        told, body = came.headers.get("Retry-After"), bytes(came.body or b"")
        answer = HttpAnswer(self.name, came.status_code, told, body, time.time())
        return failure(answer, read_json(body), reached=False)

    async def _read(self, socket: ClientConnection) -> None:
        """Hand out messages until the connection ends, then tell everybody who waits."""
        why = "closed the connection"
        try:
            async for message in socket:
                _acknowledge(socket)
                self._dispatch(parse_json(message))
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
        self._early.clear()
        for news in self._news.values():
            news.put_nowait(EndpointDown(self.name, why))

    def _dispatch(self, told: Any) -> None:
        if not isinstance(told, list):
            self._hear(told)
            return
        for each in told:
            self._hear(each)
        for each in told:
            if each.get("error") is not None and each.get("id") is not None:
                self._refuse(self._together.get(int(each["id"]), ()), each["error"])

    def _hear(self, told: dict[str, Any]) -> None:
        """Hand out one answer or one piece of news."""
        if told.get("method") == "eth_subscription":
            news = told["params"]
            name = str(news["subscription"])
            if name in self._news:
                self._news[name].put_nowait(news["result"])
            else:
                self._early.append((name, news["result"]))
        elif told.get("id") is None:
            self._hear_nameless(told["error"])
        else:
            future = self._waiting.pop(int(told["id"]), None)
            if future is not None and not future.done():
                future.set_result(told)

    def _hear_nameless(self, error: Any) -> None:
        """Take an error that names no request for the batches under way, or for the one request."""
        batches = set(self._together.values())
        if not batches and len(self._waiting) != 1:
            raise ValueError("an answer to nothing we asked")
        if not batches:
            _, future = self._waiting.popitem()
            future.set_result({"error": error})
        for batch in batches:
            self._refuse(batch, error)

    def _refuse(self, batch: Sequence[int], error: Any) -> None:
        """Tell whoever sent a batch that what is unanswered of it was refused."""
        fault = BatchRefused(down(self.name, NodeRefusal.read("a batch", error)))
        for number in batch:
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                future.set_exception(fault)


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
