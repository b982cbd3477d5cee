"""What a movement was to an account, and the law of accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.deal import Deal, Resource
from poolhand.domain.earnings import (
    DAY,
    EarningEntry,
    EarningFacts,
    EarningRole,
    by_day,
    by_task,
    gas_entries,
    judge,
    sum_up,
)
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId, TxHash
from poolhand.domain.movements import (
    Movement,
    MovementKind,
    Payment,
    change_of_locked,
    change_of_stake,
)
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, UnixSeconds, Wei

ME, OTHER = Address(bytes([1] * 20)), Address(bytes([2] * 20))
TASK, TX = TaskId(bytes([3] * 32)), TxHash(bytes([4] * 32))
TIMES = {TX: Payment(ME, Gas(10), Wei(3), UnixSeconds(100))}
R, K = EarningRole, MovementKind


def deal(*, app=OTHER, data=OTHER, pool=OTHER, sponsor=OTHER, price=5) -> Deal:
    return Deal(
        deal_id=DealId(bytes(32)),
        app=Resource(ZERO_ADDRESS, app, NanoRlc(price)),
        dataset=Resource(ZERO_ADDRESS, data, NanoRlc(price)),
        workerpool=Resource(ZERO_ADDRESS, pool, NanoRlc(7)),
        trust=Trust(1),
        category=0,
        tag=NO_TAG,
        requester=sponsor,
        beneficiary=sponsor,
        callback=ZERO_ADDRESS,
        params="",
        start_time=UnixSeconds(0),
        bot_first=0,
        bot_size=1,
        worker_stake=NanoRlc(2),
        scheduler_percent=1,
        sponsor=sponsor,
    )


def moved(kind: MovementKind, amount: int = 9, index: int = 0) -> Movement:
    return Movement(kind, NanoRlc(amount), BlockNumber(1), TX, index, TASK)


@pytest.mark.case("E11")
@pytest.mark.parametrize(
    ("facts", "roles"),
    [
        (EarningFacts(deal(), True, True), (R.WORKER,)),
        (EarningFacts(deal(pool=ME), True, False), (R.POOL_OWNER,)),
        (EarningFacts(deal(pool=ME), True, True), (R.WORKER, R.POOL_OWNER)),
        (EarningFacts(deal(app=ME, data=ME), True, False), (R.APP_OWNER, R.DATASET_OWNER)),
        (EarningFacts(deal(app=ME, data=ME, price=0), True, False), ()),
        (None, ()),
    ],
)
def test_a_reward_is_earned_as_what_the_account_was_in_the_task(facts, roles):
    tasks = {} if facts is None else {TASK: facts}
    (entry,) = judge(ME, [moved(K.REWARD)], tasks, TIMES)
    assert (entry.earned, entry.lost, entry.paid, entry.roles) == (9, 0, 0, roles)
    assert (entry.at, entry.task_id, entry.tx_hash) == (100, TASK, TX)


@pytest.mark.case("E11")
def test_the_price_of_a_completed_task_is_paid_and_every_other_seizure_lost():
    mine = {TASK: EarningFacts(deal(sponsor=ME), True, True)}
    price, stake = judge(ME, [moved(K.SEIZURE, 5), moved(K.SEIZURE, 2, 1)], mine, TIMES)
    assert (price.paid, price.lost, price.roles) == (5, 0, (R.REQUESTER,))
    assert (stake.paid, stake.lost, stake.roles) == (0, 2, (R.WORKER,))
    failed = {TASK: EarningFacts(deal(sponsor=ME, pool=ME), False, False)}
    (lost,) = judge(ME, [moved(K.SEIZURE)], failed, TIMES)
    assert (lost.lost, lost.roles) == (9, (R.POOL_OWNER,))


@pytest.mark.case("E11")
def test_a_seizure_of_a_task_that_cannot_be_read_is_lost_as_nobody_knows_what():
    (lost,) = judge(ME, [moved(K.SEIZURE)], {}, TIMES)
    assert (lost.lost, lost.paid, lost.roles) == (9, 0, ())


@pytest.mark.case("E11")
@pytest.mark.parametrize("kind", [K.LOCK, K.UNLOCK, K.DEPOSIT, K.WITHDRAWAL, K.SENT, K.RECEIVED])
def test_stake_that_is_moved_is_neither_earned_nor_lost(kind):
    assert judge(ME, [moved(kind)], {}, TIMES) == []


@pytest.mark.case("E11")
def test_gas_is_the_senders_and_a_tasks_where_it_is_about_one():
    other = TxHash(bytes([5] * 32))
    paid = {**TIMES, other: Payment(OTHER, Gas(1), Wei(1), UnixSeconds(1))}
    (entry,) = gas_entries(ME, paid, {TX: {TASK}})
    assert (entry.gas, entry.task_id) == (30, TASK)
    (entry,) = gas_entries(ME, paid, {TX: {TASK, TaskId(bytes(32))}})
    assert entry.task_id is None


AMOUNTS = st.integers(0, 10**18).map(NanoRlc)
ENTRIES = st.builds(
    EarningEntry,
    at=st.integers(0, 5 * DAY).map(UnixSeconds),
    tx_hash=st.just(TX),
    task_id=st.none() | st.integers(0, 3).map(lambda n: TaskId(bytes([n] * 32))),
    roles=st.sampled_from([(), (R.WORKER,), (R.REQUESTER,)]),
    earned=AMOUNTS,
    lost=AMOUNTS,
    paid=AMOUNTS,
    gas=AMOUNTS.map(Wei),
)


@pytest.mark.case("E11")
@given(st.lists(ENTRIES))
def test_days_and_tasks_add_up_to_the_whole(entries):
    whole = sum_up(entries)
    for groups in (by_day(entries), by_task(entries)):
        for name in ("earned", "lost", "paid", "gas"):
            assert sum(getattr(each, name) for each in groups.values()) == getattr(whole, name)
    assert list(by_day(entries)) == sorted(by_day(entries), reverse=True)
    assert all(midnight % DAY == 0 for midnight in by_day(entries))


MOVES = st.builds(
    Movement,
    kind=st.sampled_from(K),
    amount=AMOUNTS,
    block=st.just(BlockNumber(0)),
    tx_hash=st.just(TX),
    log_index=st.just(0),
)


@given(st.lists(MOVES))
def test_only_money_from_outside_changes_the_whole_of_an_account(moves):
    own = [each for each in moves if each.kind in (K.LOCK, K.UNLOCK)]
    assert change_of_stake(own) == -change_of_locked(own)
    assert change_of_stake(moves) + change_of_locked(moves) == sum(
        each.amount * {K.DEPOSIT: 1, K.REWARD: 1, K.RECEIVED: 1}.get(each.kind, -1)
        for each in moves
        if each.kind not in (K.LOCK, K.UNLOCK)
    )
