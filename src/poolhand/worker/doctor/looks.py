"""The ways in which the doctor looks at the world; a test gives it others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from poolhand.domain.doctor.engine import EngineFacts
from poolhand.domain.doctor.machine import MachineFacts, NamespaceFacts
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address
from poolhand.domain.sandbox_level import Sandbox
from poolhand.keys.errors import WalletInUse
from poolhand.ports.chain import Hub, HubFacts
from poolhand.transport.pool_client import PoolGreeting
from poolhand.wire.pool_api import PoolSummary, WorkerNews


class SeenChain(Protocol):
    """What is looked at of a chain."""

    @property
    def facts(self) -> HubFacts:
        """What is fixed about its hub."""

    @property
    def hub(self) -> Hub:
        """Reads of it."""

    async def means_of(self, owner: Address) -> Means:
        """Return what somebody has for gas; raises ChainUnreachable."""


class SeenPool(Protocol):
    """What is looked at of a pool; every method raises as ``PoolClient``'s do."""

    async def greeting(self) -> PoolGreeting:
        """Return which pool it is, and its time."""

    async def summary(self) -> PoolSummary:
        """Return how it does."""

    async def worker(self, address: Address) -> WorkerNews:
        """Return a worker that is connected; PoolRefused ``not-known``: it is not."""


@dataclass(frozen=True, slots=True)
class DiskLook:
    """What keeps apps within their disks; ``promise`` is what that gives."""

    promise: str
    by_kernel: bool
    is_seen: bool


@dataclass(frozen=True, slots=True)
class KeystoreLook:
    """A keystore file: where, its permissions, the address that it claims to hold."""

    path: str
    mode: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class SignerLook:
    """A signer apart, as ``keys.signer_socket`` sees it: where, whether it waits, whose wallet."""

    path: str
    waits: bool | None
    address: Address | None


@dataclass(frozen=True, slots=True)
class DoctorLooks:
    """Each reads something and changes nothing.

    Attributes:
        machine: This computer.
        namespaces: Whether a program of this user gets a network of its own.
        room: What may still be written on the worker's disk (bytes).
        disk: What keeps apps within their disks; raises NoSuchDisk.
        engine: Which container engine there is; raises RuntimeDown.
        sandbox: What apps would run in: tried, leaving nothing; raises NoSuchSandbox.
        hosts: Why apps would reach no host that is allowed: tried, leaving nothing; empty: they do.
        keystore: The wallet's file, or the signer apart that has it; raises a ``Refused`` that says
            why there is none.
        opened: Opens it with the password that was told; False where none was.
        held: Who holds a wallet on this machine; None: nobody.
        runs: Process id of this worker where it runs.
        chain: The chain, connected; raises ChainUnreachable, WrongChain, NoHub, …
        pool: Its client.
        registry: Asks an image registry; returns why it does not answer, or nothing.
        port: Returns why the port of the status page cannot be had, or nothing.
        environ: The environment.
        source: Says where coin and RLC of a chain come from, for a wallet.
    """

    machine: Callable[[], MachineFacts]
    namespaces: Callable[[], NamespaceFacts]
    room: Callable[[], int]
    disk: Callable[[], DiskLook]
    engine: Callable[[], Coroutine[Any, Any, EngineFacts]]
    sandbox: Callable[[], Coroutine[Any, Any, Sandbox]]
    hosts: Callable[[], Coroutine[Any, Any, str]]
    keystore: Callable[[], KeystoreLook | SignerLook]
    opened: Callable[[], bool]
    held: Callable[[Address], WalletInUse | None]
    runs: Callable[[], str | None]
    chain: Callable[[], Coroutine[Any, Any, SeenChain]]
    pool: SeenPool
    registry: Callable[[str], Awaitable[str]]
    port: Callable[[int], str]
    environ: Mapping[str, str]
    source: Callable[[int, Address], str]
