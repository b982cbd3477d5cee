"""What a pool cannot do to whoever joins it: nothing is made or paid where it is not what it says."""

from __future__ import annotations

from functools import partial

import pytest
from join_answers import answering, pool_answers

from poolhand.domain.ids import Address
from poolhand.keys.wallet import Wallet
from poolhand.settings.chains import KNOWN_CHAINS

STRANGER = Wallet.from_key(bytes([0x66] * 32))
OTHER = Address(b"\x09" * 20)


@pytest.fixture
def pool(cli, monkeypatch, tmp_path):
    """Give what the pool answers, to be changed; `join` then asks it."""
    monkeypatch.setenv("POOLHAND_JOIN_HOME", str(tmp_path / "computer"))

    def join(told):
        with answering(told) as url:
            ran = cli("join", url, "--yes", "--json")
        assert not (tmp_path / "computer").exists()
        return ran

    return partial(pool_answers, cli.market), join


def test_files_that_the_owner_did_not_sign_are_refused(pool):
    answers, join = pool
    told = answers()
    told["/join/manifest.json"]["wheel"]["sha256"] = "00" * 32
    ran = join(told)
    assert (ran.code, ran.error["code"]) == (3, "not-the-owners-files")
    assert "tell the pool's owner" in ran.error["message"]


def test_files_that_a_stranger_signed_for_anothers_pool_are_refused(pool):
    answers, join = pool
    ran = join(answers(owner=STRANGER))
    assert (ran.code, ran.error["code"]) == (2, "not-that-pool")
    assert "the chain says that workerpool" in ran.error["message"]


def test_a_pool_that_says_two_things_is_refused(pool):
    answers, join = pool
    told = answers()
    told["/v1/config"]["hub"] = str(OTHER)
    ran = join(told)
    assert (ran.code, ran.error["code"]) == (2, "not-that-pool")


@pytest.mark.parametrize("chain", KNOWN_CHAINS)
@pytest.mark.parametrize("own", ["", "http://127.0.0.1:8545", "https://mine.example"])
@pytest.mark.parametrize("told", ["", "http://10.0.0.7:8545", "https://node.example"])
def test_another_hub_on_a_chain_with_a_name_is_refused_wherever_nodes_are(
    pool, cli, monkeypatch, chain, own, told
):
    answers, join = pool
    monkeypatch.setenv("POOLHAND_RPC", own)
    ran = join(answers(chain_id=KNOWN_CHAINS[chain].chain_id, rpc=told))
    assert (ran.code, ran.error["code"]) == (2, "not-that-pool")
    assert "its money is not iExec's" in ran.error["message"]
    assert not cli.settings


@pytest.mark.parametrize("chain_id", [0, -1, 2**256])
def test_a_pool_on_no_chain_is_not_looked_for_on_whichever_a_node_is_of(
    pool, cli, monkeypatch, chain_id
):
    answers, join = pool
    monkeypatch.setenv("POOLHAND_RPC", "https://mine.example")
    told = answers()
    for each in told.values():
        each["chain_id"] = chain_id
    ran = join(told)
    assert (ran.code, ran.error["code"]) == (3, "malformed")
    assert "chain_id" in ran.error["message"]
    assert not cli.settings


def test_a_node_of_ones_own_serves_a_pool_on_a_chain_whose_coin_is_rlc(pool, cli, monkeypatch):
    answers, join = pool
    native = KNOWN_CHAINS["bellecour"]
    monkeypatch.setenv("POOLHAND_RPC", "http://127.0.0.1:8545")
    told = answers(owner=STRANGER, chain_id=native.chain_id, hub=native.hub, rpc="")
    assert join(told).error["code"] == "not-that-pool"
    asked = cli.settings[-1].chain
    assert (asked.rpc_urls, asked.native) == (("http://127.0.0.1:8545",), True)


def test_a_devnet_that_is_like_a_public_chain_is_asked_itself(pool, cli, monkeypatch):
    answers, join = pool
    alike = KNOWN_CHAINS["arbitrum-sepolia"]
    told = answers(owner=STRANGER, chain_id=alike.chain_id, hub=alike.hub)
    monkeypatch.setenv("POOLHAND_CHAIN", "bellecour")
    assert join(told).error["code"] == "not-that-pool"
    asked = cli.settings[-1].chain
    assert (asked.rpc_urls, asked.hub) == (("http://chain.test",), alike.hub)
    assert asked.chain_id == alike.chain_id


@pytest.mark.parametrize("node", ["", "https://node.example"])
def test_a_public_chain_is_asked_by_a_node_that_no_pool_names(pool, cli, node):
    answers, join = pool
    public = KNOWN_CHAINS["arbitrum-sepolia"]
    told = answers(owner=STRANGER, chain_id=public.chain_id, hub=public.hub, rpc=node)
    assert join(told).error["code"] == "not-that-pool"
    assert cli.settings[-1].chain.rpc_urls == public.rpc_urls


@pytest.mark.parametrize(
    ("node", "warned"), [("https://node.example", True), ("http://127.0.0.1:8545", False)]
)
def test_of_a_chain_without_a_name_it_is_said_who_vouches_for_its_money(pool, node, warned):
    answers, join = pool
    ran = join(answers(owner=STRANGER, rpc=node))
    assert ran.error["code"] == "not-that-pool"
    assert ("only this pool says" in ran.err) is warned


@pytest.mark.parametrize("node", ["http://[", "https://a.test:b", "https://a.test:99999", "//"])
def test_a_node_that_is_no_url_is_told_and_ends_nothing_else(pool, node):
    answers, join = pool
    ran = join(answers(rpc=node))
    assert ran.code in (2, 3, 4)
    assert "bug" not in ran.error["message"]


def test_a_chain_without_a_name_needs_a_node(pool):
    answers, join = pool
    ran = join(answers(rpc=""))
    assert (ran.code, ran.error["code"]) == (2, "no-node-known")
    assert "--rpc URL" in ran.error["message"]


def test_a_pool_of_an_older_version_is_told(pool):
    answers, join = pool
    ran = join({"/v1/config": answers()["/v1/config"]})
    assert ran.code == 2
    assert "its owner must install a newer version" in ran.error["message"]
