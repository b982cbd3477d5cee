"""What a pool's owner must see at once, and what it need not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.domain.pool_alerts import (
    ENOUGH_JUDGED,
    FEW_DAYS,
    LITTLE_DISK,
    LONG_WAIT,
    STUCK_AFTER,
    VERY_LONG_WAIT,
    AlertName,
    AlertWeight,
    PoolFigures,
    gas_lasts,
    pool_alerts,
)
from poolhand.domain.units import DAY, NanoRlc, Seconds, Wei

WELL = PoolFigures(
    gas_days=float(FEW_DAYS), workers=1, open_tasks=1, waits=Seconds(LONG_WAIT - 1),
    judged=ENOUGH_JUDGED, failed=ENOUGH_JUDGED // 10, transaction=Seconds(STUCK_AFTER - 1),
    disk=LITTLE_DISK,
)  # fmt: skip
ILL = {
    AlertName.CHAIN_AWAY: {"chain": "no node answers"},
    AlertName.OUT_OF_GAS: {"gas_missing": Wei(10**15)},
    AlertName.GAS_SOON_OUT: {"gas_days": FEW_DAYS - 0.1},
    AlertName.STAKE_TOO_LOW: {"stake_missing": NanoRlc(5 * 10**8)},
    AlertName.NO_WORKERS: {"workers": 0},
    AlertName.QUEUE_GROWS: {"waits": LONG_WAIT},
    AlertName.REPLICATES_FAIL: {"failed": ENOUGH_JUDGED // 10 + 1},
    AlertName.TRANSACTION_STUCK: {"transaction": STUCK_AFTER},
    AlertName.DISK_FULL: {"disk": LITTLE_DISK - 1},
}


def names(figures):
    return [each.name for each in pool_alerts(figures)]


def test_where_all_is_well_nothing_is_told():
    assert names(WELL) == []
    assert names(PoolFigures(workers=1)) == []


def test_every_alert_is_tried_here():
    assert ILL.keys() == set(AlertName)


@pytest.mark.parametrize("name", ILL)
def test_one_thing_that_is_wrong_is_told_with_what_would_change_it(name):
    (found,) = pool_alerts(replace(WELL, **ILL[name]))
    assert found.name is name
    assert found.sentence
    assert found.change


def test_the_worst_comes_first():
    found = pool_alerts(replace(WELL, waits=LONG_WAIT, workers=0, chain="no node answers"))
    weights = [each.weight for each in found]
    assert weights == sorted(weights, key=list(AlertWeight).index)
    assert found[0].name is AlertName.CHAIN_AWAY


def test_a_pool_without_gas_is_not_told_how_long_it_lasts():
    assert names(replace(WELL, gas_message="the wallet is empty", gas_days=0.0)) == ["out-of-gas"]


def test_nobody_is_told_to_send_coin_where_it_is_the_price_cap_that_is_too_low():
    (found,) = pool_alerts(replace(WELL, gas_message="gas price cap 1 gwei is under the chain's"))
    assert "coin" not in found.change
    (found,) = pool_alerts(replace(WELL, gas_message="the cap", gas_missing=Wei(10**18)))
    assert found.change.startswith("send 1 coins")


def test_a_task_of_a_long_bag_may_wait_for_its_turn_while_all_slots_compute():
    waits = replace(WELL, waits=LONG_WAIT, has_room=False)
    assert names(waits) == []
    assert names(replace(waits, waits=VERY_LONG_WAIT)) == ["queue-grows"]


def test_few_replicates_say_nothing_about_workers():
    assert names(replace(WELL, judged=ENOUGH_JUDGED - 1, failed=ENOUGH_JUDGED - 1)) == []


def test_gas_lasts_as_long_as_the_pace_tells():
    assert gas_lasts(Wei(10**18), Wei(10**17), Seconds(DAY)) == 10.0
    for unknown in (
        (None, Wei(1), Seconds(DAY)),
        (Wei(1), Wei(0), Seconds(DAY)),
        (Wei(1), Wei(1), Seconds(9)),
    ):
        assert gas_lasts(*unknown) is None
