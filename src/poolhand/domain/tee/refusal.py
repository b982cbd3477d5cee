"""Why evidence of an enclave is refused: one type of error, with a reason that programs read."""

from __future__ import annotations

from enum import StrEnum

from poolhand.domain.errors import Refused, Unavailable


class RefusalReason(StrEnum):
    """What is wrong with a quote."""

    MALFORMED = "malformed"
    WRONG_KIND = "wrong-kind"
    ROOT_NOT_TRUSTED = "root-not-trusted"
    SIMULATED = "simulated"
    SIGNATURE = "signature"
    CERTIFICATE_REVOKED = "certificate-revoked"
    COLLATERAL_STALE = "collateral-stale"
    COLLATERAL_NOT_YET_VALID = "collateral-not-yet-valid"
    COLLATERAL_INVALID = "collateral-invalid"
    TCB_REVOKED = "tcb-revoked"
    TCB_LEVEL = "tcb-level"
    ADVISORY = "advisory"
    DEBUG = "debug"
    MEASUREMENT = "measurement"
    PRODUCT = "product"
    SECURITY_VERSION = "security-version"
    REPORT_DATA = "report-data"
    NONCE = "nonce"


class AttestationRefused(Refused):
    """Evidence does not prove what it has to; the same evidence will be refused again.

    Attributes:
        reason: For programs; the sentence is for people and for logs, never for who sent it.
    """

    def __init__(self, reason: RefusalReason, why: str) -> None:
        super().__init__(f"the quote is refused ({reason}): {why}")
        self.reason = reason


class CollateralMissing(Unavailable):
    """What a quote is judged by (certificates, levels, revocations) is not at hand."""
