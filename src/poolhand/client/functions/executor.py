"""``client.executor()``: the network as an executor of ``concurrent.futures``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import suppress
from threading import Lock
from typing import Any, ParamSpec, cast

from poolhand.client.errors import ClientClosed
from poolhand.client.functions.calls import FunctionCalls
from poolhand.client.functions.chunks import CallFuture, Chunk, chunk_of, one_call
from poolhand.client.functions.mapping import MapRun
from poolhand.client.functions.payload import NOTHING, RemoteCall
from poolhand.client.functions.terms import FunctionTerms
from poolhand.client.loop_thread import LoopThread

P = ParamSpec("P")


class NetworkExecutor(Executor):
    """Calls functions on the network; made by ``Client.executor``.

    A call may be cancelled until it is bought. What goes on when the program ends goes on
    without it, and the same call of its next run finds what was bought.

    Args:
        loop: Where the client works.
        calls: Buys.
        terms: On which.
    """

    def __init__(self, loop: LoopThread, calls: FunctionCalls, terms: FunctionTerms) -> None:
        self._loop, self._calls, self._terms = loop, calls, terms
        self._turn = Lock()
        self._futures: set[CallFuture] = set()
        self._is_shut = False

    def submit(self, fn: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Future[Any]:
        """Call a function on the network, and return what it will come to.

        Args:
            fn: Which.
            *args: Its arguments by place.
            **kwargs: Its arguments by name.

        Raises:
            RuntimeError: The executor was shut down.
        """
        chunk = one_call(self._terms, fn, args, kwargs, self._loop)
        (future,) = chunk.futures
        self._begin([future], self._calls.add, [chunk])
        return future

    def submit_together(self, calls: Sequence[RemoteCall]) -> CallFuture:
        """Make calls in one task, and return what all come to, or what the first raises.

        Args:
            calls: One or more; each brings its function.

        Raises:
            RuntimeError: The executor was shut down.
        """
        together = _Together(len(calls), self._loop)
        try:
            chunk = chunk_of(self._terms, NOTHING, calls, together.parts)
        except Exception as fault:  # noqa: BLE001 - the future tells it, as of every executor
            together.whole.set_exception(fault)
            chunk = Chunk(self._terms, NOTHING, NOTHING, ())
        together.whole.chunk = chunk
        self._begin([together.whole], self._calls.add, [chunk] if chunk.futures else [])
        return together.whole

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """Call a function with items of iterables on the network; values come in order.

        Args:
            fn: Which.
            *iterables: As of ``map``; all are read at once.
            timeout: Seconds from now within which every value has to be there.
            chunksize: Calls of one task.

        Raises:
            ValueError: A chunk has one call at least.
            RuntimeError: The executor was shut down.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        arguments = zip(*iterables, strict=False)
        run = MapRun(self._calls, fn, arguments, self._terms, chunksize, self._loop)
        end = None if timeout is None else time.monotonic() + timeout
        futures = list(reversed(run.futures))
        self._begin(run.futures, run.start)
        return _in_order(futures, end, lambda: self._soon(run.leave))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no call any more; repeatable.

        Args:
            wait: Until every call has ended.
            cancel_futures: Cancel what is not bought yet. Without waiting, what is bought is left:
                the same call finds it.
        """
        with self._turn:
            self._is_shut = True
            left = tuple(self._futures)
        if cancel_futures:
            for each in left:
                each.cancel()
        if wait:
            try:
                _wait_for(left)
            except BaseException:
                self._soon(self._calls.leave_calls, left)
                raise
        elif cancel_futures:
            self._soon(self._calls.leave_calls, left)

    def _soon(self, how: Callable[..., object], *args: Any) -> None:
        with suppress(ClientClosed):
            self._loop.soon(how, *args)

    def _begin(self, futures: Sequence[CallFuture], how: Callable[..., object], *args: Any) -> None:
        with self._turn:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._futures.update(futures)
        for each in futures:
            each.add_done_callback(self._done)
        with suppress(ClientClosed):
            self._loop.soon(how, *args)
            return
        for each in futures:
            if not each.done():
                each.set_exception(ClientClosed())

    def _done(self, future: Future[Any]) -> None:
        with self._turn:
            self._futures.discard(cast("CallFuture", future))


class _Together:
    """Several calls as one: the futures of each, and that of all."""

    def __init__(self, count: int, keeps: object) -> None:
        self.whole = CallFuture(keeps)
        self.parts = tuple(CallFuture(keeps) for _ in range(count))
        self._left, self._turn = count, Lock()
        self.whole.add_done_callback(self._cancelled)
        for each in self.parts:
            each.add_done_callback(self._one_done)

    def _cancelled(self, whole: Future[Any]) -> None:
        """Cancel the calls with what they are together."""
        for each in self.parts if whole.cancelled() else ():
            each.cancel()

    def _one_done(self, _part: Future[Any]) -> None:
        with self._turn:
            self._left -= 1
            if self._left:
                return
        self.whole.chunk = None
        if not self.whole.set_running_or_notify_cancel():
            return
        try:
            found = [each.result() for each in self.parts]
        except (Exception, CancelledError) as fault:  # noqa: BLE001 - what the first has raised
            self.whole.set_exception(fault)
        else:
            self.whole.set_result(found)


def _in_order(
    futures: list[CallFuture], end: float | None, leave: Callable[[], object]
) -> Iterator[Any]:
    """Yield values, of the last first; who leaves early, or waits too long, cancels the rest.

    What is bought is not cancelled. Nothing is kept of what was yielded.
    """
    is_over = False
    try:
        while futures:
            left = None if end is None else end - time.monotonic()
            yield _result_of(futures.pop(), left)
        is_over = True
    finally:
        for each in futures:
            each.cancel()
        if not is_over:
            leave()


def _result_of(future: CallFuture, left: float | None) -> Any:
    try:
        return future.result(left)
    finally:
        future.cancel()
        del future  # an exception's traceback would keep it


def _wait_for(futures: Iterable[Future[Any]]) -> None:
    wait(futures)
