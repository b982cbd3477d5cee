"""The secret management service put together, on a real chain and database or on fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from poolhand.domain.market.rates import RequestRates
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.framework import TeeFramework
from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock, Entropy
from poolhand.settings.sms import SmsSettings
from poolhand.sms.api import about_routes, secret_routes
from poolhand.sms.bulk_datasets import BulkDatasets, ContentFiles, NoContentFiles
from poolhand.sms.challenges import TaskChallenges
from poolhand.sms.edge import CallerLimit
from poolhand.sms.gathering import SecretGathering
from poolhand.sms.keeper import SecretKeeper
from poolhand.sms.measuring import ServiceMeasurements
from poolhand.sms.metrics import SmsMetrics
from poolhand.sms.sessions import OpenSessions
from poolhand.sms.tasks_on_chain import TasksOnChain
from poolhand.sms.tee_api import TeeFace, tee_routes
from poolhand.store.sms.database import SecretsDatabase
from poolhand.store.sms.secrets import SecretStore
from poolhand.transport.clock import passed
from poolhand.transport.guards import hosts_of
from poolhand.transport.plain import plain_application
from poolhand.wire.sms_api import TeeProperties


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


@dataclass(frozen=True, slots=True)
class TeeWorld:
    """What confidential tasks need of the world.

    Attributes:
        verifier: Of quotes.
        clock: Judges them, and ends sessions.
        entropy: Names sessions.
        properties: What runs around apps, by framework.
        policy: Asked of every quote, measurements aside.
        files: Of IPFS, where bulks of datasets are.
    """

    verifier: QuoteVerifier
    clock: Clock
    entropy: Entropy
    properties: Mapping[str, TeeProperties]
    policy: QuotePolicy = QuotePolicy()
    files: ContentFiles = NoContentFiles()


def tee_face(
    hub: Hub, store: SecretStore, settings: SmsSettings, url: str, world: TeeWorld
) -> TeeFace:
    """Build what answers for confidential tasks of one store's framework."""
    framework = TeeFramework(store.name)
    chain, challenges = TasksOnChain(hub, framework), TaskChallenges(store)
    bulks = BulkDatasets(hub, world.files, store)
    gathering = SecretGathering(hub, store, challenges, bulks)
    properties = world.properties.get(store.name)
    measurements = ServiceMeasurements(hub, framework, properties, world.policy, settings.guests)
    sessions = OpenSessions(
        chain, gathering, world.verifier, world.clock, world.entropy, store.note_release
    )
    return TeeFace(chain, challenges, gathering, measurements, sessions, properties, url)


def assemble(
    hub: Hub,
    keepers: Sequence[SecretKeeper],
    settings: SmsSettings,
    url: str,
    trouble: Callable[[], str] = lambda: "",
    tee: TeeWorld | None = None,
) -> Starlette:
    """Build the service of the first store.

    Args:
        hub: Tells who owns datasets and apps.
        keepers: Of all stores, the one that is served first.
        settings: Of the operator.
        url: Under which it is reached.
        trouble: Tells why the chain cannot be read at present; empty when it can.
        tee: What confidential tasks need; None: they are not served.
    """
    metrics = SmsMetrics()
    routes = [
        *secret_routes(keepers[0], metrics),
        *about_routes(keepers, hub.facts, metrics, trouble),
        *(tee_routes(tee_face(hub, keepers[0].store, settings, url, tee)) if tee else ()),
    ]
    app = plain_application("Poolhand secrets", routes, hosts=hosts_of(settings.host, url))
    rates = RequestRates(settings.most_requests, int(settings.rate_window))
    app.add_middleware(CallerLimit, rates=rates, now=passed)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )
    return app
