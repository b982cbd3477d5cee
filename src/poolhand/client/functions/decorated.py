"""Functions with terms of their own: ``@client.function(…)``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Generic, ParamSpec, TypeVar

from poolhand.client.errors import ClientClosed
from poolhand.client.functions.calls import FunctionCalls
from poolhand.client.functions.chunks import CallFuture, Chunk, one_call
from poolhand.client.functions.mapping import MapRun
from poolhand.client.functions.terms import FunctionTerms
from poolhand.client.loop_thread import LoopThread

P = ParamSpec("P")
R = TypeVar("R")


def _each(items: Iterable[Any]) -> Iterator[tuple[Any]]:
    """Yield items as the only argument of a call."""
    return ((each,) for each in items)


class OnNetwork(Generic[P, R]):
    """A function, and the terms on which it is computed elsewhere.

    Called as it is, it runs here. Where it travels, within another function or within itself, the
    plain function travels.
    """

    def __init__(self, function: Callable[P, R], terms: FunctionTerms) -> None:
        self.function, self.terms = function, terms
        functools.update_wrapper(self, function)

    def local(self, *args: P.args, **named: P.kwargs) -> R:
        """Call it in this process, for nothing."""
        return self.function(*args, **named)

    def __call__(self, *args: P.args, **named: P.kwargs) -> R:
        """Call it in this process, for nothing."""
        return self.function(*args, **named)

    def __reduce__(self) -> Any:
        return functools.partial, (self.function,)

    def __repr__(self) -> str:
        return f"<function {getattr(self.function, '__qualname__', '?')} on the network>"


class AsyncNetworkFunction(OnNetwork[P, R]):
    """A function of an ``AsyncClient``."""

    def __init__(
        self, calls: FunctionCalls, function: Callable[P, R], terms: FunctionTerms
    ) -> None:
        super().__init__(function, terms)
        self._calls = calls

    async def remote(self, *args: P.args, **named: P.kwargs) -> R:
        """Call it on the network, and wait; raises what it raises, and as ``AsyncClient.run``."""
        chunk = one_call(self.terms, self.function, args, named)
        self._calls.add([chunk])
        try:
            found: R = await asyncio.wrap_future(chunk.futures[0])
        except asyncio.CancelledError:
            self._calls.leave([chunk])
            raise
        return found

    def spawn(self, *args: P.args, **named: P.kwargs) -> asyncio.Future[R]:
        """Call it on the network, and return what it will come to."""
        chunk = one_call(self.terms, self.function, args, named)
        self._calls.add([chunk])
        return asyncio.wrap_future(chunk.futures[0])

    def map(self, items: Iterable[Any], *, chunk: int | None = None) -> AsyncGenerator[R]:
        """Call it with each item on the network, and yield what each comes to, in order.

        Args:
            items: All of them.
            chunk: How many a task computes; None: by the time that they take.
        """
        run = MapRun(self._calls, self.function, _each(items), self.terms, chunk)
        run.start()
        return run.values_here()


class NetworkFunction(OnNetwork[P, R]):
    """A function of a ``Client``."""

    def __init__(
        self,
        loop: LoopThread,
        calls: FunctionCalls,
        function: Callable[P, R],
        terms: FunctionTerms,
    ) -> None:
        super().__init__(function, terms)
        self._loop, self._calls = loop, calls

    def remote(self, *args: P.args, **named: P.kwargs) -> R:
        """Call it on the network, and wait; raises what it raises, and as ``Client.run``."""
        chunk, future = self._begun(args, named)
        try:
            found: R = future.result()
        except KeyboardInterrupt:
            self._leave(self._calls.leave, [chunk])
            raise
        return found

    def spawn(self, *args: P.args, **named: P.kwargs) -> CallFuture:
        """Call it on the network, and return what it will come to."""
        return self._begun(args, named)[1]

    def map(
        self, items: Iterable[Any], *, chunk: int | None = None, timeout: float | None = None
    ) -> Iterator[R]:
        """Call it with each item on the network, and yield what each comes to, in order.

        Args:
            items: All of them; they are bought at once, whether or not anybody iterates.
            chunk: How many a task computes; None: by the time that they take.
            timeout: Seconds to wait for each; None: as long as it takes.
        """
        kept = self._loop, self._calls
        run = MapRun(self._calls, self.function, _each(items), self.terms, chunk, kept)
        found = run.values(lambda: self._leave(run.leave), timeout)
        self._loop.soon(run.start)
        return found

    def _begun(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Chunk, CallFuture]:
        chunk = one_call(self.terms, self.function, args, named, (self._loop, self._calls))
        (future,) = chunk.futures
        self._loop.soon(self._calls.add, [chunk])
        return chunk, future

    def _leave(self, how: Callable[..., object], *args: Any) -> None:
        with suppress(ClientClosed):
            self._loop.soon(how, *args)
