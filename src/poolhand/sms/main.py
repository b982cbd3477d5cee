"""The secret management service's composition root."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from socket import socket

import httpx
import structlog

from poolhand.chain import connect
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub
from poolhand.settings.sms import SmsSettings
from poolhand.sms.assembly import TeeWorld, assemble, keepers_of
from poolhand.sms.keeping import open_secrets
from poolhand.sms.tee_world import tee_world
from poolhand.store.sms.database import SecretsDatabase
from poolhand.transport.asgi import bind, port_of, serve_on
from poolhand.transport.clock import SystemClock
from poolhand.transport.plumbing import first_of
from poolhand.web.trusted import trusted

_log = structlog.get_logger()


async def serve(settings: SmsSettings, ready: Callable[[str], None] | None = None) -> None:
    """Run the service until cancelled.

    Args:
        settings: Of the operator.
        ready: Told the URL of the first store once requests are answered.

    Raises:
        PortBusy, CannotListen: A port cannot be had.
        ChainUnreachable: No endpoint answers at the start.
        PoolhandError: As ``open_secrets``, and ``SecretsDatabase.claim``.
    """
    guard_recursion()
    with ExitStack() as stack:
        listeners = [stack.enter_context(bind(settings.host, port)) for _, port in settings.stores]
        database = stack.enter_context(closing(open_secrets(settings.secrets)))
        retry = ChainRetry(SystemClock(), chain_outage("the service"), lasts=False)
        async with (
            httpx.AsyncClient(verify=trusted(environment=True)) as http,
            connect(settings.chain, retry) as chain,
        ):
            database.claim(chain.facts.chain_id, chain.facts.hub)
            watcher, tee = chain.watcher, tee_world(settings, http)
            apart = (listeners, lambda: watcher.trouble, ready, tee)
            await _serve(settings, chain.hub, database, *apart)


async def _serve(
    settings: SmsSettings,
    hub: Hub,
    database: SecretsDatabase,
    listeners: list[socket],
    trouble: Callable[[], str],
    ready: Callable[[str], None] | None,
    tee: TeeWorld | None,
) -> None:
    keepers = keepers_of(hub, database, settings)
    serving = []
    for number, listener in enumerate(listeners):
        first = keepers[number]
        others = [each for each in keepers if each is not first]
        url = _url(settings, port_of(listener), number)
        app = assemble(hub, [first, *others], settings, url, trouble, tee)

        def announce(_port: int, url: str = url, name: str = first.store.name) -> None:
            _log.info("sms_serving", url=url, framework=name)
            if ready is not None and url == _url(settings, port_of(listeners[0]), 0):
                ready(url)

        serving.append(serve_on(app, listener, announce))
    await first_of(*serving)


def _url(settings: SmsSettings, port: int, number: int) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    told = settings.public_url if number == 0 else ""
    return (told or f"http://{host}:{port}").rstrip("/")
