"""What a worker looks at with every block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from poolhand.domain.ids import Address
from poolhand.domain.units import Seconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.chain_watch import ChainWatch
from poolhand.worker.composition.chain import ChainParts
from poolhand.worker.disk_watch import DiskRoom, DiskWatch
from poolhand.worker.head_watch import HeadWatch
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.standing import Hold
from poolhand.worker.wallet_watch import WalletWatch
from poolhand.worker.worker_wallet import WorkerWallet


@dataclass(frozen=True, slots=True)
class WatchParts:
    """Who looks, and at what.

    Attributes:
        wallet: At the wallet's coin for gas, and its stake.
        chain: At the replicates that are held.
        heads: At new blocks, and has the others look.
    """

    wallet: WalletWatch
    chain: ChainWatch
    heads: HeadWatch

    @classmethod
    def of(
        cls,
        address: Address,
        claim_grace: Seconds | None,
        chain: ChainParts,
        wallet: WorkerWallet,
        room: DiskRoom,
        shell: ReplicateShell,
        hub: Hub,
        watcher: Watcher,
        clock: Clock,
        boundary: FaultBoundary,
        held_back: Callable[[Hold, str | None], None],
    ) -> WatchParts:
        """Make them; ``held_back`` is told what keeps the worker from more, and when it is over."""
        wallet_watch = WalletWatch(
            wallet, hub, shell, clock, boundary, partial(held_back, Hold.GAS)
        )
        chain_watch = ChainWatch(
            address, hub, shell, chain.horizon, clock, boundary, chain.outage, claim_grace
        )
        head_watch = HeadWatch(
            watcher,
            chain_watch,
            wallet_watch,
            DiskWatch(room, partial(held_back, Hold.DISK)),
            chain.horizon,
            clock,
            boundary,
            chain.outage,
            partial(held_back, Hold.CHAIN),
        )
        return cls(wallet_watch, chain_watch, head_watch)
