"""The secret management service put together, on a real chain and database or on fakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from poolhand.domain.market.rates import RequestRates
from poolhand.ports.chain import Hub
from poolhand.settings.sms import SmsSettings
from poolhand.sms.api import about_routes, secret_routes
from poolhand.sms.edge import CallerLimit
from poolhand.sms.keeper import SecretKeeper
from poolhand.sms.metrics import SmsMetrics
from poolhand.store.sms.database import SecretsDatabase
from poolhand.store.sms.secrets import SecretStore
from poolhand.transport.clock import passed
from poolhand.transport.guards import hosts_of
from poolhand.transport.plain import plain_application


def keepers_of(hub: Hub, database: SecretsDatabase, settings: SmsSettings) -> list[SecretKeeper]:
    """Return what keeps the secrets of each store."""
    changes = RequestRates(settings.most_changes, int(settings.rate_window))
    chain_id = hub.facts.chain_id
    return [
        SecretKeeper(
            hub, SecretStore(database, name, chain_id, settings.most_secrets), changes, passed
        )
        for name, _ in settings.stores
    ]


def assemble(
    hub: Hub,
    keepers: Sequence[SecretKeeper],
    settings: SmsSettings,
    url: str,
    trouble: Callable[[], str] = lambda: "",
) -> Starlette:
    """Build the service of the first store.

    Args:
        hub: Tells who owns datasets and apps.
        keepers: Of all stores, the one that is served first.
        settings: Of the operator.
        url: Under which it is reached.
        trouble: Tells why the chain cannot be read at present; empty when it can.
    """
    metrics = SmsMetrics()
    routes = [
        *secret_routes(keepers[0], metrics),
        *about_routes(keepers, hub.facts, metrics, trouble),
    ]
    app = plain_application("Poolhand secrets", routes, hosts=hosts_of(settings.host, url))
    rates = RequestRates(settings.most_requests, int(settings.rate_window))
    app.add_middleware(CallerLimit, rates=rates, now=passed)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )
    return app
