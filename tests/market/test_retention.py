"""A market forgets what is over and old, all of it, and nothing else."""

from __future__ import annotations

from market_world import app_order, pool_order, request_order
from sqlalchemy import func, select, update
from test_counts import counted, told

from poolhand.domain.onchain import EventKind
from poolhand.market.retention import SECONDS_OF_DAY, MarketRetention
from poolhand.store.market import retention
from poolhand.store.market.schema import (
    MARKET_DEALS_TABLE,
    MARKS_TABLE,
    STAKE_STEPS,
    TASK_STEPS,
)

DAYS, FEW = 30, retention.ForgottenAtOnce(deals=2, steps=2)


async def ages(market, days):
    """Let the chain be so much older."""
    by = {"moment": MARKS_TABLE.c.moment + days * SECONDS_OF_DAY}
    await market.database.write(lambda c: c.execute(update(MARKS_TABLE).values(by)))


async def kept(market):
    """Return which deals are kept, and how many steps of tasks and of stakes."""

    def read(connection):
        assert told(connection) == counted(connection)
        deals = set(connection.scalars(select(MARKET_DEALS_TABLE.c.deal_id)))
        steps = [
            connection.scalar(select(func.count()).select_from(table))
            for table in (TASK_STEPS, STAKE_STEPS)
        ]
        return deals, *steps

    return await market.database.read(read)


async def dealt(market, size=1):
    deal = market.match(app_order(), pool_order(), request_order(volume=size), size)
    await market.mine()
    return deal


async def test_what_has_ended_is_forgotten_with_all_that_was_told_of_it(market):
    over, open_ = await dealt(market), await dealt(market)
    await market.compute(over)
    market.chain.initialize(open_, 0)
    await market.mine()
    forgets = MarketRetention(market.database, DAYS)
    await ages(market, DAYS - 1)
    before = await kept(market)
    await forgets.forget()
    assert await kept(market) == before
    await ages(market, 2)
    await forgets.forget()
    assert await kept(market) == ({"0x" + open_.deal_id.hex()}, 1, 0)
    listed = (await market.get("/deals")).json()
    assert (listed["count"], len(listed["deals"])) == (1, 1)
    await ages(market, DAYS)
    await forgets.forget()
    assert await kept(market) == (set(), 0, 0)


async def test_for_ever_is_for_ever(market):
    await market.compute(await dealt(market))
    before = await kept(market)
    await ages(market, 100_000)
    await MarketRetention(market.database, 0).forget()
    assert await kept(market) == before


async def test_more_than_goes_at_once_goes_in_parts(market):
    for _ in range(2):
        open_ = await dealt(market)
        for _ in range(3):
            await market.compute(await dealt(market))
    await ages(market, DAYS + 1)
    await MarketRetention(market.database, DAYS, FEW).forget()
    deals, steps, stakes = await kept(market)
    assert (len(deals), steps, stakes) == (2, 0, 0)
    assert "0x" + open_.deal_id.hex() in deals


async def test_a_market_that_stops_while_it_forgets_goes_on_with_the_rest(market):
    task = await market.compute(await dealt(market))
    await ages(market, DAYS + 1)
    now = await market.database.read(retention.newest_moment)
    old = retention.OldDeals(now - DAYS * SECONDS_OF_DAY, now - 2 * DAYS * SECONDS_OF_DAY)
    await market.database.write(lambda c: retention.forget_deals(c, old, None, FEW))
    deals, steps, _ = await kept(market)
    assert len(deals) == 1
    assert steps == 3, "of five"
    ends = select(TASK_STEPS.c.kind).where(TASK_STEPS.c.task_id == "0x" + task.hex())
    found = await market.database.read(lambda c: set(c.scalars(ends)))
    assert EventKind.TASK_FINALIZE.value in found
    await MarketRetention(market.database, DAYS).forget()
    assert await kept(market) == (set(), 0, 0)
