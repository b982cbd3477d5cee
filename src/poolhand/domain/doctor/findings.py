"""What a check of the doctor found: how it stands, in one sentence, and what would fix it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei


class Check(StrEnum):
    """What is looked at; the words stand in the JSON and never change their meaning."""

    SETTINGS = "settings"
    CPUS = "cpus"
    MEMORY = "memory"
    DISK = "disk"
    DISK_LIMIT = "disk-limit"
    SYSTEM_LIMITS = "system-limits"
    ENGINE = "engine"
    ENGINE_VERSION = "engine-version"
    ENGINE_PLATFORM = "engine-platform"
    ENGINE_SIZE = "engine-size"
    ENGINE_DISK = "engine-disk"
    SANDBOX = "sandbox"
    CGROUPS = "cgroups"
    USER_NAMESPACES = "user-namespaces"
    WALLET = "wallet"
    PASSWORD = "password"  # noqa: S105 - the name of a check
    WALLET_FREE = "wallet-free"
    NODE = "node"
    HUB = "hub"
    POOL = "pool"
    CLOCK = "clock"
    GAS = "gas"
    STAKE = "stake"
    REGISTRY = "registry"
    PROXY = "proxy"
    PORT = "port"
    HOSTS = "hosts"
    GPU = "gpu"
    TEE = "tee"
    VIRTUALIZATION = "virtualization"


class CheckOutcome(StrEnum):
    """How a check ended; the words stand in the JSON and never change their meaning."""

    PASS = "pass"  # noqa: S105 - it passed
    WARN = "warn"
    UNKNOWN = "unknown"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: Which.
        outcome: ``WARN``: a worker runs, with what the sentence says; ``UNKNOWN``: it could not be
            looked at; ``FAIL``: no worker earns anything here until it is fixed.
        found: What is so, in one sentence without its full stop.
        fix: Who does what about it; of a check that passed, what more there could be; or empty.
        missing_wei: Coin that the wallet lacks; None where this is not about coin.
        missing_nrlc: RLC that the account lacks as stake; None where this is not about stake.
    """

    check: Check
    outcome: CheckOutcome
    found: str
    fix: str = ""
    missing_wei: Wei | None = None
    missing_nrlc: NanoRlc | None = None

    @property
    def told(self) -> str:
        """All of it as one message: what is so, and what to do."""
        return f"{self.found}: {self.fix}" if self.fix else self.found


@dataclass(frozen=True, slots=True)
class Examination:
    """All that the doctor found.

    Attributes:
        findings: In the order of ``Check``.
        wallet: Whose coin and stake were looked at; None where no wallet is known.
    """

    findings: tuple[Finding, ...]
    wallet: Address | None = None

    @property
    def is_sound(self) -> bool:
        """Whether no check failed."""
        return all(each.outcome is not CheckOutcome.FAIL for each in self.findings)

    def __getitem__(self, check: Check) -> Finding:
        return next(each for each in self.findings if each.check is check)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of ``Check``."""
    places = {check: place for place, check in enumerate(Check)}
    return tuple(sorted(findings, key=lambda each: places[each.check]))


def passed(check: Check, found: str, more: str = "") -> Finding:
    """Return that all is well; ``more`` is what there could be besides."""
    return Finding(check, CheckOutcome.PASS, found, more)


def warned(check: Check, found: str, fix: str) -> Finding:
    """Return that a worker runs, but not as it could."""
    return Finding(check, CheckOutcome.WARN, found, fix)


def unknown(check: Check, found: str, fix: str) -> Finding:
    """Return that nothing could be found out."""
    return Finding(check, CheckOutcome.UNKNOWN, found, fix)


def failed(check: Check, found: str, fix: str) -> Finding:
    """Return that no worker earns anything here until it is fixed."""
    return Finding(check, CheckOutcome.FAIL, found, fix)


def of_message(check: Check, message: str, fix: str) -> Finding:
    """Return that a check failed with a message of an error of ours.

    Args:
        check: Which.
        message: ``what happened: who must act and how``, as all of them are written.
        fix: What to do where the message does not say it.
    """
    found, colon, told = message.partition(": ")
    return failed(check, found, told) if colon else failed(check, message, fix)
