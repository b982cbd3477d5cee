"""A version of the program that a pool gives to its workers, and when a worker takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.domain.units import UnixSeconds
from poolhand.domain.version import is_older, version_order

MOST_UPGRADE_TRIES: Final = 3
"""Times that a worker tries a version by itself that does not come up."""
PAUSE_AFTER_FAILED_UPGRADE: Final = 24 * 3600
"""Seconds before a worker tries a version again by itself: each try costs it a drain."""
_PLAIN: Final = re.compile(r"[0-9A-Za-z.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed, by its hashes (SHA-256, hexadecimal), and who signed them.

    Attributes:
        version: As it calls itself.
        signer: Whose signature was checked.
        wheel: Of the program.
        requirements: Of the list with the hashes of all that is installed, the wheel's included.
    """

    version: str
    signer: Address
    wheel: str
    requirements: str


class UpgradeState(StrEnum):
    """How far a worker is with a newer version."""

    AVAILABLE = "available"
    INSTALLING = "installing"
    FINISHING = "finishing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class UpgradeFailure:
    """Why a version did not take over, when that was last, and how often it was tried."""

    cause: str
    at: UnixSeconds
    tries: int = 1

    def record(self) -> dict[str, Any]:
        """Return it for a file."""
        return {"cause": self.cause, "at": self.at, "tries": self.tries}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> UpgradeFailure:
        """Read it; raises KeyError, ValueError or TypeError where it is none."""
        return cls(str(told["cause"]), UnixSeconds(int(told["at"])), int(told["tries"]))

    def again(self, cause: str, now: UnixSeconds) -> UpgradeFailure:
        """Return what is known after one more try."""
        return UpgradeFailure(cause, now, self.tries + 1)

    def may_try(self, now: UnixSeconds) -> bool:
        """Whether a worker tries it once more by itself."""
        is_rested = not self.at <= now < self.at + PAUSE_AFTER_FAILED_UPGRADE
        return self.tries < MOST_UPGRADE_TRIES and is_rested


def is_newer(version: str, own: str) -> bool:
    """Whether a stranger's word for a version names a newer one than ours."""
    if not _PLAIN.fullmatch(version):
        return False
    try:
        version_order(version)
    except ValueError:
        return False
    return is_older(own, version)
