"""Putting together what keeps a worker new, and how a new version is only tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock, Entropy
from poolhand.settings.worker import WorkerSettings
from poolhand.wire.handshake import PoolFacts
from poolhand.worker.control import Control
from poolhand.worker.parts import WorkerParts
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold
from poolhand.worker.upgrading.pool_releases import PoolReleases
from poolhand.worker.upgrading.upgrader import Upgrader


def upgrader_of(
    settings: WorkerSettings,
    parts: WorkerParts,
    facts: PoolFacts,
    hub: Hub,
    control: Control,
    clock: Clock,
    entropy: Entropy,
) -> Upgrader:
    """Return what keeps a worker new."""
    source = PoolReleases(facts, hub)
    return Upgrader(source, parts.takeover, settings.upgrade_from, control, clock, entropy)


def keep_new(
    settings: WorkerSettings, member: PoolMember, upgrader: Upgrader, tasks: asyncio.TaskGroup
) -> None:
    """Have a worker kept new from now on; one that is only tried takes no task instead."""
    if settings.is_trial:
        member.hold(Hold.DRAIN, "this version is only tried: it ends once the pool has let it in")
    else:
        tasks.create_task(upgrader.keep_looking())


def ready_of(
    settings: WorkerSettings, ready: Callable[[str], None] | None, control: Control
) -> Callable[[str], None] | None:
    """Return what is to be called once the pool has let the worker in: a trial ends then."""
    if not settings.is_trial:
        return ready

    def tried(url: str) -> None:
        if ready is not None:
            ready(url)
        control.stop()

    return tried
