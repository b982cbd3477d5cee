"""Quotes from what the kernel or a framework offers to the program in an enclave.

Source: Linux ``Documentation/ABI/testing/configfs-tsm-report`` (since 6.7); Gramine,
``/dev/attestation`` (user_report_data, quote).
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Final

from poolhand.domain.errors import Unavailable
from poolhand.domain.tee.evidence import MOST_QUOTE, Evidence
from poolhand.domain.tee.framework import EvidenceKind

TSM_REPORTS: Final = Path("/sys/kernel/config/tsm/report")
GRAMINE_ATTESTATION: Final = Path("/dev/attestation")
QUOTE_SECONDS: Final = 60.0
"""For one quote; a quoting service on the host makes it."""


class NoQuoteHere(Unavailable):
    """This machine gives no quote."""


class TsmQuoter:
    """Quotes for the TDX guest in which this program runs, by the kernel's configfs-tsm."""

    def __init__(self, reports: Path = TSM_REPORTS) -> None:
        self._reports = reports

    async def quote(self, report_data: bytes) -> Evidence:
        """Return evidence; see ``ports.attestation.Quoter``."""
        return Evidence(EvidenceKind.TDX, await _within(self._ask, report_data))

    def _ask(self, report_data: bytes) -> bytes:
        folder = self._reports / f"poolhand-{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            (folder / "inblob").write_bytes(report_data)
            quote = _read(folder / "outblob")
            provider = (folder / "provider").read_text().strip()
        finally:
            folder.rmdir()
        if provider != "tdx_guest":
            raise NoQuoteHere(f"the kernel's reports are {provider}'s, not of a TDX guest")
        return quote


class GramineQuoter:
    """Quotes for the SGX enclave in which Gramine runs this program."""

    def __init__(self, attestation: Path = GRAMINE_ATTESTATION) -> None:
        self._attestation = attestation

    async def quote(self, report_data: bytes) -> Evidence:
        """Return evidence; see ``ports.attestation.Quoter``."""
        return Evidence(EvidenceKind.SGX, await _within(self._ask, report_data))

    def _ask(self, report_data: bytes) -> bytes:
        (self._attestation / "user_report_data").write_bytes(report_data)
        return _read(self._attestation / "quote")


class NoQuoter:
    """Says why a framework cannot be proved by this program."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def quote(self, report_data: bytes) -> Evidence:  # noqa: ARG002 - a Quoter
        """Refuse; see ``ports.attestation.Quoter``."""
        raise NoQuoteHere(self._why)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_QUOTE + 1)


async def _within(ask: object, report_data: bytes) -> bytes:
    assert callable(ask)
    try:
        async with asyncio.timeout(QUOTE_SECONDS):
            quote: bytes = await asyncio.to_thread(ask, report_data)
    except (OSError, TimeoutError) as fault:
        raise NoQuoteHere(
            f"this machine gives no quote ({str(fault) or 'it takes too long'}): `poolhand worker "
            "doctor` says what it lacks"
        ) from fault
    if not 0 < len(quote) <= MOST_QUOTE:
        raise NoQuoteHere(f"this machine gives a quote of {len(quote)} bytes")
    return quote
