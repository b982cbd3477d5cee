"""``poolhand demo --json`` says what issue 2 wants, and the chain agrees with every word."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_world import WEB

from poolhand.domain.computed import result_digest
from poolhand.domain.hashes import result_hash
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.requester.archive import digests

KEYS = {
    "task_id",
    "deal_id",
    "trust",
    "flow",
    "status",
    "replicates",
    "consensus",
    "result_digest",
    "result_path",
    "timeline",
}


@pytest.fixture(scope="module")
def demo():
    return {}


@pytest.fixture
def report(network, demo):
    if not demo:
        demo.update(network.ok("demo"))
    return demo


def test_the_object_is_the_one_that_was_promised(network, report):
    assert {"tasks", "balances", "rpc_url", "hub"} <= report.keys()
    assert (report["rpc_url"], report["hub"]) == (network.info.rpc_url, network.info.hub)
    for task in report["tasks"]:
        assert task.keys() >= KEYS
        assert task["status"] == "COMPLETED"
        assert task["timeline"]["seconds"] < 60
        assert {each["status"] for each in task["replicates"]} == {"COMPLETED"}
        assert all(each.keys() == {"worker", "status"} for each in task["replicates"])
    kinds = [(each["trust"], each["flow"], len(each["replicates"])) for each in report["tasks"]]
    assert kinds == [(10, "standard", 4), (1, "contribute-and-finalize", 1)]


async def test_the_chain_confirms_every_claim_about_the_tasks(network, report):
    async with network.chain() as chain:
        for task in report["tasks"]:
            task_id = TaskId.parse(task["task_id"])
            owners = network.owners.values()
            view = (await chain.hub.tasks({task_id: owners}))[task_id]
            deal = await chain.hub.deal(DealId.parse(task["deal_id"]))
            assert task_id in dict(deal.tasks()).values()
            assert (deal.trust, view.status) == (task["trust"], ChainTaskStatus.COMPLETED)
            assert str(view.consensus) == task["consensus"]
            assert str(view.digest) == task["result_digest"]
            assert result_hash(task_id, view.digest) == view.consensus
            replicas = {Address.parse(each["worker"]) for each in task["replicates"]}
            assert replicas == set(view.contributors)
            assert all(
                view.contributions[each].status is ContributionStatus.PROVED for each in replicas
            )


def test_every_task_was_bought_by_an_order_that_the_pool_had_for_sale_in_the_market(
    network, report
):
    """The pool signs others for who asks it; no market has those."""
    market, chain = network.info.market_url, {"chainId": network.info.chain_id}
    for task in report["tasks"]:
        deal = WEB.get(f"{market}/deals/{task['deal_id']}", params=chain).json()
        assert deal["workerpool"]["pointer"] == network.info.workerpool
        for sort in ("app", "workerpool"):
            told = WEB.get(f"{market}/{sort}orders/{deal[f'{sort}Hash']}", params=chain)
            is_published = told.status_code == 200
            assert is_published is (sort == "workerpool"), (sort, told.text)


async def test_the_balances_are_the_chains(network, report):
    async with network.chain() as chain:
        owners = network.owners
        inside = await chain.hub.accounts(owners.values())
        outside = await chain.hub.rlc_balances(owners.values())
    assert report["balances"].keys() == owners.keys()
    for name, told in report["balances"].items():
        account = inside[owners[name]]
        assert (told["stake"], told["locked"], told["wallet"]) == (
            account.stake,
            account.locked,
            outside[owners[name]],
        )
    changes = [each["change"] for each in report["balances"].values()]
    assert report["conserved"] is True
    assert sum(changes) + report["kitty"] == 0


def test_the_results_on_disk_are_those_the_workers_agreed_on(report):
    for task in report["tasks"]:
        computed, files = digests(Path(task["result_path"]))
        assert str(result_digest(computed, files, with_callback=False)) == task["result_digest"]
        folder = Path(task["result_folder"])
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == (
            files.keys()
        )
