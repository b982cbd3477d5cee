"""What a service is told of enclaves by its operator's files: properties, and simulated roots."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx
import structlog
from pydantic import TypeAdapter, ValidationError

from poolhand.attestation.pcs import PcsCollateral
from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.errors import Refused
from poolhand.ports.clock import Clock
from poolhand.settings.sms import SmsSettings
from poolhand.sms.assembly import TeeWorld
from poolhand.sms.gateway_files import GatewayFiles
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.wire.sms_api import TeeProperties

MOST_PROPERTIES: Final = 100_000
"""Bytes of a file of properties."""
COLLATERAL_FOLDER: Final = "collateral"
"""In the service's folder: what Intel's quotes are judged by, which is nobody's secret."""
_PROPERTIES: Final = TypeAdapter(dict[str, TeeProperties])
log = structlog.get_logger()


class UnfitProperties(Refused):
    """A file of properties does not read."""


def tee_world(
    settings: SmsSettings,
    http: httpx.AsyncClient,
    clock: Clock = SystemClock(),
    maker_root: bytes | None = None,
) -> TeeWorld | None:
    """Return what confidential tasks need; None where nothing is told of what runs around apps.

    Args:
        settings: Of the operator.
        http: Asks for what Intel's quotes are judged by, and for bulks of datasets.
        clock: Judges quotes, and ends sessions.
        maker_root: As ``DcapVerifier`` takes it.

    Raises:
        UnfitProperties: Their file does not read.
        NoSimulatedRoot: A simulated root's does not.
    """
    if settings.tee_properties is None:
        return None
    simulated = _simulated_roots(settings)
    properties = {
        name: each.model_copy(update={"simulated": bool(simulated)})
        for name, each in _read(settings.tee_properties).items()
    }
    kept, url = settings.secrets.folder / COLLATERAL_FOLDER, settings.pccs_url
    verifier = DcapVerifier(
        PcsCollateral(http, kept, url) if url else None, simulated, maker_root=maker_root
    )
    files = GatewayFiles(http, settings.ipfs_gateways)
    return TeeWorld(verifier, clock, SystemEntropy(), properties, settings.quotes, files)


def _simulated_roots(settings: SmsSettings) -> list[SimulatedTrust]:
    """Return the roots that the operator named, and say so."""
    if settings.simulated_tee is None:
        return []
    root = SimulatedTrust.load(settings.simulated_tee)
    log.warning(
        "simulated_tee_root_trusted",
        tee="simulated",
        file=str(settings.simulated_tee),
        acts="operator of the secret management service",
        next_step="take --simulated-tee away where secrets are real: it protects nothing",
    )
    return [root]


def _read(file: Path) -> dict[str, TeeProperties]:
    try:
        with file.open("rb") as opened:
            return _PROPERTIES.validate_json(opened.read(MOST_PROPERTIES))
    except (OSError, ValidationError) as fault:
        raise UnfitProperties(
            f"{file} does not tell what runs around apps: it is JSON, by framework what "
            "GET /tee/properties/{framework} answers"
        ) from fault
