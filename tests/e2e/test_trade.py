"""Trade on a whole network: what is bought in the market, by whom it is matched, what is for sale.

The devnet's pool keeps itself for sale; who buys here knows no pool, or is told what the market has.
"""

from __future__ import annotations

import signal

import httpx
import pytest
from e2e_world import WEB, wait_until

SMALL = "--width 8 --height 8 --iterations 10"
CATEGORY = 2
"""Other tests publish orders of this pool by hand, cheaper, in category 0."""
PRICE = "12 RLC"
pytestmark = pytest.mark.timeout(200)


def orders(network) -> list[dict]:
    """The orders of the category that the pool has signed for its market."""
    told = network.ok("pool", "orders")["orders"]
    return [each for each in told if each["category"] == CATEGORY]


def shown(network) -> set[str]:
    """Those of them that are valid and that the market itself shows."""
    return listed(network) & {each["order_hash"] for each in orders(network)}


def listed(network) -> set[str]:
    """Every order of a pool that the market shows."""
    found = network.ok("market", "orders", "pool", "--category", str(CATEGORY), "--limit", "1000")
    return {each["hash"] for each in found["orders"]}


def drain(network) -> dict:
    """How the pool's drain stands."""
    return dict(WEB.get(f"{network.info.pool_url}/v1/drain").json())


@pytest.fixture
def stranger(network, tmp_path):
    """Somebody who knows the chain and the market, and no pool."""
    info, account = network.info, network.info.accounts["requester"]
    return {
        "POOLHAND_HOME": str(tmp_path / "elsewhere"),
        "POOLHAND_RPC": info.rpc_url,
        "POOLHAND_HUB": info.hub,
        "POOLHAND_MARKET_URL": info.market_url,
        "POOLHAND_WALLET": account.keystore,
        "POOLHAND_WALLET_PASSWORD_FILE": account.password_file,
        "POOLHAND_LOCKS": str(network.home / "locks"),
        "POOLHAND_STATE": str(tmp_path / "state"),
    }


def test_a_stranger_to_the_pool_buys_in_the_market_and_is_told_why_nothing_fits(network, stranger):
    wait_until(lambda: shown(network))
    words = (
        "run",
        network.image("fractal"),
        "--args",
        SMALL,
        "--category",
        str(CATEGORY),
        "--json",
    )
    done = network.cli(*words, "--no-wait", **stranger)
    assert done.code == 0, done
    assert f"1 task(s) would cost {PRICE}" in done.err
    assert f"pool {network.info.workerpool} {PRICE}" in done.err
    (task_id,) = done.json["task_ids"]
    assert network.ok("task", "watch", task_id)["status"] == "COMPLETED"
    refused = network.cli(*words, "--trust", "1000", "--max-price", "0.5", **stranger)
    assert refused.error["code"] == "nothing-fits"
    told = refused.error["message"]
    assert f"pool {network.info.workerpool} at " in told
    assert "less trust than requested" in told
    assert "must raise --max-price" in told


@pytest.mark.parametrize("by", ["matcher", "pool"])
def test_a_request_without_coin_is_matched_by_the_devnets_matcher_or_the_pool_that_it_names(
    network, tmp_path, by
):
    wait_until(lambda: shown(network))
    app = network.ok("app", "deploy", network.image("fractal"))["address"]
    network.ok("app", "publish", app)
    file = tmp_path / "request.json"
    terms = ("--args", SMALL, "--pool-price", "1", "--output", str(file))
    named = ("--only-pool", network.info.workerpool) if by == "pool" else ()
    told = network.ok("order", "request", app, *terms, *named)
    (task_id,) = told["task_ids"]
    before = network.ok("account", "show")["coin_wei"]
    network.ok("order", "publish", str(file))
    wait_until(lambda: network.cli("task", "show", task_id, "--json").code == 0)
    assert network.ok("task", "watch", task_id)["status"] == "COMPLETED"
    assert network.ok("account", "show")["coin_wei"] == before
    assert sender_of(network, told["deal_id"]) == network.info.accounts[by].address.lower()


def sender_of(network, deal: str) -> str:
    """Who brought a deal onto the chain."""
    url = f"{network.info.market_url}/deals/{deal}"
    tx = WEB.get(url, params={"chainId": network.info.chain_id}).json()["transactionHash"]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionByHash", "params": [tx]}
    return str(WEB.post(network.info.rpc_url, json=asked).json()["result"]["from"])


def test_a_pool_is_renewed_before_it_is_sold_out_and_withdrawn_by_a_drain_and_at_its_end(network):
    known = wait_until(lambda: shown(network))
    tasks = str(max(each["remaining"] for each in orders(network) if each["for_sale"]) * 4 // 5)
    run = ("run", network.image("fractal"), "--args", SMALL, "--category", str(CATEGORY))
    hopeless = drain(network)["open_tasks"]  # of other tests, until their deadlines
    network.ok(*run, "--tasks", tasks)
    wait_until(lambda: shown(network) - known)
    renewed = {each["order_hash"] for each in orders(network) if each["remaining"]}
    assert network.ok("pool", "drain", "--as", "pool", "--no-wait")["draining"]
    wait_until(lambda: drain(network)["open_tasks"] <= hopeless and not drain(network)["shown"])
    assert shown(network) == set()
    refused = network.cli(*run, "--pool-url", network.info.pool_url, "--json")
    assert "drains" in refused.error["message"], refused
    program = network.end("pool", signal.SIGTERM)
    network.start("pool", program)
    assert wait_until(lambda: _standing(network))["draining"], "a restart remembers it"
    network.ok("pool", "resume", "--as", "pool")
    back = wait_until(lambda: shown(network) & renewed)  # the same orders are shown again
    network.end("pool", signal.SIGTERM)
    assert not listed(network) & renewed, "withdrawn at the stop"
    network.start("pool", program)
    assert wait_until(lambda: shown(network) & back)


def _standing(network) -> dict:
    """How the drain stands, as soon as the pool answers."""
    try:
        return drain(network)
    except httpx.HTTPError:
        return {}
