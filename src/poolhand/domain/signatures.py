"""Recovering signers; signing is a port, for keys are the world's."""

from __future__ import annotations

from typing import Final

from coincurve import PublicKey
from eth_hash.auto import keccak

from poolhand.domain.errors import PeerFault
from poolhand.domain.hashes import authorization_hash, eip191_hash
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId

_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class BadSignature(PeerFault):
    """A signature does not parse, or recovers to somebody else."""


def recover(digest: bytes, signature: bytes) -> Address:
    """Return who signed 32 bytes.

    Args:
        digest: What was signed.
        signature: r ‖ s ‖ v, 65 bytes, v 27 or 28, s in the lower half (as the contracts demand).

    Raises:
        BadSignature: Any other form, or no such point.
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadSignature("signature is not 65 bytes ending in 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise BadSignature("signature is malleable: its s is in the upper half")
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as fault:  # coincurve raises bare Exception and ValueError alike
        raise BadSignature("signature recovers to no key") from fault
    return Address(keccak(key.format(compressed=False)[1:])[12:])


def widen(signature: bytes) -> bytes:
    """Return r ‖ s ‖ v for a compact signature (EIP-2098, 64 bytes), any other unchanged."""
    if len(signature) != 64:
        return signature
    parity = signature[32] >> 7
    return signature[:32] + bytes([signature[32] & 0x7F]) + signature[33:] + bytes([27 + parity])


def check_authorization(
    signature: bytes,
    owner: Address,
    worker: Address,
    task_id: TaskId,
    enclave: Address = ZERO_ADDRESS,
) -> None:
    """Check that the pool owner lets ``worker`` contribute to a task.

    Raises:
        BadSignature: Somebody else signed, or something else was signed.
    """
    signer = recover(eip191_hash(authorization_hash(worker, task_id, enclave)), signature)
    if signer != owner:
        raise BadSignature(f"authorization signed by {signer}, the pool belongs to {owner}")
