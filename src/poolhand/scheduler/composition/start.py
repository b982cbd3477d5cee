"""The order of a start: what each part does in each of its steps."""

from __future__ import annotations

from functools import partial

from poolhand.ports.chain import Watcher
from poolhand.ports.clock import Clock
from poolhand.scheduler.chain_feed import ChainFeed
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.money import MoneyParts
from poolhand.scheduler.composition.outputs import OutputParts
from poolhand.scheduler.composition.owner import OwnerParts
from poolhand.scheduler.composition.placing import PlacingParts
from poolhand.scheduler.composition.purchases import PurchaseParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.composition.sale import SaleParts
from poolhand.scheduler.composition.sending import SendingParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.enclave_challenges import EnclaveChallenges
from poolhand.scheduler.market_sale import MarketSale
from poolhand.scheduler.start_up import StartUp
from poolhand.scheduler.tee_proofs import TeeProofs
from poolhand.settings.pool import PoolSettings


def start_up(
    settings: PoolSettings,
    common: CommonParts,
    money: MoneyParts,
    proved: ReputationParts,
    sending: SendingParts,
    sessions: SessionParts,
    sale: SaleParts,
    purchases: PurchaseParts,
    markets: MarketSale,
    placing: PlacingParts,
    feed: ChainFeed,
    watcher: Watcher,
    clock: Clock,
    owners: OwnerParts,
    outputs: OutputParts,
    proofs: TeeProofs,
    enclaves: EnclaveChallenges,
) -> StartUp:
    """Return it; what runs for ever is begun in the order in which it stands here."""
    return StartUp(
        replay=(
            common.engine.recover,
            common.settled.recover,
            markets.book.recover,
            sale.drain.recover,
            purchases.under_way.recover,
            owners.exclusions.recover,
            owners.tallies.recover,
            money.earning_log.recover,
        ),
        catch_up=(
            partial(feed.prepare, settings.start_block),
            money.collateral.look,
            purchases.under_way.catch_up,
        ),
        recover=(
            proved.assessor.recover,
            proved.open_tasks.recover,
            placing.deadlines.recover,
            placing.retiring.recover,
        ),
        keep=(
            sending.looks.keep_looking,
            sending.transactions.keep_sending,
            purchases.under_way.keep_following,
            purchases.under_way.keep_telling,
            partial(feed.follow_events, settings.start_block),
            feed.follow_heads,
            partial(sessions.appraisal.keep_watch, watcher),
            partial(money.gas_budget.keep_watch, watcher),
            partial(money.collateral.keep_watch, watcher),
            money.earnings.keep_looking,
            money.earnings.keep_reading_back,
            placing.check_queue.keep_checking,
            sessions.appraisal.keep_reading_newcomers,
            partial(sessions.sockets.run, sessions.workers),
            placing.placement.keep_placing,
            partial(placing.retiring.keep_watch, watcher),
            partial(markets.keep, watcher),
            *(each.keep for each in purchases.published),
            partial(common.settled.keep_pruning, clock, settings.retention),
            partial(outputs.logs.keep_pruning, settings.logs_days),
            sessions.returns.wait,
            proofs.verify,
            proofs.keep_asking,
            enclaves.keep_asking,
        ),
        resume=(common.engine.resume, placing.placement.open),
    )
