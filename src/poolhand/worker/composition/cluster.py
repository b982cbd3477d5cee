"""What looks at the cluster on which a worker computes."""

from __future__ import annotations

from functools import partial

from poolhand.ports.clock import Clock
from poolhand.worker.cluster_watch import ClusterWatch
from poolhand.worker.engines import WorkerEngine
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold


def cluster_watch(engine: WorkerEngine, member: PoolMember, clock: Clock) -> ClusterWatch | None:
    """Return what has the pool told while a cluster has no room; None where there is none."""
    if engine.lack is None:
        return None
    return ClusterWatch(engine.lack, partial(member.hold, Hold.CLUSTER), clock)
