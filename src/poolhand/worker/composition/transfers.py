"""Putting together what brings data and takes results away, at the rates that the operator sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from poolhand.ports.clock import Clock
from poolhand.ports.files import ResultsClient
from poolhand.ports.signer import WalletKey
from poolhand.settings.worker import WorkerSettings
from poolhand.transport.byte_rate import ByteRate
from poolhand.transport.downloading import FetchRules
from poolhand.transport.fetcher_process import FetcherProcess
from poolhand.transport.results_client import HttpResults
from poolhand.wire.handshake import PoolFacts
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.parts import WorkerParts
from poolhand.worker.results_place import ResultsPlace


def downloads_of(
    settings: WorkerSettings, live: LiveSettings, parts: WorkerParts
) -> FetcherProcess:
    """Return what downloads, at no more than ``download-rate``, which may change meanwhile."""
    rules = FetchRules(AllowedPlaces.of(settings).rule, settings.ipfs_gateways)
    return FetcherProcess(
        rules, settings.input_bytes, resolver=parts.resolver, rate=lambda: live.now.download_rate
    )


def results_of(
    settings: WorkerSettings,
    live: LiveSettings,
    place: ResultsPlace,
    wallet: WalletKey,
    facts: PoolFacts,
    clock: Clock,
) -> Callable[[], Awaitable[ResultsClient]]:
    """Return what opens a client of the results service, once the pool has told where that is.

    All that it opens bring results at no more than ``upload-rate`` together.
    """
    places, pace = AllowedPlaces.of(settings), ByteRate(lambda: live.now.upload_rate)

    async def results() -> ResultsClient:
        return HttpResults(await place.url(), wallet, facts, clock, places.rule, pace=pace)

    return results
