"""The protocol's hashes: plain concatenations under keccak-256.

Source: PoCo 6.x, IexecPoco1Facet and IexecPoco2Facet; vectors in ``tests/domain``.
"""

from __future__ import annotations

from eth_hash.auto import keccak

from poolhand.domain.ids import (
    ZERO_ADDRESS,
    Address,
    DealId,
    OrderHash,
    ResultDigest,
    ResultHash,
    ResultSeal,
    TaskId,
)


def deal_id(request: OrderHash, bot_first: int) -> DealId:
    """Name the deal that consumes a request order from task ``bot_first`` on."""
    return DealId(keccak(request + bot_first.to_bytes(32, "big")))


def task_id(deal: DealId, index: int) -> TaskId:
    """Name task ``index`` (absolute: ``bot_first <= index < bot_first + bot_size``) of a deal."""
    return TaskId(keccak(deal + index.to_bytes(32, "big")))


def result_hash(task: TaskId, digest: ResultDigest) -> ResultHash:
    """Hide a digest until the reveal; equal for all workers that agree."""
    return ResultHash(keccak(task + digest))


def result_seal(worker: Address, task: TaskId, digest: ResultDigest) -> ResultSeal:
    """Bind a digest to its worker, so that a copied hash cannot be revealed."""
    return ResultSeal(keccak(worker + task + digest))


def authorization_hash(worker: Address, task: TaskId, enclave: Address = ZERO_ADDRESS) -> bytes:
    """Return the 32 bytes that the pool owner personal_signs to let a worker contribute."""
    return keccak(worker + task + enclave)


def challenge_request(task: TaskId) -> bytes:
    """Return the 32 bytes that the pool owner personal_signs to be given an enclave's challenge."""
    return keccak(task)


def eip191_hash(message32: bytes) -> bytes:
    """Return the digest of an EIP-191 ``personal_sign`` of 32 bytes."""
    return keccak(b"\x19Ethereum Signed Message:\n32" + message32)
