"""iExec's SDK 9.0.1 from npm, unmodified, sells and buys confidential tasks, *simulated* ones."""

from __future__ import annotations

import asyncio
import base64

import pytest
from enclave_world import enclave_of, written
from sdk_confidential import ConfidentialTrade
from sdk_project import HERE
from sdk_story import key_in, result_of
from sdk_trade import KEEPS_TASK, address_of, ask, await_pool

from poolhand.domain.ids import Address, TaskId

TAG = ("--tag", "tee,tdx")


@pytest.fixture(scope="module")
def trade(enclaves, tmp_path_factory):
    """Whoever sells and buys; all that is for sale is published, and every secret is pushed."""
    return ConfidentialTrade(enclaves, tmp_path_factory.mktemp("sdk-confidential"))


@pytest.mark.iexec("app run", "task show", "result decrypt", "task debug")
@pytest.mark.iexec("result generate-encryption-keypair", "result push-encryption-key")
def test_secrets_are_read_in_an_enclave_and_in_the_result_by_its_beneficiary_alone(trade):
    network, buyer, sold, hidden = trade.network, trade.buyer, trade.sold, trade.hidden
    trade.has_result_key()
    words = (sold["app"], *TAG, "--dataset", sold["datasets"][0], "--secret", "1=door", "--force")
    told = buyer.refused("app", "run", *words)
    assert told == "No workerpoolorder matching your conditions currently available"

    words += ("--workerpool", network.info.workerpool, "--args", "one two")
    (seen,) = buyer.ok("app", "run", *words, "--encrypt-result", "--watch")["tasks"]
    assert (seen["statusName"], seen["results"]["storage"]) == ("COMPLETED", "ipfs")
    task, (worker,) = TaskId.parse(seen["taskid"]), seen["contributors"]
    assert not asyncio.run(enclave_of(network, task, Address.parse(worker))).is_zero

    buyer.ok("task", "show", str(task), "--download", "shut.zip")
    shut = (buyer.folder / "shut.zip").read_bytes()
    buyer.ok("result", "decrypt", "shut.zip")
    assert result_of(buyer.folder / "results.zip") == {
        "args": ["one", "two"],
        "files": {sold["datasets"][0].lower(): hidden.texts[0]},
        "app": hidden.app,
        "requester": hidden.requester,
        "slice": None,
    }

    await_pool(trade, str(task))
    told = buyer.ok("task", "debug", str(task), "--logs")
    assert told["offchainData"]["task"]["status"] == "COMPLETED"
    (done,) = [each for each in told["offchainData"]["replicates"] if each["exitCode"] == 0]
    said = {"worker": done["worker"], "stdout": "read 1 files; one two\n", "stderr": ""}
    assert told["appLogs"] == [said]

    secrets = [each.encode() for each in (*hidden.texts, hidden.app, hidden.requester)]
    secrets += [each.encode() for each in sold["keys"]]
    found = [str(path) for path, raw in written(network) if any(each in raw for each in secrets)]
    assert (found, [each for each in secrets if each in shut]) == ([], [])


def test_a_bulk_is_brought_slice_by_slice_but_for_what_may_not_be_used(trade):
    info, buyer, sold, hidden = trade.network.info, trade.buyer, trade.sold, trade.hidden
    trade.has_result_key()
    known = address_of(buyer)
    key = buyer.folder / ".secrets" / "beneficiary" / f"{known}_key"
    told = trade.library(
        HERE / "bulk.mjs",
        host=info.rpc_url,
        hub=info.hub,
        market=info.market_url,
        sms=info.sms_url,
        files=info.files_url,
        seller=trade.seller_key,
        buyer=key_in(buyer),
        pool=info.workerpool,
        app=sold["app"],
        appOrder=sold["appOrder"],
        datasets=[*sold["datasets"], sold["datasets"][0]],
        key=key.read_text(encoding="utf-8"),
    )
    assert told["volume"] == 2
    results = [result_of(base64.b64decode(each)) for each in told["results"]]
    names = [each.lower() for each in sold["datasets"]]
    assert [each["files"] for each in results] == [
        {names[0]: hidden.texts[0], names[1]: hidden.texts[1]},
        {names[2]: hidden.texts[2]},
    ]
    assert [each["slice"] for each in results] == ["2", "2"]


@pytest.mark.iexec("app run")
def test_a_confidential_result_is_told_to_a_contract(trade):
    receiver = "0x" + "ca119".rjust(40, "0")
    ask(trade, "anvil_setCode", receiver, KEEPS_TASK)
    words = (trade.sold["app"], *TAG, "--workerpool", trade.network.info.workerpool, "--force")
    words += ("--args", "--callback 0xbeef", "--callback", receiver, "--watch")
    (task,) = trade.buyer.ok("app", "run", *words)["tasks"]
    assert (task["statusName"], task["resultsCallback"]) == ("COMPLETED", "0xbeef")
    assert ask(trade, "eth_getStorageAt", receiver, "0x0", "latest") == task["taskid"]


@pytest.mark.iexec("app request-execution", "deal show")
def test_a_published_request_that_names_the_pool_is_served(trade):
    buyer, sold, pool = trade.buyer, trade.sold, trade.network.info.workerpool
    words = (sold["app"], *TAG, "--workerpool", pool, "--workerpool-price", str(10**9), "--force")
    order = buyer.ok("app", "request-execution", *words)["orderHash"]
    trade.await_order("request", order, "filled")
    told = buyer.ok("order", "show", "--request", order, "--deals")["requestorder"]
    (deal,) = told["deals"]["lastDeals"]
    (task,) = buyer.ok("deal", "show", deal["dealid"], "--watch")["tasks"]
    assert task["statusName"] == "COMPLETED"
