"""What pools say of enclaves, which a deal or a task may need. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PoolsEnclave:
    """A pool's word, which the chain does not bear out.

    Attributes:
        simulated: Whether it takes enclaves that keep nothing secret; None: it does not say.
        address: Of a task's enclave; None where it has told none.
    """

    simulated: bool | None = None
    address: str | None = None


def enclave_of(pool: Mapping[str, Any] | None, words: Mapping[str, Any] | None) -> PoolsEnclave:
    """Return what a pool says of its enclaves, and of one task's.

    Args:
        pool: As the market lists it; None: it is not known here.
        words: What came of asking it of a task; None: nobody asked.
    """
    says = (words or {}).get("says") or {}
    told = says.get("confidential")
    if told is not None:
        return PoolsEnclave(told["simulated"], told["enclave"])
    profile = (pool or {}).get("profile") or {}
    live = profile.get("live") or {}
    return PoolsEnclave(live.get("simulatedTee"))
