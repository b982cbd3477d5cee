"""The endpoints that show what apps print: now, as it comes, and afterwards; and who may ask.

It is the requester's, who signs a challenge for a token; everybody's where the pool publishes it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from poolhand.domain.app_lines import without_colours
from poolhand.domain.deal import Deal
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, DealId
from poolhand.domain.messages import Nonce
from poolhand.domain.task.model import Task
from poolhand.scheduler.api.core_tasks import NotTheRequester
from poolhand.scheduler.api.errors import NotPublic
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.reader_sessions import READER_LIFE, ReaderSessions
from poolhand.scheduler.task_feeds import TaskFeeds
from poolhand.scheduler.task_logs import TaskLogs
from poolhand.transport.asgi import service_router
from poolhand.transport.attempts import Attempts
from poolhand.transport.bearer import given_token
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.json_models import AddressText, TaskIdText
from poolhand.wire.output_api import (
    NewsKind,
    OutputNews,
    Printed,
    PrintedByWorker,
    ReaderChallenge,
    ReaderProof,
    ReaderSession,
    typed_reader_sign_in,
)

READER_SIGN_IN: Final = "/v1/reader/sign-in"
MOST_CURSORS: Final = 256
"""Workers whose next numbers are told with one question."""
_CURSOR: Final = re.compile(r"(0x[0-9a-fA-F]{40}):([0-9]{1,18})")
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, each an `OutputNews` as JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class BadCursor(Refused):
    """Where a reader was is not told in a form that is known."""

    def __init__(self) -> None:
        super().__init__(
            "after= is <worker's address>:<number of the next line>, and may be repeated"
        )


class OutputReaders:
    """Says who may read what a task prints.

    Args:
        known: Finds tasks.
        find_deal: Finds their deals; raises NotKnown.
        sessions: Know who asks.
        is_public: Whether everybody may.
    """

    def __init__(
        self,
        known: KnownTasks,
        find_deal: Callable[[DealId], Awaitable[Deal]],
        sessions: ReaderSessions,
        *,
        is_public: bool,
    ) -> None:
        self._known, self._find_deal = known, find_deal
        self._sessions, self._is_public = sessions, is_public

    async def readable(self, task_id: str, request: Request) -> Task:
        """Return a task whose output may be read.

        Raises:
            NotPublic: Nobody proved to ask.
            NotTheRequester: Somebody else did.
            NotKnown: There is no such task.
        """
        if self._is_public:
            return await self._known.find(task_id)
        asks = self._sessions.requester(given_token(request))
        if asks is None:
            raise NotPublic(
                "this pool does not publish logs: what a task prints is its requester's, who "
                f"signs a challenge of {READER_SIGN_IN} for a token"
            )
        task = await self._known.find(task_id)
        deal = await self._find_deal(task.facts.deal_id)
        if asks != deal.requester:
            raise NotTheRequester(deal.requester)
        return task


def reader_sign_in_routes(sessions: ReaderSessions, attempts: Attempts) -> APIRouter:
    """Return the endpoints by which a requester gets a token.

    Args:
        sessions: Give challenges and read proofs.
        attempts: Counts them.
    """
    router = service_router()

    def let_through(request: Request) -> None:
        attempts.take(neighbourhood(request.client.host if request.client else ""))

    @router.get(READER_SIGN_IN)
    async def challenge(request: Request, address: AddressText) -> ReaderChallenge:
        """Give what a requester is to sign (EIP-712) within five minutes, once."""
        let_through(request)
        made = sessions.challenge(Address.parse(address))
        return ReaderChallenge(
            requester=made.requester,
            workerpool=made.domain.contract,
            chain_id=made.domain.chain_id,
            url=made.url,
            nonce=f"0x{bytes(made.nonce).hex()}",
            expiry=made.expiry,
            typed_data=typed_reader_sign_in(made),
        )

    @router.post(READER_SIGN_IN)
    async def sign_in(request: Request, proof: ReaderProof) -> ReaderSession:
        """Give a token to whoever signed: it reads what its own tasks print, for an hour."""
        let_through(request)
        nonce, signature = Nonce.parse(proof.nonce), bytes.fromhex(proof.signature[2:])
        requester = Address.parse(proof.requester)
        token = sessions.sign_in(requester, nonce, proof.expiry, signature)
        return ReaderSession(token=token, expires_in=READER_LIFE)

    return router


def output_routes(readers: OutputReaders, feeds: TaskFeeds, logs: TaskLogs) -> APIRouter:
    """Return the endpoints that show what apps print.

    Args:
        readers: Say who may.
        feeds: Pass on what comes.
        logs: Have what came.
    """
    router = service_router()

    @router.get("/v1/tasks/{task_id}/logs")
    async def told(task_id: TaskIdText, request: Request) -> PrintedByWorker:
        """Show what the app printed on each worker: its end, or what was followed until now."""
        task = await readers.readable(task_id, request)
        printed = await logs.of(task.facts.task_id)
        return PrintedByWorker(
            {worker: Printed(stdout=out, stderr=err) for worker, (out, err) in printed.items()}
        )

    @router.get("/v1/tasks/{task_id}/output", responses=_EVENTS, response_class=StreamingResponse)
    async def output(
        task_id: TaskIdText,
        request: Request,
        after: Annotated[list[str] | None, Query(max_length=MOST_CURSORS)] = None,
        colours: bool = False,
    ) -> StreamingResponse:
        """Tell what a task prints and how far it is, as it comes, until it has ended.

        ``after`` is `<worker>:<number>` for each worker of whom lines were told before: whoever
        comes again goes on where it was. With ``colours`` lines keep theirs (SGR).
        """
        task = await readers.readable(task_id, request)
        cursors, name = read_cursors(after or ()), task.facts.task_id
        feeds.check_room(name)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        told = _told(feeds.read(name, cursors), colours=colours)
        return StreamingResponse(told, headers=headers, media_type="text/event-stream")

    return router


def read_cursors(texts: list[str] | tuple[str, ...]) -> Mapping[Address, int]:
    """Read where a reader was; raises BadCursor."""
    found = {}
    for text in texts:
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise BadCursor
        found[Address.parse(match[1])] = int(match[2])
    return found


async def _told(news: Any, *, colours: bool) -> AsyncIterator[bytes]:
    async with aclosing(news) as events:
        async for each in events:
            yield b"data: " + _plain(each, colours=colours).model_dump_json().encode() + b"\n\n"


def _plain(news: OutputNews, *, colours: bool) -> OutputNews:
    """Return news whose lines have no colours, where they are not wanted."""
    if colours or news.kind is not NewsKind.LINES:
        return news
    lines = tuple(
        each.model_copy(update={"text": without_colours(each.text)}) for each in news.lines
    )
    return news.model_copy(update={"lines": lines})
