"""joblib's backend ``poolhand``: what is parallel in scikit-learn and its kin runs on the network.

>>> from joblib import Parallel, delayed, parallel_config
>>> register_joblib(Client(budget="10 RLC"))
>>> with parallel_config(backend="poolhand", n_jobs=8):
...     print(Parallel()(delayed(pow)(2, each) for each in range(100)))
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import local
from typing import TYPE_CHECKING, Any, Final

from joblib.parallel import (  # type: ignore[import-untyped]
    AutoBatchingMixin,
    ParallelBackendBase,
    register_parallel_backend,
)

if TYPE_CHECKING:
    from poolhand.client.functions.chunks import Chunk
    from poolhand.client.functions.executor import NetworkExecutor
    from poolhand.client.sync_client import Client

JOBLIB_NAME: Final = "poolhand"
JOBS_AT_ONCE: Final = 16
"""Batches under way where ``n_jobs`` is -1: the network does not say how many workers it has."""
MOST_CALLS_OF_A_BATCH: Final = 1_000
"""However short their workers say that calls were."""


def register_joblib(client: Client, **terms: Any) -> None:
    """Let ``joblib.parallel_config(backend="poolhand")`` compute on the network.

    Args:
        client: That buys.
        **terms: As of ``Client.executor``; those given to ``parallel_config`` come before.
    """
    register_parallel_backend(JOBLIB_NAME, partial(JoblibBackend, client, terms))


class _BatchSeconds(local):
    """What the batch has computed that this thread is telling of."""

    seconds = 0.0

    def tell(self, seconds: float) -> None:
        self.seconds = seconds


class JoblibBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs joblib's batches as tasks; joblib sizes them by the time that they compute.

    That they wait for the network does not count: it is the same for a batch of any size.

    Args:
        client: That buys.
        terms: Of this client.
        more: Terms that ``parallel_config`` was given.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = False
    default_n_jobs = -1
    MIN_IDEAL_BATCH_DURATION = 5.0
    MAX_IDEAL_BATCH_DURATION = 30.0

    def __init__(
        self,
        client: Client,
        terms: dict[str, Any],
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._client, self._terms = client, {**terms, **more}
        self._executor: NetworkExecutor | None = None
        self._told = _BatchSeconds()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many batches are under way at once; raises ValueError of none."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else JOBS_AT_ONCE

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_other: Any) -> int:
        """Begin a ``Parallel``; returns how many batches are under way at once."""
        self.parallel = parallel
        self._executor = self._client.executor(**self._terms)
        return self.effective_n_jobs(n_jobs)

    def terminate(self) -> None:
        """End a ``Parallel``; what it has bought goes on."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        self.reset_batch_stats()

    def submit(
        self, func: Any, callback: Callable[[Future[list[Any]]], object] | None = None
    ) -> Future[list[Any]]:
        """Send a batch of calls, without joblib itself, which the image need not have."""
        if self._executor is None:
            raise RuntimeError("the backend is not configured: use joblib.Parallel")
        future = self._executor.submit_together(list(func.items))
        if callback is not None:
            future.add_done_callback(partial(self._ended, callback, future.chunk))
        return future

    def _ended(
        self,
        callback: Callable[[Future[list[Any]]], object],
        chunk: Chunk | None,
        future: Future[list[Any]],
    ) -> None:
        """Let joblib know of a batch, and ``batch_completed``, which it calls, what that took."""
        self._told.tell(chunk.seconds if chunk is not None else 0.0)
        callback(future)

    def batch_completed(self, batch_size: int, _duration: float) -> None:
        """Learn how long a batch has computed, where its worker tells."""
        if seconds := self._told.seconds:
            super().batch_completed(batch_size, seconds)

    def compute_batch_size(self) -> int:
        """Return how many calls the next batch has."""
        size = min(int(super().compute_batch_size()), MOST_CALLS_OF_A_BATCH)
        self._effective_batch_size = size
        return size

    apply_async = submit
    """What joblib before 1.5 calls it."""

    def retrieve_result_callback(self, out: Future[list[Any]]) -> list[Any]:
        """Return what a batch has come to, or raise it."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel what is not bought yet: a call of the batch has raised."""
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)
