"""What quotes are judged by: who signed it, what it says of levels and revocations, and until when.

One collateral serves all machines of a model (FMSPC) whose certificates one authority issues.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import dcap_qvl
from cryptography import x509

from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.units import UnixSeconds

MOST_COLLATERAL: Final = 4 * 1024 * 1024
"""Bytes of one; Intel's have about 20,000, with revocations that grow."""
_TEXTS: Final = (
    *("pck_crl_issuer_chain", "tcb_info_issuer_chain", "tcb_info"),
    *("qe_identity_issuer_chain", "qe_identity"),
)
_BYTES: Final = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")


@dataclass(frozen=True, slots=True)
class CollateralKey:
    """Which collateral a quote needs.

    Attributes:
        kind: SGX or TDX.
        model: Of the machine: FMSPC, 12 hexadecimal digits in capitals.
        authority: Who issued its certificate: ``processor`` or ``platform``.
    """

    kind: EvidenceKind
    model: str
    authority: str


@dataclass(frozen=True, slots=True)
class QuoteCollateral:
    """Collateral that was read; its signatures are verified with each quote.

    Attributes:
        issued: Before it, some part of it is not yet valid.
        expires: From then on some part of it is stale.
        parsed: As the verifying library has it.
    """

    issued: UnixSeconds
    expires: UnixSeconds
    parsed: dcap_qvl.QuoteCollateralV3 = field(repr=False)

    @classmethod
    def of_json(cls, text: str) -> QuoteCollateral:
        """Read it as ``to_json`` writes it.

        Raises:
            Malformed: It is none, or its times cannot be read.
        """
        if len(text) > MOST_COLLATERAL:
            raise Malformed(f"collateral of {len(text)} characters is none")
        try:
            told = parse_json(text)
            return cls.of_parts(
                **{name: str(told[name]) for name in _TEXTS},
                **{name: bytes.fromhex(told[name]) for name in _BYTES},
            )
        except (KeyError, TypeError, ValueError, RecursionError) as fault:
            raise Malformed(f"no collateral can be read: {str(fault)[:200]}") from None

    @classmethod
    def of_parts(cls, **parts: Any) -> QuoteCollateral:
        """Make it of its nine parts, as a provisioning service answers them.

        Raises:
            Malformed: A time in it cannot be read.
        """
        try:
            issued, expires = _window(parts)
            return cls(issued, expires, dcap_qvl.QuoteCollateralV3(**parts))
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            raise Malformed(f"no collateral can be read: {str(fault)[:200]}") from None

    def to_json(self) -> str:
        """Write it, with bytes as hexadecimal digits."""
        return str(self.parsed.to_json())


def _window(parts: dict[str, Any]) -> tuple[UnixSeconds, UnixSeconds]:
    begins: list[datetime] = []
    ends: list[datetime] = []
    for name in ("tcb_info", "qe_identity"):
        told = parse_json(parts[name])
        begins.append(datetime.fromisoformat(told["issueDate"]))
        ends.append(datetime.fromisoformat(told["nextUpdate"]))
    for name in ("root_ca_crl", "pck_crl"):
        revoked = x509.load_der_x509_crl(parts[name])
        begins.append(revoked.last_update_utc)
        if revoked.next_update_utc is not None:
            ends.append(revoked.next_update_utc)
    return (
        UnixSeconds(max(int(each.timestamp()) for each in begins)),
        UnixSeconds(min(int(each.timestamp()) for each in ends)),
    )


class CollateralSource(Protocol):
    """Has collateral, or gets it."""

    async def collateral(self, key: CollateralKey, now: UnixSeconds) -> QuoteCollateral:
        """Return what quotes of this kind are judged by, not stale if that can be had.

        Raises:
            CollateralMissing: It has none and gets none.
        """
