"""What looks at that on which a worker computes: room in a cluster or an engine, ways to hosts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import structlog

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.network_hosts import NetworkHost
from poolhand.observe.outage_log import OutageLog
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


def engine_disk_watch(engine: WorkerEngine, member: PoolMember, clock: Clock) -> LackWatch | None:
    """Return what takes nothing new while the engine's disk is full; None where none is seen.

    An engine that is away is told of by what waits for it.
    """
    look = engine.disk_lack
    if look is None:
        return None
    outage = OutageLog(
        "engine_disk_full",
        "engine_disk_has_room",
        acts="operator of the worker",
        next_step="free some space on the engine's disk, as with docker system prune",
    )

    async def lack() -> str | None:
        with suppress(RuntimeDown):
            return await look()
        return None

    def changed(found: str | None) -> None:
        if found is None:
            outage.over()
        else:
            outage.tell(found)
        member.hold(Hold.ENGINE_DISK, found)

    return LackWatch(lack, changed, clock)


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
