"""The results service put together, on a real chain and disk or on fakes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from fastapi import APIRouter, FastAPI

from poolhand.observe.disk_space import free_bytes
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock
from poolhand.ports.storage import ResultStorage
from poolhand.results.api import routes
from poolhand.results.input_api import input_routes
from poolhand.results.input_deals import InputDeals
from poolhand.results.input_shelf import InputShelf
from poolhand.results.inspect import ArchiveLimits
from poolhand.results.intake import Intake, IntakeTerms
from poolhand.results.key_relay import RELAYING_SECONDS, key_relay_routes
from poolhand.results.key_shelf import ResultKeyShelf, result_key_routes
from poolhand.results.logins import RESULTS_SERVICE_NAME, login_routes
from poolhand.results.metrics import ResultsMetrics
from poolhand.results.room import Quota
from poolhand.settings.results import ResultsSettings
from poolhand.settings.storage import DISK
from poolhand.store.kept_secret import kept_secret
from poolhand.transport.asgi import application, hosts_of
from poolhand.transport.clock import SystemEntropy
from poolhand.transport.sign_ins import SignIns
from poolhand.web.trusted import trusted


def public_url(settings: ResultsSettings, port: int) -> str:
    """Return under which URL requesters reach the service."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (settings.public_url or f"http://{host}:{port}").rstrip("/")


def _key_routes(settings: ResultsSettings) -> APIRouter:
    """Return where keys for results are kept: by the SMS, or here where there is none."""
    if not settings.sms_url:
        return result_key_routes(ResultKeyShelf(settings.folder / "result-keys"))
    return key_relay_routes(
        settings.sms_url,
        lambda: httpx.AsyncClient(timeout=RELAYING_SECONDS, verify=trusted(environment=True)),
    )


def assemble(
    hub: Hub,
    storage: ResultStorage,
    clock: Clock,
    settings: ResultsSettings,
    url: str,
    trouble: Callable[[], str] = lambda: "",
) -> tuple[FastAPI, Intake]:
    """Build the service on any hub, storage and clock, with the intake that keeps it tidy.

    ``trouble`` tells why the chain cannot be read at present; empty when it can.
    """
    terms = IntakeTerms(
        limits=ArchiveLimits(settings.max_expanded, settings.max_files, settings.max_ratio),
        max_archive=settings.max_archive,
        max_provisional=settings.max_provisional,
        workerpool=settings.workerpool,
        keep=settings.keep,
        quota=Quota(settings.max_waiting, settings.max_stored),
        free=(lambda: free_bytes(settings.folder)) if settings.storage.kind == DISK else None,
    )
    shelf = InputShelf(
        settings.folder / "inputs",
        settings.max_inputs,
        settings.keep_inputs,
        clock,
        InputDeals(hub, settings.keep_inputs, settings.workerpool),
    )
    boundary = FaultBoundary(settings.folder / "faults")
    intake = Intake(hub, storage, clock, terms, boundary, shelf)
    sign_ins = SignIns(RESULTS_SERVICE_NAME, hub.facts.chain_id, SystemEntropy(), clock.steady)
    app = application(
        "Poolhand results",
        [
            login_routes(sign_ins, lambda: kept_secret(settings.folder / "login.key")),
            _key_routes(settings),
            input_routes(shelf, hub.facts, clock, url),
            routes(intake, ResultsMetrics(), hub.facts, trouble),
        ],
        max_body=settings.max_archive,
        hosts=hosts_of(settings.host, url),
    )
    return app, intake
