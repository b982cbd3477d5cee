"""Evidence of enclaves: who gives it, and who verifies it."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.tee.evidence import Attested, Evidence, QuotePolicy
from poolhand.domain.units import UnixSeconds


class QuoteVerifier(Protocol):
    """Verifies quotes against roots of trust that its program was started with."""

    async def verify(
        self, evidence: Evidence, policy: QuotePolicy, report_data: bytes, now: UnixSeconds
    ) -> Attested:
        """Verify one quote.

        Args:
            evidence: From a stranger; any bytes.
            policy: What is asked of it.
            report_data: The 64 bytes that it must carry (``domain.tee.report_data``).
            now: By this machine's clock.

        Raises:
            AttestationRefused: It does not prove that; nothing else, whatever the bytes are.
            CollateralMissing: What it is judged by cannot be had now.
        """


class Quoter(Protocol):
    """Gets quotes for what runs here."""

    async def quote(self, report_data: bytes) -> Evidence:
        """Return evidence that carries these 64 bytes.

        Raises:
            Unavailable: This machine gives none, and why.
        """
