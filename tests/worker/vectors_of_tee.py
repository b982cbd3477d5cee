"""What an enclave's key signs, for tests."""

from __future__ import annotations

from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.domain.tee.enclave_signature import (
    SignedComputed,
    callback_message,
    enclave_message,
)
from poolhand.worker.tee.relay_line import packed_line
from poolhand.worker.tee.stage_program import ChallengeKey

KEY = bytes([3]) * 32
TASK, DIGEST = TaskId(bytes([7]) * 32), ResultDigest(bytes([8]) * 32)


def signed(worker, key):
    """Return the signature with which a service speaks to its worker."""
    return "0x" + ChallengeKey(key.hex()).sign(callback_message(worker, TASK)).hex()


def computed_line(worker, *, result_key=KEY, line_key=KEY):
    """Return the line by which a result is told."""
    result = ChallengeKey(result_key.hex()).sign(enclave_message(worker, TASK, DIGEST))
    told = SignedComputed(TASK, DIGEST, result)
    return packed_line(
        {
            "tell": "computed",
            "computed": told.dump().decode(),
            "authorization": signed(worker, line_key),
        }
    )
