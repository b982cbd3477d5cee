"""Dask on the network: ``dask.compute(…, scheduler=client.dask_get)``.

Dask's own scheduler of one machine goes through the graph, an executor of ours makes its calls:
tasks that are ready together are bought in one deal, and what comes between them passes through
this program. So it is for graphs of some hundred tasks that compute for long.

Source: ``dask.local.get_async``, which Dask gives to schedulers of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dask.local import get_async

if TYPE_CHECKING:
    from poolhand.client.functions.executor import NetworkExecutor

GRAPH_CALLS_AT_ONCE: Final = 16
"""Tasks of a graph under way where ``num_workers`` does not say: nobody knows how many workers the
network has."""


def get_by(
    executor: NetworkExecutor,
    dsk: Mapping[Any, Any],
    keys: Any,
    *,
    num_workers: int | None = None,
    chunksize: int = 1,
    rerun_exceptions_locally: bool | None = None,
) -> Any:
    """Compute keys of a graph.

    Args:
        executor: Makes the calls; it is shut down by whoever made it.
        dsk: The graph.
        keys: What of it is wanted, in lists as deep as one likes.
        num_workers: Tasks under way at a time; None: 16.
        chunksize: Tasks of the graph in one task of the network, where so many are ready.
        rerun_exceptions_locally: Whether what fails is tried here, to see why; None: as Dask does.

    Raises:
        Exception: What a task of the graph raises, with the traceback of its worker as the cause.
        CannotTravel: Something cannot be sent, or its image has no Dask; nothing was paid.
    """
    return get_async(  # type: ignore[no-untyped-call]
        executor.submit,
        num_workers or GRAPH_CALLS_AT_ONCE,
        dsk,
        keys,
        chunksize=chunksize,
        rerun_exceptions_locally=rerun_exceptions_locally,
    )
