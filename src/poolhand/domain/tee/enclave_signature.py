"""What the key of an enclave's challenge signs: that a digest was computed by a worker, inside.

Source: PoCo 6.x, IexecPoco2Facet.contribute; services-api.md 9.4.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Self

from eth_hash.auto import keccak

from poolhand.domain.errors import PeerFault, Refused
from poolhand.domain.hashes import eip191_hash, result_hash, result_seal
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.signatures import BadSignature, recover

SIGNATURE_BYTES: Final = 65
MOST_SIGNED_COMPUTED: Final = 65_536
"""Bytes of a signed ``computed.json`` that is read."""


class BadEnclaveSignature(PeerFault):
    """What comes out of an enclave is not signed by it, or says something else."""


def enclave_message(worker: Address, task_id: TaskId, digest: ResultDigest) -> bytes:
    """Return the 32 bytes that an enclave personal_signs (EIP-191) for a contribution."""
    sealed = result_hash(task_id, digest) + result_seal(worker, task_id, digest)
    return keccak(sealed)


def callback_message(worker: Address, task_id: TaskId) -> bytes:
    """Return the 32 bytes with whose signature a service talks to its worker."""
    return keccak(task_id + worker)


def check_enclave_signature(
    signature: bytes, enclave: Address, worker: Address, task_id: TaskId, digest: ResultDigest
) -> None:
    """Check that an enclave signed a worker's digest of a task.

    Raises:
        BadEnclaveSignature: Somebody else signed, or something else was signed.
    """
    try:
        signer = recover(eip191_hash(enclave_message(worker, task_id, digest)), signature)
    except BadSignature as fault:
        raise BadEnclaveSignature(f"the enclave's signature: {fault}") from fault
    if signer != enclave:
        raise BadEnclaveSignature(f"the result is signed by {signer}, the enclave is {enclave}")


@dataclass(frozen=True, slots=True)
class SignedComputed:
    """The signed ``computed.json`` that a service after the app hands its worker."""

    task_id: TaskId
    digest: ResultDigest
    signature: bytes
    path: str = ""
    callback_data: bytes = b""

    def dump(self) -> bytes:
        """Write it."""
        members = {
            "deterministic-output-path": self.path or None,
            "callback-data": f"0x{self.callback_data.hex()}" if self.callback_data else None,
            "task-id": str(self.task_id),
            "result-digest": str(self.digest),
            "enclave-signature": f"0x{self.signature.hex()}",
            "error-message": None,
        }
        return json.dumps({name: value for name, value in members.items() if value}).encode()

    @classmethod
    def parse(cls, raw: bytes, task_id: TaskId) -> Self:
        """Read it; it must be about this task.

        Raises:
            BadEnclaveSignature: It does not read, or is about another task.
        """
        if len(raw) > MOST_SIGNED_COMPUTED:
            raise BadEnclaveSignature(f"computed.json is over {MOST_SIGNED_COMPUTED} bytes")
        try:
            told = parse_json(raw)
            path, data = told.get("deterministic-output-path"), told.get("callback-data")
            found = cls(
                TaskId.parse(told["task-id"]),
                ResultDigest.parse(told["result-digest"]),
                _hexadecimal(told["enclave-signature"]),
                str(path or ""),
                _hexadecimal(data) if data else b"",
            )
        except (ValueError, LookupError, TypeError, AttributeError, Refused) as fault:
            raise BadEnclaveSignature("the signed computed.json does not read") from fault
        if found.task_id != task_id or len(found.signature) != SIGNATURE_BYTES:
            raise BadEnclaveSignature("the signed computed.json is of another task, or unsigned")
        if not any(found.digest):
            raise BadEnclaveSignature("the signed computed.json names no digest")
        return found


def _hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
