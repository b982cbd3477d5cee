"""One process that downloads, seen from the worker: from its start to its end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable
from itertools import count
from typing import Final, Self, TypeAlias

import structlog

from poolhand.domain.errors import Malformed, PoolhandError, Unavailable
from poolhand.domain.text import repaired
from poolhand.domain.units import Seconds
from poolhand.transport.addresses import Resolver
from poolhand.transport.descriptor_line import DescriptorLine
from poolhand.transport.errors import (
    DownloadFailed,
    DownloadTooLarge,
    FileUnwritten,
    ForbiddenUri,
    shown,
)
from poolhand.transport.fetcher_service import FetcherLine
from poolhand.transport.plumbing import first_of
from poolhand.wire.fetcher_api import (
    FETCHER_LINE,
    MOST_ADDRESSES,
    Abandon,
    AreYouThere,
    BeginFetching,
    Fetch,
    Fetched,
    FetcherReady,
    FetchFault,
    LookedUp,
    LookUp,
    NotFetched,
    OpenTunnel,
    StillHere,
    TunnelClosed,
)

LOOKUPS_AT_ONCE: Final = 256
"""Look-ups at once: more than honest downloads ask for ends the process."""
LONGEST_FETCHER_START: Final = 120.0
"""For a process to be at work: half a second, unless the machine has no moment to spare."""
MOST_SILENCES: Final = 3
"""Looks without a word: then it hangs."""
LONGEST_FETCHER_END: Final = 5.0
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH")
"""Of the environment: what finds programs, files and words; no secret is there."""

FetcherAnswer: TypeAlias = Fetched | NotFetched | TunnelClosed
_ENOUGH: Final = "is not needed any more"

log = structlog.get_logger()


class FetcherGone(Unavailable):
    """The process that downloads has ended, hangs, or says what makes no sense."""


class RunningFetcher:
    """One such process, until its end; made where a loop runs.

    Args:
        process: Itself.
        line: To it.
        begin: What it is told first.
        resolver: Looks names up for it.
        silence: Seconds between two looks at whether it is alive.
        silences: Looks without a word, after which it hangs.
        rate: Tells how many bytes per second may come in all; 0: any.

    Attributes:
        is_gone: Whether it brings nothing any more.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        line: FetcherLine,
        begin: BeginFetching,
        resolver: Resolver,
        silence: float,
        silences: int,
        rate: Callable[[], int],
    ) -> None:
        self._child, self._line, self._rate = process, line, rate
        self._resolver, self._silence, self._silences = resolver, silence, silences
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[FetcherAnswer]] = {}
        self._names = set[asyncio.Task[None]]()
        self._heard = True
        self.is_gone = False
        self._bounds: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(begin))

    @classmethod
    async def start(
        cls,
        program: tuple[str, ...],
        begin: BeginFetching,
        resolver: Resolver,
        silence: float,
        silences: int,
        rate: Callable[[], int],
    ) -> Self:
        """Start one, and wait until it is at work.

        Raises:
            FetcherGone: It has ended before.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                child = _spawn(program, theirs.fileno())
            except OSError as fault:
                ours.close()
                raise FetcherGone(f"the fetcher cannot be started: {fault}") from fault
        line = DescriptorLine(ours, FETCHER_LINE, takes_files=False)
        made = cls(child, line, begin, resolver, silence, silences, rate)
        try:
            async with asyncio.timeout(LONGEST_FETCHER_START):
                log.info("fetcher_started", pid=made.pid, gave_up=await made._bounds)
        except TimeoutError as fault:
            await made.close()
            why = f"was not at work after {LONGEST_FETCHER_START:.0f} s"
            raise FetcherGone(f"the fetcher (process {made.pid}) {why}") from fault
        except BaseException:
            await made.close()
            raise
        return made

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    async def download(self, uri: str, descriptor: int, limit: int, timeout: Seconds) -> None:
        """Have a file written; who cancels this has it abandoned.

        Raises:
            FetcherGone: The process has ended meanwhile.
            ForbiddenUri, DownloadTooLarge, DownloadFailed: See ``Fetcher.fetch``.
        """
        number = next(self._numbers)
        asked = Fetch(number, uri, limit, int(timeout * 1000), self._rate())
        try:
            told = await self._answer(asked, descriptor)
        except Malformed as fault:
            raise ForbiddenUri(uri, "it is too long, or no text") from fault
        if isinstance(told, NotFetched):
            raise _fault(told, uri, limit)

    async def let_through(
        self, descriptor: int, app: int, hosts: tuple[str, ...], left: int
    ) -> TunnelClosed:
        """Have an app's connection served to its end; who cancels this has it cut.

        Args:
            descriptor: Of the connection.
            app: Names the app.
            hosts: Where it may go.
            left: Bytes that the app may still send and get.

        Raises:
            FetcherGone: The process has ended meanwhile.
        """
        asked = OpenTunnel(next(self._numbers), app, hosts, max(left, 0), self._rate())
        told = await self._answer(asked, descriptor)
        assert isinstance(told, TunnelClosed), "_answer has looked"
        return told

    async def _answer(self, asked: Fetch | OpenTunnel, descriptor: int) -> FetcherAnswer:
        """Ask with a descriptor, and wait; raises Malformed where the line takes no such thing."""
        answer: asyncio.Future[FetcherAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[asked.number] = answer
        try:
            self._line.put(asked, descriptor)
            told = await answer
        except asyncio.CancelledError:
            self._line.put(Abandon(asked.number))
            raise
        finally:
            del self._waiting[asked.number]
        if isinstance(told, TunnelClosed) is not isinstance(asked, OpenTunnel):
            raise FetcherGone(f"the fetcher (process {self.pid}) answered what was not asked")
        return told

    async def close(self) -> None:
        """End it at once: it holds nothing."""
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self, begin: BeginFetching) -> None:
        """Speak with it until it ends, and let everybody who waits for it know."""
        why = _ENOUGH
        try:
            self._line.put(begin)
            await first_of(self._line.write(), self._read(), self._watch())
            why = ""
        except (Malformed, TimeoutError) as fault:
            why = f"was stopped: {fault}"
        except OSError:
            why = ""
        finally:
            self.is_gone = True
            self._line.close()
            for task in self._names:
                task.cancel()
            ended = await self._end(kill=bool(why))
            self._tell(f"the fetcher (process {self.pid}) {why or ended}")

    async def _end(self, *, kill: bool) -> str:
        """Wait for its end, and say how it was."""
        if kill:
            self._child.kill()
        try:
            code = await asyncio.to_thread(self._child.wait, LONGEST_FETCHER_END)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = await asyncio.to_thread(self._child.wait)
        return f"has ended by signal {-code}" if code < 0 else f"has ended with exit code {code}"

    def _tell(self, what: str) -> None:
        waiting = [each for each in self._waiting.values() if not each.done()]
        if not what.endswith(_ENOUGH):
            log.warning("fetcher_ended", cause=what, downloads=len(waiting))
        for each in waiting:
            each.set_exception(FetcherGone(what))
        if not self._bounds.done():
            self._bounds.set_exception(FetcherGone(what))

    async def _read(self) -> None:
        while (told := await self._line.receive()) is not None:
            self._heard = True
            if isinstance(told, FetcherReady) and not self._bounds.done():
                self._bounds.set_result(told.bounds)
            elif isinstance(told, FetcherAnswer):
                answer = self._waiting.get(told.number)  # none: it was abandoned meanwhile
                if answer is not None and not answer.done():
                    answer.set_result(told)
            elif isinstance(told, LookUp) and len(self._names) < LOOKUPS_AT_ONCE:
                task = asyncio.create_task(self._look_up(told))
                self._names.add(task)
                task.add_done_callback(self._names.discard)
            elif not isinstance(told, StillHere):
                raise Malformed(f"it said {type(told).__name__}, which was not its turn")

    async def _look_up(self, asked: LookUp) -> None:
        try:
            found = await self._resolver(asked.host, asked.port)
        except OSError as fault:
            unknown = isinstance(fault, socket.gaierror) and fault.errno == socket.EAI_NONAME
            why = str(fault.strerror or fault) or type(fault).__name__
            self._line.put(LookedUp(asked.number, (), unknown, repaired(why[:500])))
        else:
            texts = tuple(str(each) for each in found[:MOST_ADDRESSES])
            self._line.put(LookedUp(asked.number, texts, False, ""))

    async def _watch(self) -> None:
        """Look whether it is alive while somebody waits for it.

        Raises:
            TimeoutError: It is not.
        """
        silences = 0
        while True:
            await asyncio.sleep(self._silence)
            silences = 0 if self._heard or not self._waiting else silences + 1
            if silences >= self._silences:
                raise TimeoutError(f"it said nothing for {silences * self._silence:.0f} s")
            self._heard = False
            if self._waiting:
                self._line.put(AreYouThere(self._rate()))


def _spawn(program: tuple[str, ...], line: int) -> subprocess.Popen[bytes]:
    """Start the process; it is given the descriptor of its line alone."""
    return subprocess.Popen(  # noqa: S603 - ourselves
        (*program, str(line)),
        pass_fds=(line,),
        stdin=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
    )


def _fault(told: NotFetched, uri: str, limit: int) -> PoolhandError:
    """Return the error that the process told of; its words are a stranger's."""
    if told.outcome is FetchFault.FORBIDDEN:
        return ForbiddenUri(uri, told.why)
    if told.outcome is FetchFault.TOO_LARGE:
        return DownloadTooLarge(uri, limit)
    if told.outcome is FetchFault.UNWRITTEN:
        return FileUnwritten(uri, told.why)
    return DownloadFailed(uri, told.why, shown(told.act))
