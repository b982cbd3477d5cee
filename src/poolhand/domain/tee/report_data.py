"""What a quote's 64 bytes are made of: each purpose apart, so that no quote serves for another."""

from __future__ import annotations

from hashlib import sha512

from poolhand.domain.ids import Address

_WORKER = b"poolhand worker proof 1"


def bound_report_data(purpose: bytes, *parts: bytes) -> bytes:
    """Return 64 bytes that stand for a purpose and its parts: SHA-512 of each with its length."""
    told = b"".join(len(each).to_bytes(4, "big") + each for each in (purpose, *parts))
    return sha512(told).digest()


def worker_report_data(nonce: bytes, worker: Address, pool: Address, chain_id: int) -> bytes:
    """Return what a worker's quote carries by which it shows its pool what machine it is."""
    return bound_report_data(_WORKER, nonce, worker, pool, chain_id.to_bytes(32, "big"))
