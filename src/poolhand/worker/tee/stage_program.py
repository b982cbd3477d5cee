"""What the programs before and after an app have in common: causes, and how they are told.

Source: services-api.md 9.4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Final

from coincurve import PrivateKey

from poolhand.domain.errors import EndsProgram, PoolhandError
from poolhand.domain.hashes import eip191_hash
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.tee.enclave_signature import callback_message
from poolhand.domain.tee.exit_causes import EXIT_NO_TASK, EXIT_UNREPORTED, EXIT_WITH_CAUSES
from poolhand.worker.tee.relay_line import RELAY_VARIABLE, RelayClient

_TOLD: Final = "IEXEC_TASK_ID", "SIGN_WORKER_ADDRESS", "SIGN_TEE_CHALLENGE_PRIVATE_KEY"


class StageFailed(Exception):
    """A service gives up; ``cause`` is its name without the service's prefix."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class ChallengeKey:
    """The key that the enclave's challenge is the address of; it signs 32 bytes (EIP-191)."""

    def __init__(self, text: str) -> None:
        """Read it from hexadecimal text; raises ValueError."""
        self.__key = PrivateKey(bytes.fromhex(text.removeprefix("0x")))

    def sign(self, message: bytes) -> bytes:
        """Return r ‖ s ‖ v (65 bytes, v 27 or 28)."""
        signed = self.__key.sign_recoverable(eip191_hash(message), hasher=None)
        return signed[:64] + bytes([27 + signed[64]])


def required(told: Mapping[str, str], name: str, cause: str) -> str:
    """Return a variable that must be set; raises StageFailed with the cause."""
    value = told.get(name, "")
    if not value:
        raise StageFailed(cause)
    return value


def signing_key(told: Mapping[str, str]) -> ChallengeKey:
    """Return the key to sign with; raises StageFailed."""
    missing = "TEE_CHALLENGE_PRIVATE_KEY_MISSING"
    try:
        return ChallengeKey(required(told, _TOLD[2], missing))
    except ValueError as fault:
        raise StageFailed(missing) from fault


def run_stage(
    prefix: str, work: Callable[[Mapping[str, str], RelayClient], None], told: Mapping[str, str]
) -> int:
    """Do the work of a service, tell why it failed, and return its exit code.

    Args:
        prefix: Of its causes.
        work: What it does; raises StageFailed.
        told: Its environment.
    """
    if not told.get(_TOLD[0]):
        return EXIT_NO_TASK
    relay = RelayClient(told.get(RELAY_VARIABLE, ""))
    try:
        work(told, relay)
    except StageFailed as fault:
        return _tell(prefix + fault.cause, str(fault.__cause__ or ""), told, relay)
    except Exception as fault:  # noqa: BLE001 - whatever it was, the worker is told that it failed
        return _tell(f"{prefix}FAILED_UNKNOWN_ISSUE", type(fault).__name__, told, relay)
    return 0


def _tell(cause: str, why: str, told: Mapping[str, str], relay: RelayClient) -> int:
    os.write(2, f"{cause}: {why}\n".encode(errors="replace"))
    try:
        task_id, worker = TaskId.parse(told[_TOLD[0]]), Address.parse(told[_TOLD[1]])
        signed = signing_key(told).sign(callback_message(worker, task_id))
        causes = json.dumps([{"cause": cause, "message": why[:500]}])
        relay.ask(tell="causes", causes=causes, authorization=f"0x{signed.hex()}")
    except EndsProgram:
        raise
    except (StageFailed, PoolhandError, OSError, KeyError):
        return EXIT_UNREPORTED
    return EXIT_WITH_CAUSES
