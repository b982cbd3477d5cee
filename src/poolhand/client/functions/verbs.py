"""What ``AsyncClient`` and ``Client`` do with functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from poolhand.client.functions.agreement import AgreementReport, check_agreement
from poolhand.client.functions.calls import FunctionCalls
from poolhand.client.functions.chunks import CallFuture
from poolhand.client.functions.decorated import AsyncNetworkFunction, NetworkFunction
from poolhand.client.functions.executor import NetworkExecutor
from poolhand.client.functions.terms import FunctionTerms
from poolhand.client.loop_thread import LoopThread
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.units import NanoRlc

if TYPE_CHECKING:
    from poolhand.client.async_client import AsyncClient

P = ParamSpec("P")
R = TypeVar("R")


class AsyncFunctionVerbs:
    """Functions on the network, for a program on asyncio.

    Attributes:
        runs_functions: The image, or app, that runs them where a call names none.
    """

    runs_functions: str | Address

    @cached_property
    def calls(self) -> FunctionCalls:
        """What buys the calls of this client."""
        return FunctionCalls(cast("AsyncClient", self))

    def function(
        self,
        *,
        image: str | Address = "",
        trust: int = 1,
        category: int | str = 0,
        pool: str | Address = ZERO_ADDRESS,
        tag: Iterable[str] = (),
        hosts: Iterable[str] = (),
        budget: str | NanoRlc | None = None,
        deposit: bool = False,
        wait_for_workers: bool = True,
    ) -> Callable[[Callable[P, R]], AsyncNetworkFunction[P, R]]:
        """Decorate a function that the network is to compute, on these terms.

        Args:
            image: That runs functions, or an app's address; the client's, where none is named.
            trust: Wanted confidence 1 - 1/trust; above 1 hash seed and clocks are fixed, and what
                the function returns must be the same bytes on every worker (``check``).
            category: Of computing time, by number or name.
            pool: The workerpool to buy from; else the cheapest.
            tag: Demands on the workers, by name.
            hosts: That the function is to reach, ``name`` or ``name:port``.
            budget: RLC that each deal may cost; the client's own limit holds as well.
            deposit: Move what the stake lacks from the wallet's RLC first.
            wait_for_workers: False: a call raises ``NoWorkerLeft`` as soon as its pool has no
                worker left for it. Else that is logged, and it waits: another may join.
        """
        runs = image or self.runs_functions
        terms = FunctionTerms(
            runs, trust, category, pool, tuple(tag), tuple(hosts), budget, deposit, wait_for_workers
        )
        return partial(AsyncNetworkFunction, self.calls, terms=terms)

    def submit(
        self, function: Callable[P, R], /, *args: P.args, **named: P.kwargs
    ) -> asyncio.Future[R]:
        """Call a function on the network, on the usual terms, and return what it will come to.

        Args:
            function: Which.
            *args: Its arguments by place.
            **named: Its arguments by name.
        """
        return self.function()(function).spawn(*args, **named)

    def map(
        self, function: Callable[[Any], R], items: Iterable[Any], *, chunk: int | None = None
    ) -> AsyncGenerator[R]:
        """Call a function with each item on the network, and yield what each comes to, in order.

        Args:
            function: Which.
            items: All of them; they are bought at once, in one deal where one is sold.
            chunk: How many a task computes; None: by the time that they take.

        Raises:
            Unpicklable, NoSuchModule, …: Something cannot travel; nothing was paid.
        """
        return self.function()(function).map(items, chunk=chunk)

    async def check(
        self, function: Callable[P, Any], /, *args: P.args, **named: P.kwargs
    ) -> AgreementReport:
        """Run a call in processes of this machine, as workers would that have to agree; it is free.

        Args:
            function: Which.
            *args: Its arguments by place.
            **named: Its arguments by name.

        Raises:
            NotTheSame: Two runs came to something else; names the argument, or which part.
        """
        return await asyncio.to_thread(check_agreement, function, args, named)


class FunctionVerbs:
    """The same for a program without a loop."""

    _client: AsyncClient
    _loop: LoopThread

    def function(
        self,
        *,
        image: str | Address = "",
        trust: int = 1,
        category: int | str = 0,
        pool: str | Address = ZERO_ADDRESS,
        tag: Iterable[str] = (),
        hosts: Iterable[str] = (),
        budget: str | NanoRlc | None = None,
        deposit: bool = False,
        wait_for_workers: bool = True,
    ) -> Callable[[Callable[P, R]], NetworkFunction[P, R]]:
        """Decorate a function that the network is to compute; as ``AsyncClient.function``."""
        runs = image or self._client.runs_functions
        terms = FunctionTerms(
            runs, trust, category, pool, tuple(tag), tuple(hosts), budget, deposit, wait_for_workers
        )
        return partial(NetworkFunction, self._loop, self._client.calls, terms=terms)

    def submit(self, function: Callable[P, R], /, *args: P.args, **named: P.kwargs) -> CallFuture:
        """Call a function on the network, on the usual terms, and return what it will come to."""
        return self.function()(function).spawn(*args, **named)

    def map(
        self, function: Callable[[Any], R], items: Iterable[Any], *, chunk: int | None = None
    ) -> Iterator[R]:
        """Call a function with each item on the network; as ``AsyncClient.map``."""
        return self.function()(function).map(items, chunk=chunk)

    def check(
        self, function: Callable[P, Any], /, *args: P.args, **named: P.kwargs
    ) -> AgreementReport:
        """Run a call in processes of this machine, as workers would; as ``AsyncClient.check``."""
        return check_agreement(function, args, named)

    def executor(
        self,
        *,
        image: str | Address = "",
        trust: int = 1,
        category: int | str = 0,
        pool: str | Address = ZERO_ADDRESS,
        tag: Iterable[str] = (),
        hosts: Iterable[str] = (),
        budget: str | NanoRlc | None = None,
        deposit: bool = False,
        wait_for_workers: bool = True,
    ) -> NetworkExecutor:
        """Return an executor of ``concurrent.futures`` on the terms of ``function``."""
        runs = image or self._client.runs_functions
        terms = FunctionTerms(
            runs, trust, category, pool, tuple(tag), tuple(hosts), budget, deposit, wait_for_workers
        )
        return NetworkExecutor(self._loop, self._client.calls, terms)

    def dask_get(
        self,
        dsk: Mapping[Any, Any],
        keys: Any,
        *,
        num_workers: int | None = None,
        chunksize: int = 1,
        rerun_exceptions_locally: bool | None = None,
        **terms: Any,
    ) -> Any:
        """Compute a graph of Dask's: ``dask.compute(…, scheduler=client.dask_get)``.

        Args:
            dsk: The graph.
            keys: What of it is wanted.
            num_workers: Its tasks under way at a time; None: 16.
            chunksize: Of its tasks in one task of the network, where so many are ready.
            rerun_exceptions_locally: Whether what fails is tried here, to see why.
            **terms: As of ``executor``; ``functools.partial`` sets them.
        """
        from poolhand.client.dask_scheduler import get_by  # noqa: PLC0415 - Dask is its user's

        with self.executor(**terms) as executor:
            return get_by(
                executor,
                dsk,
                keys,
                num_workers=num_workers,
                chunksize=chunksize,
                rerun_exceptions_locally=rerun_exceptions_locally,
            )
