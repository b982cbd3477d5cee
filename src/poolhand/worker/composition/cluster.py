"""What looks at that on which a worker computes: room in a cluster, ways to hosts."""

from __future__ import annotations

from functools import partial

import structlog

from poolhand.domain.network_hosts import NetworkHost
from poolhand.ports.clock import Clock
from poolhand.worker.engines import WorkerEngine
from poolhand.worker.lack_watch import LackWatch
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold

log = structlog.get_logger()


def cluster_watch(engine: WorkerEngine, member: PoolMember, clock: Clock) -> LackWatch | None:
    """Return what has the pool told while a cluster has no room; None where there is none."""
    if engine.lack is None:
        return None
    return LackWatch(engine.lack, partial(member.hold, Hold.CLUSTER), clock)


def hosts_watch(
    engine: WorkerEngine, member: PoolMember, hosts: tuple[NetworkHost, ...], clock: Clock
) -> LackWatch | None:
    """Return what has the pool told which hosts apps can reach; None where they may reach none.

    Args:
        engine: Lets them through, or says why not.
        member: Tells the pool.
        hosts: That the operator allows.
        clock: For pauses.
    """
    if not hosts:
        return None

    def changed(lack: str | None) -> None:
        if lack:
            log.warning("hosts_not_reached", cause=lack, act="operator of the worker")
        member.allow_hosts(() if lack else hosts, lack)

    return LackWatch(engine.hosts_lack, changed, clock)
