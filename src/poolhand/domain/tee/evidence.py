"""A quote, what it says once its signatures are verified, and what a policy makes of that.

Source: Intel SGX DCAP (statuses of a TCB level), Intel SDM 3D 37.7.1 (ATTRIBUTES.DEBUG, bit 1),
Intel TDX module (TD_ATTRIBUTES.DEBUG, bit 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from typing import Final

from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.tee.measurement import ExpectedMeasurement, Measurement
from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason
from poolhand.domain.units import UnixSeconds

REPORT_DATA_SIZE: Final = 64
"""Bytes that an enclave chooses and its quote covers."""
MOST_QUOTE: Final = 32_768
"""Bytes that a quote may have; those of today's machines have about 5,000."""
_DEBUG_MASKS: Final = {EvidenceKind.SGX: 0b10, EvidenceKind.TDX: 0xFF}
"""Of the first byte of the attributes; in TDX the whole byte is its group of debug bits (TUD)."""


class TcbStatus(StrEnum):
    """How a machine's firmware and microcode stand against what their maker has fixed."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote as it came.

    Attributes:
        kind: SGX or TDX.
        quote: Its bytes, as the processor's maker formats them.
        is_simulated: What its sender says: by a simulated root. A verifier believes its own roots.
    """

    kind: EvidenceKind
    quote: bytes
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class QuotePolicy:
    """What is asked of evidence.

    Attributes:
        expected: One of these has to be what runs there; empty: anything may (a machine is to be
            proved, not a program).
        kinds: Taken; empty: either.
        statuses: Of the machine's TCB that are taken; ``REVOKED`` never is.
        advisories: Of its maker (``INTEL-SA-00615``) that a status below ``UP_TO_DATE`` may have.
        accepts_simulated: Whether a simulated root will do, where the verifier trusts one.
    """

    expected: tuple[ExpectedMeasurement, ...] = ()
    kinds: frozenset[EvidenceKind] = frozenset()
    statuses: frozenset[TcbStatus] = frozenset({TcbStatus.UP_TO_DATE})
    advisories: frozenset[str] = frozenset()
    accepts_simulated: bool = False


@dataclass(frozen=True, slots=True)
class Attested:
    """What evidence has proved.

    Attributes:
        measurement: What runs there.
        tcb_status: How its machine stands.
        advisories: Of the maker that concern it, as far as they are not fixed.
        is_simulated: A simulated root signed for it: no hardware keeps anything secret.
        expires: When what it was judged by is no longer valid.
    """

    measurement: Measurement
    tcb_status: TcbStatus
    advisories: tuple[str, ...]
    is_simulated: bool
    expires: UnixSeconds


@dataclass(frozen=True, slots=True)
class QuoteReport:
    """What a quote says whose signatures, certificates and revocations were verified.

    Attributes:
        attested: What is told if the policy agrees.
        attributes: Of the enclave (16 bytes: flags, XFRM) or of the guest (8 bytes).
        report_data: The 64 bytes of the enclave's choice.
    """

    attested: Attested
    attributes: bytes
    report_data: bytes


def check_report(report: QuoteReport, policy: QuotePolicy, report_data: bytes) -> Attested:
    """Judge what a verified quote says.

    Args:
        report: Of a quote whose signatures hold.
        policy: What is asked.
        report_data: The 64 bytes that it must carry.

    Raises:
        AttestationRefused: With the first reason found, from what is worst to what is least.
    """
    attested = report.attested
    _check_root(attested, policy)
    _check_machine(attested, policy)
    kind = attested.measurement.kind
    if not report.attributes or report.attributes[0] & _DEBUG_MASKS[kind]:
        raise AttestationRefused(
            RefusalReason.DEBUG, "its owner can read it (the debug attribute is set)"
        )
    if len(report_data) != REPORT_DATA_SIZE or not compare_digest(report.report_data, report_data):
        raise AttestationRefused(
            RefusalReason.REPORT_DATA, "it was made for another key, nonce or purpose"
        )
    _check_measurement(attested.measurement, policy)
    return attested


def _check_root(attested: Attested, policy: QuotePolicy) -> None:
    if attested.is_simulated and not policy.accepts_simulated:
        raise AttestationRefused(
            RefusalReason.SIMULATED, "its root is simulated, and nobody here accepts that by name"
        )
    if policy.kinds and attested.measurement.kind not in policy.kinds:
        raise AttestationRefused(
            RefusalReason.WRONG_KIND,
            f"it is of {attested.measurement.kind}, and {', '.join(sorted(policy.kinds))} is asked",
        )


def _check_machine(attested: Attested, policy: QuotePolicy) -> None:
    status = attested.tcb_status
    if status is TcbStatus.REVOKED:
        raise AttestationRefused(RefusalReason.TCB_REVOKED, "its machine's level was revoked")
    if status not in policy.statuses:
        taken = ", ".join(sorted(policy.statuses)) or "none"
        raise AttestationRefused(
            RefusalReason.TCB_LEVEL, f"its machine is {status}, and what is taken is {taken}"
        )
    open_advisories = sorted(set(attested.advisories) - policy.advisories)
    if status is not TcbStatus.UP_TO_DATE and open_advisories:
        raise AttestationRefused(
            RefusalReason.ADVISORY,
            f"its machine has what {', '.join(open_advisories[:8])} tells of, and it is not fixed",
        )


def _check_measurement(found: Measurement, policy: QuotePolicy) -> None:
    if not policy.expected:
        return
    fitting = [each for each in policy.expected if each.is_of(found)]
    if not fitting:
        raise AttestationRefused(
            RefusalReason.MEASUREMENT, f"another program runs there ({found.fingerprint})"
        )
    fitting = [each for each in fitting if each.product in (None, found.product)]
    if not fitting:
        raise AttestationRefused(
            RefusalReason.PRODUCT, f"it is another product of its maker ({found.product})"
        )
    if all(found.security_version < each.least_security_version for each in fitting):
        raise AttestationRefused(
            RefusalReason.SECURITY_VERSION,
            f"its security version {found.security_version} is older than what is asked",
        )
