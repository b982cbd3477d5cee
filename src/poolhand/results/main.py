"""The results service's composition root."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from socket import socket

import structlog

from poolhand.chain import connect
from poolhand.domain.result_link import location_at
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.storage import ResultStorage
from poolhand.results.assembly import assemble, public_url
from poolhand.results.storages import opened_storage
from poolhand.settings.results import ResultsSettings
from poolhand.transport.asgi import bind, port_of, serve_on
from poolhand.transport.clock import SystemClock
from poolhand.transport.plumbing import first_of

_log = structlog.get_logger()


async def serve(settings: ResultsSettings, ready: Callable[[str], None] | None = None) -> None:
    """Run the results service until cancelled.

    Args:
        settings: Of the operator.
        ready: Told the public URL once requests are answered.

    Raises:
        PortBusy, CannotListen: The port cannot be had.
        StorageUnfit: The storage's address, bucket or credentials are wrong.
        StorageDown: The folder cannot be used, or the storage does not answer.
        ChainUnreachable: No endpoint answers at the start, and nothing is kept here yet.
    """
    guard_recursion()
    listener = bind(settings.host, settings.port)
    with listener:
        url = public_url(settings, port_of(listener))
        async with opened_storage(settings, partial(location_at, url)) as storage:
            await _serve(settings, storage, listener, url, ready)


async def _serve(
    settings: ResultsSettings,
    storage: ResultStorage,
    listener: socket,
    url: str,
    ready: Callable[[str], None] | None,
) -> None:
    lasts = bool(await storage.tasks())
    retry = ChainRetry(SystemClock(), chain_outage("the service"), lasts=lasts)
    async with connect(settings.chain, retry) as chain:
        app, intake = assemble(
            chain.hub, storage, SystemClock(), settings, url, lambda: chain.watcher.trouble
        )
        await intake.count()

        def announce(_port: int) -> None:
            storage_url = settings.storage.url
            _log.info("results_serving", url=url, folder=str(settings.folder), at=storage_url)
            if ready is not None:
                ready(url)

        await first_of(serve_on(app, listener, announce), intake.keep_tidy(settings.sweep))
