"""What is watched of a worker: its earnings, and all that its page tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from poolhand.chain import Chain
from poolhand.chain.earnings_watch import EarningsWatch
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerRuntime
from poolhand.settings.worker import WorkerSettings
from poolhand.transport.notifying import TargetNotifier
from poolhand.transport.page.live_feed import LiveFeed
from poolhand.worker.composition import Worker
from poolhand.worker.earnings_file import EarningsFile
from poolhand.worker.engines import WorkerEngine
from poolhand.worker.live import LiveTeller
from poolhand.worker.metrics import gauges
from poolhand.worker.notice_watch import NoticeWatch
from poolhand.worker.score_watch import ScoreWatch
from poolhand.worker.status import WorkerIdentity, WorkerTeller
from poolhand.worker.told_loss import ToldLoss
from poolhand.worker.told_version import ToldVersions
from poolhand.worker.work_looks import app_progress


def identity_of(
    settings: WorkerSettings,
    wallet: Address,
    engine: WorkerEngine,
    tee: Callable[[], list[dict[str, Any]]],
) -> WorkerIdentity:
    """Return what does not change of a worker while it runs; ``tee`` shows its enclaves."""
    return WorkerIdentity(
        settings.name,
        settings.base,
        wallet,
        settings.pool,
        settings.cpus,
        engine.disk,
        engine.sandbox,
        settings.app_network.hosts,
        tee,
    )


@dataclass(frozen=True, slots=True)
class LiveParts:
    """Who tells what is watched.

    Attributes:
        status: The status.
        earnings: What the chain says was earned.
        live: Both, and what the apps print.
        feed: The same, again whenever it changes.
        registry: What Prometheus reads.
        notices: Tells the owner of what they must see to.
    """

    status: WorkerTeller
    earnings: EarningsWatch
    live: LiveTeller
    feed: LiveFeed
    registry: CollectorRegistry
    notices: NoticeWatch

    @classmethod
    def of(
        cls,
        worker: Worker,
        who: WorkerIdentity,
        chain: Chain,
        runtime: ContainerRuntime,
        clock: Clock,
        upgrade: Callable[[], dict[str, Any] | None],
    ) -> LiveParts:
        """Make them for a worker."""
        member, wallet = worker.member, worker.wallet_watch
        habits = worker.hours, worker.presence
        status = WorkerTeller(
            who,
            member,
            wallet,
            worker.head_watch,
            *habits,
            worker.engine,
            upgrade,
            worker.payouts.show,
            worker.prices.show,
        )
        facts = chain.facts
        owner = f"{who.worker}@{facts.hub}@{facts.chain_id}"
        file = EarningsFile(Path(who.folder), owner)
        score = ScoreWatch(who.worker, chain.hub)
        earnings = EarningsWatch(
            who.worker, chain.hub, chain.watcher, file, clock, worker.boundary, looked=score.look
        )
        worker.told.connect(lambda *_: earnings.stir())
        container = worker.engine.container
        live = LiveTeller(
            status,
            member,
            wallet,
            earnings,
            runtime,
            container,
            lambda task_id: app_progress(worker.folders.of(task_id).output),
            lambda: score.score,
            worker.live,
        )
        registry = gauges(member, wallet, worker.computations.durations)
        wanted = worker.live
        notifier = TargetNotifier(lambda: wanted.now.notify, lambda: wanted.now.mail_server)

        def lost() -> NanoRlc | None:
            read = earnings.read
            return read.book.total().lost if read is not None and read.book.is_whole else None

        notices = NoticeWatch(
            who.name,
            member.standing,
            lost,
            notifier,
            lambda: wanted.now.notify.is_any,
            clock,
            ToldLoss(Path(who.folder), owner),
            upgrade,
            ToldVersions(Path(who.folder).parent),
        )
        return cls(status, earnings, live, LiveFeed(live.show, clock.sleep), registry, notices)

    def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Read from the chain what was earned, from now on."""
        for keep in (
            self.earnings.keep_looking,
            self.earnings.keep_reading_back,
            self.notices.keep_looking,
        ):
            tasks.create_task(keep())
