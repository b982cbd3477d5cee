"""The judge of the chaos runs finds every difference that is planted, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chaos.judge import Funds, Outcome, Shown, laws, verdict

GOOD = Outcome(
    flow="standard",
    chain_status="COMPLETED",
    digest="0xd1",
    consensus_is_digests=True,
    replicates={"worker-1": "COMPLETED"},
    funds={
        "requester": Funds(stake=-100),
        "worker-1": Funds(stake=99),
        "pool": Funds(stake=1),
    },
    mined={"pool:initialize": 1, "worker-1:contribute": 1},
    busy={"worker-1": 0},
    archive="a1",
)


def funds(**changed):
    return {name: changed.get(name.replace("-", "_"), each) for name, each in GOOD.funds.items()}


def test_equal_outcomes_are_good():
    assert verdict(GOOD, replace(GOOD), Shown()) == ()


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({"chain_status": "FAILED"}, "FAILED on chain"),
        ({"digest": "0xd2"}, "digest is '0xd2'"),
        ({"consensus_is_digests": False}, "not the hash of the digest"),
        ({"replicates": {"worker-1": "FAILED"}}, "replicates of worker-1: 'FAILED'"),
        ({"replicates": {}}, "replicates of worker-1: None"),
        ({"funds": funds(worker_1=Funds(stake=98))}, "-1 nRLC were made or lost"),
        ({"funds": funds(worker_1=Funds(stake=99, locked=30, wallet=-30))}, "stay locked"),
        ({"funds": funds(worker_1=Funds(-5), pool=Funds(105))}, "worker-1 lost 5 nRLC"),
        ({"funds": funds(worker_1=Funds(97), pool=Funds(3))}, "funds of worker-1"),
        ({"kitty": 7}, "+7 nRLC were made or lost"),
        ({"mined": {**GOOD.mined, "worker-1:contribute": 2}}, "contribute was mined 2 times"),
        ({"mined": {**GOOD.mined, "pool:reopen": 1}}, "mined of pool:reopen: 1"),
        ({"held": ("0xt",)}, "workers still hold 0xt"),
        ({"open_tasks": 1}, "1 tasks are open"),
        ({"busy": {"worker-1": 1}}, "1 slots of worker-1 are stuck"),
        ({"busy": {}}, "busy of worker-1: None"),
        ({"left": ("container c",)}, "left behind: container c"),
        ({"archive": "not to be had"}, "archive is 'not to be had'"),
        ({"flow": "contribute-and-finalize"}, "flow is"),
    ],
)
def test_a_planted_difference_is_found(planted, told):
    found = verdict(GOOD, replace(GOOD, **planted), Shown())
    assert any(told in line for line in found), found


def test_an_undisturbed_run_that_breaks_a_law_is_no_reference():
    assert tuple(laws(GOOD)) == ()
    assert tuple(laws(replace(GOOD, open_tasks=2, left=("folder f",)))) == (
        "2 tasks are open in the pool",
        "left behind: folder f",
    )


CAME_BACK = ("COMPUTING", "RECOVERING", "COMPUTING", "COMPLETED")
WENT_THROUGH = ("COMPUTING", "COMPLETED")
CLOSED = ("RESULT_UPLOADED", "WORKER_LOST", "COMPLETED")


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (Shown(due=True, journaled=True, history=CAME_BACK), ()),
        (Shown(due=True, journaled=True, history=CLOSED), ()),
        (Shown(due=False, journaled=False, history=WENT_THROUGH), ()),
        (Shown(due=True, journaled=True, history=WENT_THROUGH), ("pool shows no RECOVERING",)),
        (Shown(due=True, journaled=False, history=CAME_BACK), ("journal has no RECOVERING",)),
        (Shown(due=False, journaled=True, history=CAME_BACK), ("no worker was restarted",)),
    ],
)
def test_recovering_is_shown_exactly_when_a_worker_recovered(shown, told):
    found = verdict(GOOD, GOOD, shown)
    assert len(found) == len(told)
    assert all(part in line for part, line in zip(told, found, strict=True))
