"""What the chain says, brought to whom it concerns."""

from __future__ import annotations

from poolhand.ports.chain import Hub, Watcher
from poolhand.scheduler.chain_feed import ChainFeed
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.deals import DealParts
from poolhand.scheduler.composition.placing import PlacingParts
from poolhand.scheduler.composition.sending import SendingParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.settings.pool import PoolSettings


def chain_feed(
    settings: PoolSettings,
    common: CommonParts,
    sending: SendingParts,
    sessions: SessionParts,
    bought: DealParts,
    placing: PlacingParts,
    hub: Hub,
    watcher: Watcher,
) -> ChainFeed:
    """Make what follows the chain for the engine."""
    return ChainFeed(
        common.engine,
        hub,
        watcher,
        settings.workerpool,
        bought.deals,
        sending.looks,
        common.time,
        common.retry,
        noticed=bought.history.noticed,
        contributed=sessions.workers.contributed,
        is_recorded=sending.transactions.is_sending,
        passed=placing.deadlines.pass_time,
    )
