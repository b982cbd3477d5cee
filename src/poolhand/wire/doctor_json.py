"""What the doctor found, as ``poolhand worker doctor --json`` prints it and scripts read it.

Members are added, never renamed. Amounts are whole numbers of wei and nRLC, null where a check is
not about such an amount.
"""

from __future__ import annotations

from typing import Any

from poolhand.domain.doctor.findings import Examination, Finding
from poolhand.domain.text import shown


def encode_examination(told: Examination, version: str) -> dict[str, Any]:
    """Return the JSON object.

    Args:
        told: What was found.
        version: Of the program that looked.
    """
    return {
        "ok": told.is_sound,
        "version": version,
        "wallet": None if told.wallet is None else str(told.wallet),
        "checks": [_finding(each) for each in told.findings],
    }


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "check": str(each.check),
        "outcome": str(each.outcome),
        "found": shown(each.found, lines=True),
        "fix": shown(each.fix, lines=True),
        "missing_wei": each.missing_wei,
        "missing_nrlc": each.missing_nrlc,
    }
