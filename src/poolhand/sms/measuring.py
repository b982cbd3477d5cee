"""What each service of a task must prove to be, before it is told anything.

Before and after an app run programs of the network's own, as the service's properties name them.
The app is measured by what its contract says: its enclave's measurement under SCONE and Gramine; in
a TDX guest the guest is measured, and the app's image is named by its checksum on chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from poolhand.domain.deal import App
from poolhand.domain.errors import PoolhandError
from poolhand.domain.json_text import parse_json
from poolhand.domain.params import DealParams, split_arguments
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.tee.measurement import (
    CODE_SIZES,
    ExpectedMeasurement,
    measure_service,
)
from poolhand.domain.tee.session import Service, services_of
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.ports.chain import Hub
from poolhand.sms.tasks_on_chain import ConfidentialTask
from poolhand.wire.sms_api import TeeProperties, TeeStageProperties

MOST_ENCLAVE_CONFIG: Final = 10_000
"""Bytes that an app's contract may tell of its enclave."""


class ServiceMeasurements:
    """Knows what is expected.

    Args:
        hub: Tells of apps.
        framework: In which they run.
        properties: Of what runs before and after an app; None: nothing is known of it.
        policy: Asked of every quote, measurements aside.
        guests: Measurements (MRTD) of TDX guests in which any app is measured by its checksum.
    """

    def __init__(
        self,
        hub: Hub,
        framework: TeeFramework,
        properties: TeeProperties | None,
        policy: QuotePolicy,
        guests: tuple[bytes, ...] = (),
    ) -> None:
        self._hub, self._framework, self._properties = hub, framework, properties
        self._policy, self._guests = policy, guests

    async def of(self, task: ConfidentialTask) -> Mapping[Service, QuotePolicy]:
        """Return the policy for each service of a task.

        Raises:
            SessionRefused: The app's contract tells nothing of its enclave, or nonsense; or nothing
                is known of what runs around it.
        """
        if self._properties is None:
            raise SessionRefused(SessionError.SECURE_SESSION_NO_TEE_FRAMEWORK)
        params = DealParams.parse(task.deal.params)
        app = await self._hub.app(task.deal.app.address)
        if app is None:
            raise SessionRefused(SessionError.GET_TASK_DESCRIPTION_FAILED)
        expected = {
            Service.PRE_COMPUTE: self._stage(self._properties.preComputeProperties),
            Service.APP: self._app(app, params),
            Service.POST_COMPUTE: self._stage(self._properties.postComputeProperties),
        }
        return {
            service: replace(
                self._policy,
                expected=expected[service],
                kinds=frozenset({self._framework.evidence}),
            )
            for service in services_of(task.deal, params)
        }

    def _stage(self, told: TeeStageProperties) -> tuple[ExpectedMeasurement, ...]:
        return (self._exactly(told.fingerprint),)

    def _app(self, app: App, params: DealParams) -> tuple[ExpectedMeasurement, ...]:
        if self._framework is not TeeFramework.TDX:
            return (self._exactly(_fingerprint(app.mrenclave)),)
        kind = EvidenceKind.TDX
        guests = tuple(ExpectedMeasurement(kind, each) for each in self._guests)
        if not self._policy.accepts_simulated:
            return guests or (ExpectedMeasurement(kind, bytes(CODE_SIZES[kind])),)
        digest = f"sha256:{app.checksum.hex()}"
        words = split_arguments(params.args or "")
        return (
            ExpectedMeasurement.of(measure_service(self._framework, digest, words)),
            *guests,
        )

    def _exactly(self, fingerprint: str) -> ExpectedMeasurement:
        kind = self._framework.evidence
        try:
            code = bytes.fromhex(fingerprint.removeprefix("0x"))
        except ValueError:
            code = b""
        if len(code) != CODE_SIZES[kind]:
            raise SessionRefused(SessionError.APP_COMPUTE_INVALID_ENCLAVE_CONFIG)
        return ExpectedMeasurement(kind, code)


def _fingerprint(told: bytes) -> str:
    """Return the measurement that an app's contract tells as JSON, as iExec's SDK writes it."""
    if not told:
        raise SessionRefused(SessionError.APP_COMPUTE_NO_ENCLAVE_CONFIG)
    try:
        found = parse_json(told[:MOST_ENCLAVE_CONFIG])["fingerprint"]
    except (ValueError, LookupError, TypeError) as fault:
        raise SessionRefused(SessionError.APP_COMPUTE_INVALID_ENCLAVE_CONFIG) from fault
    except PoolhandError as fault:
        raise SessionRefused(SessionError.APP_COMPUTE_INVALID_ENCLAVE_CONFIG) from fault
    return str(found)
