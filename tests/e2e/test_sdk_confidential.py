"""iExec's SDK 9.0.1 from npm, unmodified, sells and buys confidential tasks, *simulated* ones."""

from __future__ import annotations

import asyncio

import pytest
from enclave_world import enclave_of, written
from sdk_confidential import ConfidentialTrade
from sdk_story import result_of
from sdk_trade import await_pool

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
    buyer.ok("result", "generate-encryption-keypair", "--force")
    buyer.ok("result", "push-encryption-key")
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
