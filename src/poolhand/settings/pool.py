"""What a workerpool's owner decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from poolhand.domain.ids import Address
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.settings.chain import ChainSettings


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """One scheduler.

    Attributes:
        chain: Where the hub is.
        workerpool: The pool's contract.
        wallet: Keystore file of the pool's owner.
        password: Of the keystore; never shown.
        host, port: Where to listen.
        public_url: Under which workers and requesters reach it; signed into every login.
        results_url: Under which the results service is reached.
        database: Where the state is kept: an SQLAlchemy URL.
        start_block: From which deals are looked for the first time; None: the newest block.
        allowed: Workers that may join; empty for everybody.
        prices: Per task by category (nRLC); what is missing is not sold.
        highest_trust: Sold for one task.
        quick_finish: Settle trust-1 tasks by ``contributeAndFinalize``.
        public_logs: Publish what apps print.
    """

    chain: ChainSettings
    workerpool: Address
    wallet: Path
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 13000
    public_url: str = "http://127.0.0.1:13000"
    results_url: str = "http://127.0.0.1:13200"
    database: str = "sqlite:///pool.db"
    start_block: BlockNumber | None = None
    allowed: frozenset[Address] = frozenset()
    prices: dict[int, NanoRlc] = field(default_factory=dict)
    highest_trust: Trust = Trust(1000)
    quick_finish: bool = True
    public_logs: bool = False
