"""A worker as placement sees it: what it says of itself, and what the pool and the chain know."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.reputation import NEWCOMER, Reputation
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.trust import Score, Weight, worker_weight
from poolhand.domain.units import NanoRlc, Seconds


@dataclass(frozen=True, slots=True)
class ConnectedWorker:
    """A connected worker. ``stake`` is free, ``locked`` at risk on the hub (nRLC), as last read.

    It takes no task whose category allows more than ``longest`` seconds (None: any), and none that
    brings it less than ``least_reward`` (nRLC). Its apps can reach ``hosts``, and no others.

    ``slots``, ``cpus`` and ``gpus`` are its own word, ``reputation`` is ours: it has so many GPUs,
    each for one task at a time. ``source`` names where it
    connects from, as far as that tells one owner from another; empty where it does not.
    ``drained``: the pool's owner gives it nothing new. ``protocol`` is the version that is spoken.
    ``tee``: frameworks of which it has proved that they work, ``tee_proofs`` how; ``tee_simulated``
    where a simulated root vouched for one. ``sandbox``: in what it says that apps run; empty where
    it has not told. Nothing rests on it.
    """

    worker: Address
    name: str
    version: str
    cpus: int
    slots: int
    gpus: int
    tee: tuple[str, ...]
    score: Score = Score(0)
    stake: NanoRlc = NanoRlc(0)
    paused: bool = False
    reason: str | None = None
    reputation: Reputation = NEWCOMER
    source: str = ""
    locked: NanoRlc = NanoRlc(0)
    longest: Seconds | None = None
    least_reward: NanoRlc = NanoRlc(0)
    hosts: frozenset[NetworkHost] = frozenset()
    drained: bool = False
    protocol: int = 0
    sandbox: str = ""
    tee_simulated: bool = False
    tee_proofs: tuple[ProvedFramework, ...] = ()

    @property
    def takes_part(self) -> bool:
        """Whether it is given tasks at all: neither its operator nor the pool's owner objects."""
        return not (self.paused or self.drained)

    @property
    def weight(self) -> Weight:
        """Of its contributions."""
        return worker_weight(self.score)


def source_of(address: str) -> str:
    """Name where a worker connects from, as far as that tells one owner from another.

    A public IPv4 address, or the /64 network of an IPv6 one. What is private or local may be a
    proxy in front of the pool, so that many owners seem to come from there.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not found.is_global:
        return ""
    return str(ip_network((found, 64), strict=False) if found.version == 6 else found)
