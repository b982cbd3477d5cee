"""Chain, pool, clock and ways out judged: who answers, of which time, and what is not reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.doctor.network import (
    PoolClaims,
    PublicHub,
    judge_clock,
    judge_hub,
    judge_node,
    judge_pool,
    judge_port,
    judge_proxy,
    judge_registry,
    judge_settings,
)
from poolhand.domain.ids import Address
from poolhand.domain.units import BlockNumber, UnixSeconds

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
UNKNOWN = CheckOutcome.UNKNOWN
NOW = UnixSeconds(1_700_000_000)
HUB, POOL, OWNER, OTHER = (Address(bytes([each] * 20)) for each in (1, 2, 3, 4))
MINE = PoolClaims(134, HUB, POOL, OWNER)
URL = "https://pool.example"


@pytest.mark.mistake("node-behind")
@pytest.mark.parametrize(("age", "outcome"), [(0, PASS), (120, PASS), (121, FAIL), (-5, PASS)])
def test_a_node_is_at_the_head_while_its_block_is_two_minutes_old_at_most(age, outcome):
    assert judge_node(BlockNumber(9), UnixSeconds(NOW - age), NOW, 134).outcome is outcome


@pytest.mark.mistake("wrong-hub")
@pytest.mark.parametrize("is_near", [True, False])
def test_on_a_public_chain_there_is_one_hub_wherever_nodes_are(is_near):
    public = PublicHub("arbitrum", HUB)
    assert judge_hub(42161, HUB, public, is_near=is_near).outcome is PASS
    found = judge_hub(42161, OTHER, public, is_near=is_near)
    assert (found.outcome, str(HUB) in found.found, str(OTHER) in found.found) == (FAIL, True, True)
    assert "deposit nothing there" in found.fix


@pytest.mark.mistake("unknown-chain")
def test_who_vouches_for_a_chain_that_nobody_knows_is_told_unless_it_is_ones_own():
    assert judge_hub(4242, HUB, None, is_near=True).outcome is PASS
    found = judge_hub(4242, HUB, None, is_near=False)
    assert (found.outcome, "only whoever named it says" in found.found) == (WARN, True)


@pytest.mark.mistake("clock-off")
@pytest.mark.parametrize(
    ("pool", "block", "outcome", "word"),
    [
        (NOW - 3_600, None, FAIL, "1 hour ahead of the pool's"),
        (NOW + 3_600, NOW, FAIL, "1 hour behind the pool's"),
        (NOW + 30, NOW - 9_999, PASS, ""),
        (NOW + 31, NOW, FAIL, "31 seconds behind"),
        (None, NOW + 3_600, FAIL, "1 hour behind the newest block's"),
        (None, NOW + 30, PASS, ""),
        (None, NOW - 120, PASS, ""),
        (None, NOW - 3_600, UNKNOWN, "or the node"),
        (None, None, UNKNOWN, ""),
    ],
)
def test_a_clock_that_is_off_is_told_by_the_pools_else_by_the_chains(pool, block, outcome, word):
    found = judge_clock(NOW, pool, block)
    assert found.outcome is outcome
    assert word in found.found


@pytest.mark.mistake("wrong-pool")
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("chain", {"chain_id": 1}),
        ("hub", {"hub": OTHER}),
        ("workerpool", {"workerpool": OTHER}),
        ("owner", {"owner": OTHER}),
    ],
)
def test_a_pool_that_is_another_is_named_by_what_differs(what, change):
    found = judge_pool(URL, replace(MINE, **change), MINE)
    assert found.outcome is FAIL
    assert f"says its {what} is " in found.found


def test_a_pool_is_the_right_one_by_all_that_is_known_and_not_by_plain_http():
    assert judge_pool(URL, MINE, MINE).outcome is PASS
    assert judge_pool(URL, MINE, replace(MINE, owner=None)).outcome is PASS
    assert judge_pool("http://127.0.0.1:9", MINE, MINE).outcome is PASS
    assert judge_pool("http://pool.example", MINE, MINE).outcome is WARN


@pytest.mark.mistake("not-invited")
def test_a_pool_that_lets_in_only_whom_it_names_says_whom_to_ask():
    found = judge_pool(URL, MINE, MINE, by_invitation=True)
    assert found.outcome is WARN
    assert str(MINE.owner) in found.fix
    assert judge_pool(URL, MINE, replace(MINE, chain_id=5), by_invitation=True).outcome is FAIL


@pytest.mark.mistake("no-internet")
def test_a_registry_that_is_out_of_reach_is_told():
    assert judge_registry("docker.io", "").outcome is PASS
    found = judge_registry("docker.io", "no route to host")
    assert (found.outcome, "no route to host" in found.found) == (WARN, True)


@pytest.mark.mistake("proxy-needed")
def test_a_proxy_is_missed_where_nothing_answers_and_told_where_one_is_named():
    assert judge_proxy((), ()).outcome is PASS
    needed = judge_proxy((), ("the pool", "the chain's node"))
    assert (needed.outcome, "HTTPS_PROXY" in needed.fix) == (WARN, True)
    named = judge_proxy(("HTTPS_PROXY",), ())
    assert (named.outcome, "HTTPS_PROXY" in named.found) == (WARN, True)


@pytest.mark.mistake("port-taken")
def test_a_port_is_free_taken_or_this_workers_own():
    taken = judge_port(13100, "port 13100 is taken: choose another", runs_here=False)
    assert (taken.outcome, taken.fix) == (FAIL, "choose another")
    assert judge_port(13100, "", runs_here=False).outcome is PASS
    assert judge_port(13100, "port 13100 is taken: x", runs_here=True).outcome is PASS


@pytest.mark.mistake("no-chain")
def test_settings_that_are_missing_come_first():
    found = judge_settings(("no chain: name one", "no pool: name it"), ("IEXEC_LAS_PORT",))
    assert (found.outcome, found.found, found.fix) == (FAIL, "no chain", "name one")
    assert judge_settings((), ("IEXEC_LAS_PORT",)).outcome is WARN
    assert judge_settings((), ()).outcome is PASS
