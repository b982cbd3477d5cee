"""Flags come before the environment also where several settings decide one thing together."""

import pytest

from poolhand.devnet.likeness import LIKENESSES
from poolhand.domain.units import Wei
from poolhand.settings import pool, results, worker
from poolhand.settings.chains import (
    KNOWN_CHAINS,
    LEAST_CAP,
    chain_options,
    chain_settings,
    public_chain,
)
from poolhand.settings.load import BadSetting, Rank, load
from poolhand.settings.requester import REQUESTER_OPTIONS

MINE = "0x" + "5f" * 20
ARBITRUM, SEPOLIA = KNOWN_CHAINS["arbitrum"], KNOWN_CHAINS["arbitrum-sepolia"]


def chain(flags=None, environ=None):
    return chain_settings(load(chain_options(), flags or {}, environ or {}))


@pytest.mark.case("E18")
def test_a_hub_in_the_environment_is_no_hub_of_the_chain_that_a_flag_names():
    other = {"POOLHAND_HUB": MINE, "POOLHAND_CHAIN_ID": "31337"}
    found = chain({"chain": "arbitrum"}, other)
    assert (found.hub, found.chain_id) == (ARBITRUM.hub, ARBITRUM.chain_id)
    assert chain({"chain": "arbitrum"}, {"POOLHAND_CHAIN": "bellecour"}) == ARBITRUM


@pytest.mark.case("E18")
def test_a_hub_by_flag_is_on_no_chain_that_the_environment_names():
    found = chain({"hub": MINE, "rpc": "http://a"}, {"POOLHAND_CHAIN": "bellecour"})
    assert (str(found.hub).lower(), found.chain_id, found.native) == (MINE, None, False)


def test_an_endpoint_of_ones_own_serves_a_chain_by_name():
    found = chain({"chain": "arbitrum-sepolia"}, {"POOLHAND_RPC": "https://mine.example"})
    assert found.rpc_urls == ("https://mine.example",)
    assert (found.hub, found.chain_id) == (SEPOLIA.hub, SEPOLIA.chain_id)


def test_a_hub_and_a_chain_that_are_named_alike_complete_each_other():
    found = chain({}, {"POOLHAND_CHAIN": "bellecour", "POOLHAND_HUB": MINE})
    assert (str(found.hub).lower(), found.chain_id) == (MINE, 134)


@pytest.mark.case("E19")
@pytest.mark.parametrize(
    "options",
    [worker.WORKER_OPTIONS, pool.POOL_OPTIONS, results.RESULTS_OPTIONS, REQUESTER_OPTIONS],
)
def test_every_program_knows_the_endpoint_under_the_same_name(options):
    given = {"POOLHAND_RPC": "http://a", "POOL_ADDRESS": MINE}
    assert load(options, {}, given)["rpc"] == ("http://a",)


def test_iexecs_own_name_of_a_setting_comes_before_ours():
    given = {
        "POOLHAND_RPC": "http://a",
        "IEXEC_BLOCKCHAIN_NODE_ADDRESS": "http://b",
    }
    assert chain({"hub": MINE}, given).rpc_urls == ("http://b",)


@pytest.mark.case("E10")
@pytest.mark.parametrize(
    ("text", "wei"),
    [("22gwei", 22 * 10**9), ("22000000000", 22 * 10**9), ("0.02 gwei", 2 * 10**7)],
)
def test_a_gas_price_cap_is_typed_as_people_do(text, wei):
    assert chain({"chain": "arbitrum", "gas-price-cap": text}).gas_price_cap == Wei(wei)
    assert chain({"chain": "arbitrum"}, {"IEXEC_GAS_PRICE_CAP": text}).gas_price_cap == wei


@pytest.mark.case("E10")
@pytest.mark.parametrize("text", ["1", "22", "1wei", str(LEAST_CAP - 1)])
def test_a_cap_that_pays_for_nothing_is_refused_with_the_unit_that_was_meant(text):
    with pytest.raises(BadSetting, match=r"gas-price-cap .*write gwei where you mean gwei"):
        chain({"chain": "arbitrum", "gas-price-cap": text})


@pytest.mark.parametrize("text", ["1.5", "22 RLC", "much", "-1"])
def test_a_cap_that_is_no_price_is_refused_with_an_example(text):
    with pytest.raises(BadSetting, match=r"gas-price-cap .*'22gwei'"):
        chain({"chain": "arbitrum", "gas-price-cap": text})


def test_prices_are_typed_as_people_do():
    given = {"pool-address": MINE, "prices": "0=0.3RLC,1=300000000nRLC"}
    assert load(pool.POOL_OPTIONS, given, {})["prices"] == {0: 3 * 10**8, 1: 3 * 10**8}


def test_what_a_program_decides_itself_is_the_strongest_and_a_secret_stays_one():
    found = load(worker.WORKER_OPTIONS, {"pool-address": MINE}, {})
    decided = found.decided("wallet", "/w", "folder").decided("wallet-password", "sesame", "told")
    assert (decided["wallet"], decided.rank("wallet")) == ("/w", Rank.DECIDED)
    assert found["wallet"] == ""
    assert "sesame" not in str([row.shown for row in decided.rows()])


@pytest.mark.parametrize("word", ["true", "YES", "1", "on"])
@pytest.mark.case("E19")
def test_a_switch_is_turned_on_by_any_usual_word(word):
    for environ, flags in (({"POOLHAND_ALLOW_PRIVATE": word}, {}), ({}, {"allow-private": word})):
        found = load(worker.WORKER_OPTIONS, {"pool-address": MINE, **flags}, environ)
        assert found["allow-private"] is True


@pytest.mark.parametrize("word", ["false", "no", "0", "Off"])
@pytest.mark.case("E19")
def test_a_switch_is_turned_off_by_any_usual_word(word):
    found = load(pool.POOL_OPTIONS, {"pool-address": MINE, "quick-finish": word}, {})
    assert found["quick-finish"] is False


@pytest.mark.parametrize("port", ["-1", "65536", "80000"])
def test_a_port_that_is_none_is_refused_when_it_is_read(port):
    for options, key in ((worker.WORKER_OPTIONS, "status-port"), (pool.POOL_OPTIONS, "port")):
        with pytest.raises(BadSetting, match=rf"{key} \(flag --{key}\): '{port}' is not valid"):
            load(options, {"pool-address": MINE, key: port}, {})


NATIVE = [name for name, each in KNOWN_CHAINS.items() if each.native]
NEAR = ("ws://127.0.0.1:8545", "http://10.0.0.7:8545")


@pytest.mark.parametrize("name", KNOWN_CHAINS)
@pytest.mark.parametrize(
    "nodes",
    [
        (),
        ("https://node.example/key",),
        ("ws://127.0.0.1:8545", "https://node.example"),
        ("http://[::1",),
    ],
)
def test_a_chain_with_a_node_that_is_not_near_is_the_public_one(name, nodes):
    assert public_chain(KNOWN_CHAINS[name].chain_id, nodes) == name
    assert public_chain(31337, nodes) is None


@pytest.mark.parametrize("name", sorted(set(KNOWN_CHAINS) - set(NATIVE)))
def test_a_chain_whose_nodes_are_all_near_is_not_taken_for_a_public_one(name):
    assert public_chain(KNOWN_CHAINS[name].chain_id, NEAR) is None


@pytest.mark.parametrize("name", NATIVE)
def test_a_chain_that_no_devnet_can_be_like_is_the_public_one_by_near_nodes_too(name):
    assert name not in LIKENESSES
    assert public_chain(KNOWN_CHAINS[name].chain_id, NEAR) == name
