"""Poolhand's own signed messages: who says what to whom, until when.

Each is an EIP-712 struct under the domain ``Poolhand`` version ``1``, the chain id and the
workerpool contract, so that a signature means one thing on one chain to one pool. See
``docs/protocol``. A market's login alone is iExec's (``domain.market.challenges``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from poolhand.domain.eip712 import Domain, StructType
from poolhand.domain.ids import Address, FixedBytes, TaskId
from poolhand.domain.market.challenges import MarketLogin
from poolhand.domain.units import UnixSeconds


class Nonce(FixedBytes):
    """Thirty-two random bytes, used once."""

    what = "a nonce"


def pool_domain(chain_id: int, workerpool: Address) -> Domain:
    """Return the domain of Poolhand messages of one pool."""
    return Domain("Poolhand", "1", chain_id, workerpool)


def hub_domain(chain_id: int, hub: Address) -> Domain:
    """Return the domain of Poolhand messages that are of a chain's hub, and of no pool."""
    return Domain("Poolhand", "1", chain_id, hub)


@dataclass(frozen=True, slots=True)
class WorkerLogin:
    """A worker proves its wallet to the pool reached at ``url``; answers the pool's ``nonce``."""

    TYPE: ClassVar[StructType] = StructType(
        "WorkerLogin",
        (
            ("address", "worker"),
            ("string", "url"),
            ("bytes32", "nonce"),
            ("bytes32", "challenge"),
            ("uint256", "expiry"),
        ),
    )
    domain: Domain
    worker: Address
    url: str
    nonce: Nonce
    challenge: Nonce
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return self.domain.digest(
            self.TYPE.hash((self.worker, self.url, self.nonce, self.challenge, self.expiry))
        )


@dataclass(frozen=True, slots=True)
class PoolProof:
    """The pool owner answers the worker's ``challenge``; binds both nonces and the worker."""

    TYPE: ClassVar[StructType] = StructType(
        "PoolProof",
        (
            ("address", "worker"),
            ("bytes32", "nonce"),
            ("bytes32", "challenge"),
            ("uint256", "expiry"),
        ),
    )
    domain: Domain
    worker: Address
    nonce: Nonce
    challenge: Nonce
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return self.domain.digest(
            self.TYPE.hash((self.worker, self.nonce, self.challenge, self.expiry))
        )


@dataclass(frozen=True, slots=True)
class ResultUpload:
    """A worker hands in one archive (its sha256) for one task, until ``expiry``."""

    TYPE: ClassVar[StructType] = StructType(
        "ResultUpload",
        (
            ("address", "worker"),
            ("bytes32", "taskId"),
            ("bytes32", "archive"),
            ("uint256", "expiry"),
        ),
    )
    domain: Domain
    worker: Address
    task_id: TaskId
    archive: bytes
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return self.domain.digest(
            self.TYPE.hash((self.worker, self.task_id, self.archive, self.expiry))
        )


@dataclass(frozen=True, slots=True)
class JoinFiles:
    """The pool owner names what its workers install: each file by its sha256.

    ``url`` is that of the pool, ``rpc`` a node for workers without one of their own, or empty.
    """

    TYPE: ClassVar[StructType] = StructType(
        "JoinFiles",
        (
            ("string", "version"),
            ("address", "hub"),
            ("string", "url"),
            ("string", "rpc"),
            ("bytes32", "wheel"),
            ("bytes32", "requirements"),
            ("bytes32", "script"),
            ("bytes32", "windowsScript"),
        ),
    )
    domain: Domain
    version: str
    hub: Address
    url: str
    rpc: str
    wheel: bytes
    requirements: bytes
    script: bytes
    windows_script: bytes

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        files = self.wheel, self.requirements, self.script, self.windows_script
        return self.domain.digest(
            self.TYPE.hash((self.version, self.hub, self.url, self.rpc, *files))
        )


@dataclass(frozen=True, slots=True)
class OwnerSignIn:
    """The pool's owner asks the pool at ``url`` for a session; answers the pool's ``nonce``."""

    TYPE: ClassVar[StructType] = StructType(
        "OwnerSignIn",
        (("address", "owner"), ("string", "url"), ("bytes32", "nonce"), ("uint256", "expiry")),
    )
    domain: Domain
    owner: Address
    url: str
    nonce: Nonce
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return self.domain.digest(self.TYPE.hash((self.owner, self.url, self.nonce, self.expiry)))


@dataclass(frozen=True, slots=True)
class ReaderSignIn:
    """A requester asks the pool at ``url`` for what its tasks print; answers the ``nonce``."""

    TYPE: ClassVar[StructType] = StructType(
        "ReaderSignIn",
        (("address", "requester"), ("string", "url"), ("bytes32", "nonce"), ("uint256", "expiry")),
    )
    domain: Domain
    requester: Address
    url: str
    nonce: Nonce
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        told = self.requester, self.url, self.nonce, self.expiry
        return self.domain.digest(self.TYPE.hash(told))


@dataclass(frozen=True, slots=True)
class InputUpload:
    """A requester leaves a file for workers: ``file`` is its sha256, ``size`` its bytes."""

    TYPE: ClassVar[StructType] = StructType(
        "InputUpload",
        (("address", "owner"), ("bytes32", "file"), ("uint256", "size"), ("uint256", "expiry")),
    )
    domain: Domain
    owner: Address
    file: bytes
    size: int
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        told = self.owner, self.file, self.size, self.expiry
        return self.domain.digest(self.TYPE.hash(told))


@dataclass(frozen=True, slots=True)
class InputRelease:
    """A requester takes a file away that it left: ``file`` is its sha256."""

    TYPE: ClassVar[StructType] = StructType(
        "InputRelease",
        (("address", "owner"), ("bytes32", "file"), ("uint256", "expiry")),
    )
    domain: Domain
    owner: Address
    file: bytes
    expiry: UnixSeconds

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return self.domain.digest(self.TYPE.hash((self.owner, self.file, self.expiry)))


TypedMessage: TypeAlias = (
    WorkerLogin
    | PoolProof
    | ResultUpload
    | MarketLogin
    | JoinFiles
    | OwnerSignIn
    | ReaderSignIn
    | InputUpload
    | InputRelease
)

MAX_SKEW: Final = 30
"""Seconds that two clocks may differ: a pool lets nobody in beyond it."""
LOGIN_LIFETIME: Final = 60
"""Seconds a login or proof stays acceptable."""
