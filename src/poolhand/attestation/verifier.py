"""Verifies quotes: signatures, certificates and revocations by ``dcap-qvl``, the rest by policy.

A quote names its root by the last certificate of its own chain. One of the simulated roots that
this verifier was started with is verified against that root and its own collateral; whatever else
against Intel's root, which the library has within.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dcap_qvl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from poolhand.attestation.certified import check_certified
from poolhand.attestation.collateral import CollateralKey, CollateralSource, QuoteCollateral
from poolhand.attestation.roots import SimulatedTrust
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.evidence import (
    MOST_QUOTE,
    Attested,
    Evidence,
    QuotePolicy,
    QuoteReport,
    TcbStatus,
    check_report,
)
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.tee.measurement import Measurement
from poolhand.domain.tee.refusal import AttestationRefused, CollateralMissing, RefusalReason
from poolhand.domain.units import UnixSeconds

_REASONS: Final = (
    ("CertRevoked", RefusalReason.CERTIFICATE_REVOKED),
    ("Expired", RefusalReason.COLLATERAL_STALE),
    ("expired", RefusalReason.COLLATERAL_STALE),
    ("NotValidYet", RefusalReason.COLLATERAL_NOT_YET_VALID),
    ("in the future", RefusalReason.COLLATERAL_NOT_YET_VALID),
    ("UnknownIssuer", RefusalReason.ROOT_NOT_TRUSTED),
    ("TCB status is invalid", RefusalReason.TCB_REVOKED),
    ("No matching TCB level", RefusalReason.TCB_LEVEL),
    ("ISVSVN", RefusalReason.TCB_LEVEL),
    ("Debug mode", RefusalReason.DEBUG),
    ("Failed to decode", RefusalReason.MALFORMED),
    ("Unsupported", RefusalReason.MALFORMED),
    ("Unknown QE", RefusalReason.MALFORMED),
    ("quote_collateral", RefusalReason.COLLATERAL_INVALID),
    ("Fmspc mismatch", RefusalReason.COLLATERAL_INVALID),
    ("non-TDX TCB info", RefusalReason.COLLATERAL_INVALID),
    ("non-SGX TCB info", RefusalReason.COLLATERAL_INVALID),
    ("RevocationStatus", RefusalReason.COLLATERAL_INVALID),
    ("CRL", RefusalReason.COLLATERAL_INVALID),
)
"""What the library's words mean, first found first; else a signature does not hold."""
_PEM_END: Final = b"-----END CERTIFICATE-----"
_MOST_CHAIN: Final = 8
"""Certificates in a quote; Intel's have three."""


class DcapVerifier:
    """Verifies quotes of SGX (version 3) and TDX (versions 4 and 5)."""

    def __init__(
        self,
        collateral: CollateralSource | None,
        simulated: Iterable[SimulatedTrust] = (),
        *,
        maker_root: bytes | None = None,
    ) -> None:
        """Join what it trusts.

        Args:
            collateral: Of Intel; None: no quote but simulated ones is verified.
            simulated: Roots that its operator named.
            maker_root: Certificate (DER) of who certifies hardware; None: Intel's. No setting
                leads here: tests of the way of real quotes have another.
        """
        self._collateral, self._maker_root = collateral, maker_root
        self._simulated: Mapping[bytes, SimulatedTrust] = {each.root: each for each in simulated}

    async def verify(
        self, evidence: Evidence, policy: QuotePolicy, report_data: bytes, now: UnixSeconds
    ) -> Attested:
        """Verify one quote; see ``ports.attestation.QuoteVerifier``."""
        kind, model, authority, certificates = _read(evidence.quote)
        if kind is not evidence.kind:
            raise AttestationRefused(
                RefusalReason.WRONG_KIND, f"it came as one of {evidence.kind} and is of {kind}"
            )
        trust = self._simulated.get(certificates[-1].public_bytes(Encoding.DER))
        if trust is not None:
            collateral = trust.collateral[kind]
        elif evidence.is_simulated:
            raise AttestationRefused(
                RefusalReason.ROOT_NOT_TRUSTED, "its simulated root was not named to this verifier"
            )
        else:
            key = CollateralKey(kind, model, authority)
            collateral = await self._of_maker(key, certificates, now)
        _check_times(collateral, now)
        root = trust.root if trust else self._maker_root
        told = _verified(evidence.quote, collateral, root, now)
        report = _report(told, collateral, is_simulated=trust is not None)
        return check_report(report, policy, report_data)

    async def _of_maker(
        self, key: CollateralKey, certificates: list[x509.Certificate], now: UnixSeconds
    ) -> QuoteCollateral:
        if self._collateral is None:
            raise CollateralMissing(
                "Intel's certificates are not at hand: set where they are asked for (--pccs-url)"
            )
        check_certified(certificates, self._maker_root)  # before a stranger's word is asked for
        return await self._collateral.collateral(key, now)


def _malformed(why: str) -> AttestationRefused:
    return AttestationRefused(RefusalReason.MALFORMED, why)


def _read(raw: bytes) -> tuple[EvidenceKind, str, str, list[x509.Certificate]]:
    """Return a quote's kind, model, authority and certificates (root last), all unverified."""
    if not 0 < len(raw) <= MOST_QUOTE:
        raise _malformed(f"it has {len(raw)} bytes")
    try:
        quote = dcap_qvl.parse_quote(raw)
        certificates = _certificates(quote.cert_chain_pem_bytes() or b"")
        kind = EvidenceKind.TDX if quote.is_tdx() else EvidenceKind.SGX
        return kind, quote.fmspc(), quote.ca(), certificates
    except BaseException as fault:  # noqa: BLE001 - a panic of Rust is no Exception
        raise _of_library(fault) from None


def _certificates(chain: bytes) -> list[x509.Certificate]:
    if not 0 < chain.count(_PEM_END) <= _MOST_CHAIN:
        raise ValueError("it brings no chain of certificates")
    return x509.load_pem_x509_certificates(chain)


def _of_library(fault: BaseException) -> AttestationRefused:
    """Turn what a library raised over a stranger's bytes into a refusal; a panic of Rust, too.

    A panic is no ``Exception``; whatever else is none (cancellation, the interpreter's end) passes.
    """
    if not isinstance(fault, Exception) and type(fault).__name__ != "PanicException":
        raise fault
    words = str(fault)
    reason = next((each for word, each in _REASONS if word in words), None)
    if reason is None:
        verifying = words.startswith("Verification failed")
        reason = RefusalReason.SIGNATURE if verifying else RefusalReason.MALFORMED
    return AttestationRefused(reason, " ".join(words.split())[:200])


def _check_times(collateral: QuoteCollateral, now: UnixSeconds) -> None:
    if now < collateral.issued:
        raise AttestationRefused(
            RefusalReason.COLLATERAL_NOT_YET_VALID,
            "what it is judged by is not yet valid: the clock of this machine may be wrong",
        )
    if now >= collateral.expires:
        raise AttestationRefused(
            RefusalReason.COLLATERAL_STALE,
            "what it is judged by is no longer valid: its operator has to refresh it, or this "
            "machine's clock is wrong",
        )


def _verified(
    raw: bytes, collateral: QuoteCollateral, root: bytes | None, now: UnixSeconds
) -> dict[str, Any]:
    try:
        if root is None:
            verified = dcap_qvl.verify(raw, collateral.parsed, now)
        else:
            verified = dcap_qvl.verify_with_root_ca(raw, collateral.parsed, root, now)
        found: dict[str, Any] = parse_json(verified.to_json())
    except BaseException as fault:  # noqa: BLE001 - a panic of Rust is no Exception
        raise _of_library(fault) from None
    else:
        return found


def _report(
    told: dict[str, Any], collateral: QuoteCollateral, *, is_simulated: bool
) -> QuoteReport:
    """Read what the library answers of a quote that it verified."""
    ((name, report),) = told["report"].items()
    if name == "TD15":
        report = {**report["base"], **report}
    try:
        status = TcbStatus(told["status"])
    except ValueError:
        raise AttestationRefused(
            RefusalReason.TCB_LEVEL, f"nobody knows the level {told['status'][:60]}"
        ) from None
    is_sgx = name == "SgxEnclave"
    return QuoteReport(
        attested=Attested(
            measurement=_of_sgx(report) if is_sgx else _of_tdx(report),
            tcb_status=status,
            advisories=tuple(map(str, told["advisory_ids"])),
            is_simulated=is_simulated,
            expires=collateral.expires,
        ),
        attributes=_hex(report, "attributes" if is_sgx else "td_attributes"),
        report_data=_hex(report, "report_data"),
    )


def _hex(report: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(report[name])


def _of_sgx(report: dict[str, Any]) -> Measurement:
    return Measurement(
        EvidenceKind.SGX,
        _hex(report, "mr_enclave"),
        signer=_hex(report, "mr_signer"),
        product=report["isv_prod_id"],
        security_version=report["isv_svn"],
    )


def _of_tdx(report: dict[str, Any]) -> Measurement:
    return Measurement(
        EvidenceKind.TDX,
        _hex(report, "mr_td"),
        tuple(_hex(report, f"rt_mr{number}") for number in range(4)),
        signer=_hex(report, "mr_signer_seam"),
    )
