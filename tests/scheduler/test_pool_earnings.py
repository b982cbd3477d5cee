"""What a pool's owner is told that it earned: as the chain has it, over restarts, at a bounded cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from crowded_pool import same, work_of
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.chain.earnings_watch import BLOCKS_PER_RANGE, BLOCKS_TO_SETTLE, EarningsRead
from poolhand.domain.earning_book import (
    MOST_DAY_ROWS,
    WEEK,
    EarningBook,
    KeptEarnings,
)
from poolhand.domain.earnings import EarningEntry, date_of, midnight
from poolhand.domain.ids import BlockHash, TaskId, TxHash
from poolhand.domain.onchain import Claim
from poolhand.domain.units import DAY, BlockNumber, NanoRlc, UnixSeconds
from poolhand.scheduler.composition.money import BETWEEN_EARNING_LOOKS
from poolhand.scheduler.earning_log import EarningLog
from poolhand.scheduler.page import sections
from poolhand.store.memory import MemoryJournal
from poolhand.store.section import Section


async def told(world):
    """Let the pool look at the chain; returns what its owner is told."""
    world.scheduler.earnings.stir()
    await world.step(BETWEEN_EARNING_LOOKS)
    return (await world.scheduler._dashboard("http://pool.test").tell()).earnings


async def settles(world, worker):
    task = first_task(await world.deal())
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    told = (S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await worker.reports(task, *told)
    await worker.has_stored(task)
    for _ in range(4):
        await world.step()


async def fails(world, worker):
    """Nobody contributes in time: the pool claims, and its own stake is gone."""
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED[:-1])
    await world.pass_to(world.task(task).facts.final_deadline + 1)
    for _ in range(4):
        await world.step()
    assert any(isinstance(mined.sent.call, Claim) for mined in world.chain.mined())


async def test_the_owner_is_told_what_the_chain_paid_and_took_to_the_nrlc(pool):
    world = await pool()
    worker, before = await world.hired(), world.stake(world.owner)
    for life in range(3):
        await settles(world, worker)
        await fails(world, worker)
        earnings = await told(world)
        assert earnings.all.earned - earnings.all.lost == world.stake(world.owner) - before
        assert (earnings.all.won, earnings.all.failed) == (life + 1, life + 1)
        assert sum(each.earned for each in earnings.days) == earnings.all.earned
        world.chain.mine(DAY, blocks=BLOCKS_TO_SETTLE + life)
        await world.pool.kill()
        world.pool.start()
        await world.settle()
        worker.count.clear()
        await worker.arrives()
    earnings = await told(world)
    assert earnings.all.earned - earnings.all.lost == world.stake(world.owner) - before
    assert earnings.today.earned == 0 < earnings.all.earned
    assert earnings.whole
    assert earnings.last_block == world.chain.head.number


async def test_what_a_reorganisation_takes_back_is_not_told_as_earned(pool):
    world = await pool()
    worker, before = await world.hired(), world.stake(world.owner)
    await settles(world, worker)
    assert (await told(world)).all.earned == world.stake(world.owner) - before > 0
    world.reorg(6, forget=True)
    await world.settle()
    assert world.stake(world.owner) == before
    assert (await told(world)).all.earned == world.stake(world.owner) - before


async def test_the_chain_is_read_soon_after_a_task_has_ended_and_seldom_otherwise(pool):
    world = await pool()
    worker = await world.hired()
    for _ in range(4):
        await world.step(BETWEEN_EARNING_LOOKS)
    looked = world.scheduler.earnings.read.at
    await world.step(BETWEEN_EARNING_LOOKS)
    assert world.scheduler.earnings.read.at == looked, "nothing has happened"
    await settles(world, worker)
    await world.step(BETWEEN_EARNING_LOOKS)
    assert world.scheduler.earnings.read.at == world.chain.head.timestamp
    assert world.scheduler.earnings.read.book.total().won == 1


async def test_a_start_reads_no_block_again_that_was_summed_up_before(pool):
    world = await pool()
    worker = await world.hired()
    await settles(world, worker)
    world.chain.mine(blocks=BLOCKS_TO_SETTLE)
    all_of_it = (await told(world)).all
    await world.pool.kill()
    world.pool.start()
    hub, asked = world.pool.reach.hub, []
    read = hub.money_of

    async def noted(owner, first, last):
        asked.append((first, last))
        return await read(owner, first, last)

    hub.money_of = noted
    await world.settle()
    assert (await told(world)).all == all_of_it
    assert asked
    assert min(first for first, _ in asked) > world.chain.head.number - BLOCKS_TO_SETTLE - 9
    assert max(last - first for first, last in asked) <= BLOCKS_PER_RANGE


async def test_the_page_draws_what_was_earned(pool):
    world = await pool()
    dashboard = world.scheduler._dashboard("http://pool.test")
    world.scheduler.earnings.read = None
    assert world.scheduler.metrics.registry.get_sample_value("poolhand_earned_nrlc") is None
    assert "being read" in sections.earnings(await dashboard.tell())
    worker = await world.hired()
    await settles(world, worker)
    earnings = await told(world)
    page = await dashboard.tell()
    assert "<svg" in sections.earnings(page)
    assert date_of(world.chain.head.timestamp) in sections.earnings(page)
    assert f"{world.owner.address} --csv" in sections.earnings(page)
    assert "1 task paid" in sections.figures(page)
    assert earnings.today == earnings.week == earnings.all
    measured = world.scheduler.metrics.registry.get_sample_value
    assert measured("poolhand_earned_nrlc") == earnings.all.earned
    assert measured("poolhand_lost_nrlc") == 0


# --------------------------------------------------------------------------------- bounded


def entry(day, earned):
    at = UnixSeconds(day * DAY + 5)
    return EarningEntry(at, TxHash(bytes(32)), TaskId(bytes(32)), earned=NanoRlc(earned))


def filled(days):
    book = EarningBook(BlockNumber(0), BlockNumber(-1))
    for day in range(1, days + 1):
        book = book.plus([entry(day, day)], BlockNumber(day), BlockNumber(day))
    return book


def test_a_book_of_many_years_has_as_many_rows_as_one_of_one_year_and_the_same_sum():
    days = 3 * MOST_DAY_ROWS
    book = filled(days)
    assert len(book.days) == MOST_DAY_ROWS
    assert book.total().earned == days * (days + 1) // 2
    assert book.total(midnight(UnixSeconds(days * DAY), WEEK - 1)).earned == sum(
        range(days - 6, days + 1)
    )


@pytest.mark.parametrize("days", [5, MOST_DAY_ROWS + 5])
def test_blocks_before_the_first_are_counted_once_however_old_they_are(days):
    book = filled(days).plus([entry(1, 1000), entry(0, 500)], BlockNumber(0), BlockNumber(0))
    assert book.total().earned == days * (days + 1) // 2 + 1500
    assert len(book.days) <= MOST_DAY_ROWS


def test_what_the_journal_keeps_is_bounded_and_another_accounts_is_not_read():
    journal = MemoryJournal()
    kept = KeptEarnings(filled(MOST_DAY_ROWS + 5), BlockHash(bytes(32)))
    for restart in range(5):
        log = EarningLog(Section(journal, "earning"), "me")
        log.recover()
        assert (log.read() is None) == (restart == 0)
        for _ in range(9):
            log.write(kept)
        assert log.read() == kept
    assert len(list(journal.read())) <= 9
    log = EarningLog(Section(journal, "earning"), "me")
    log.recover()
    assert log.read() == replace(kept, book=replace(kept.book, tasks={}))
    assert kept.book.tasks
    other = EarningLog(Section(journal, "earning"), "another")
    other.recover()
    assert other.read() is None


async def test_the_owners_page_reads_no_chain_and_costs_the_same_however_long_the_pool_lives(pool):
    world = await pool()
    dashboard, counts = world.scheduler._dashboard("http://pool.test"), []
    await dashboard.tell()
    world.chain.outage = True
    for days in (MOST_DAY_ROWS, 4 * MOST_DAY_ROWS):
        read = EarningsRead(filled(days), UnixSeconds(days * DAY))
        world.scheduler.earnings.read = read
        counts.append(await work_of(dashboard.tell()))
    assert counts[1] <= same(counts[0])
