"""Results elsewhere, and for their beneficiary alone: fetched and opened by iExec's SDK and by us."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from e2e_world import Network
from sdk_story import result_of
from test_sdk_buying import download, run

from ipfs_memory import served_node
from s3_server import s3_server

SMALL = "--width 8 --height 8 --iterations 10"


@contextmanager
def results_kept(network: Network, folder: Path, *flags: str) -> Iterator[Path]:
    """Have the devnet's results service keep results elsewhere while the block runs."""
    before = network.end("results")
    there = ("--folder", str(folder / "records"), *flags)
    network.start("results", replace(before, command=(*before.command, *there)))
    try:
        yield folder / "records"
    finally:
        network.end("results")
        network.start("results", before)


def fetched_by_both(trade) -> str:
    """Buy a task, and have the SDK and us fetch its result; returns where its link says it is."""
    bought = run(trade, "--args", "far away", "--trust", "1", "--watch")
    (task,) = bought["tasks"]
    name = f"far-{task['taskid'][:8]}.zip"
    shown = trade.buyer.ok("task", "show", task["taskid"], "--download", name)["task"]
    assert (shown["statusName"], shown["results"]["storage"]) == ("COMPLETED", "ipfs")
    theirs = trade.buyer.folder / name
    assert result_of(theirs) == {"args": ["far", "away"], "read": []}
    ours = download(trade, task["taskid"], f"ours-{name}")
    assert ours.read_bytes() == theirs.read_bytes()
    return shown["results"]["location"]


@pytest.mark.iexec("task show")
def test_a_result_in_a_bucket_is_fetched_by_the_link_on_chain(trades, tmp_path):
    network = trades.by_generation["9"].network
    with s3_server() as server:
        flags = ("--storage", server.url("e2e"), "--storage-credentials")
        with results_kept(network, tmp_path, *flags, server.credentials(tmp_path)) as records:
            assert fetched_by_both(trades.by_generation["9"]).startswith(network.info.results_url)
            assert list(records.glob("0x*/*.json"))
            assert not list(records.glob("0x*/*.zip"))
        said = (network.home / "logs" / "results.log").read_text()
        assert server.secret not in said


@pytest.mark.iexec("task show")
def test_a_result_in_ipfs_is_fetched_through_the_gateway_of_the_results_service(trades, tmp_path):
    """The node is one in memory behind a real line: no registry has Kubo's program."""
    network = trades.by_generation["9"].network
    with (
        served_node() as (node, url),
        results_kept(network, tmp_path, "--storage", f"ipfs+{url}"),
    ):
        for trade in trades.by_generation.values():
            location = fetched_by_both(trade)
            assert location.startswith("/ipfs/Qm")
            assert location.removeprefix("/ipfs/") in node.held()


@pytest.mark.iexec("result generate-encryption-keypair", "result push-encryption-key")
@pytest.mark.iexec("result check-encryption-key", "app run", "task show")
def test_a_result_is_encrypted_to_the_key_that_the_sdk_pushed(trades):
    def check(trade):
        buyer = trade.buyer
        terms = ("--args", "for me alone", "--trust", "1", "--encrypt-result")
        assert "key is not set" in run_refused(trade, *terms)
        buyer.ok("result", "generate-encryption-keypair", "--force")
        assert buyer.ok("result", "push-encryption-key")["isPushed"]
        assert buyer.ok("result", "check-encryption-key")["isEncryptionKeySet"]
        (task,) = run(trade, *terms, "--watch")["tasks"]
        assert task["statusName"] == "COMPLETED"
        words = ("task", "show", task["taskid"], "--download", "mine.zip", "--decrypt")
        assert buyer.ok(*words)["task"]["statusName"] == "COMPLETED"
        assert result_of(buyer.folder / "mine.zip") == {"args": ["for", "me", "alone"], "read": []}
        ours = download(trade, task["taskid"], "hidden")
        with zipfile.ZipFile(ours) as hidden:
            assert "result.json" not in hidden.namelist()
        key = next((buyer.folder / ".secrets" / "beneficiary").glob("*_key"))
        opened = trade.network.ok("results", "decrypt", str(ours), "--key", str(key))
        assert result_of(Path(opened["result_path"])) == result_of(buyer.folder / "mine.zip")
        assert opened["result_digest"]

    trades.each(check)


def run_refused(trade, *terms: str) -> str:
    pool = ("--workerpool", trade.network.info.workerpool)
    return trade.buyer.refused("app", "run", trade.app.address, *pool, "--force", *terms)


def test_a_result_is_encrypted_to_our_own_key(trades, tmp_path):
    network = trades.by_generation["9"].network
    key = str(tmp_path / "key.pem")
    bought = ("run", network.image("fractal"), "--args", SMALL, "--encrypt", "--as", "requester")
    refused = network.cli(*bought, "--json")
    assert refused.error["code"] == "no-key-for-results"
    assert "push-key" in refused.error["message"]
    made = network.ok("results", "keypair", "--key", key)
    assert Path(made["private_key"]).stat().st_mode & 0o077 == 0
    assert network.cli("results", "keypair", "--key", key).code == 2
    network.ok("results", "push-key", "--key", key, "--as", "requester")
    network.ok(*bought, "--download", str(tmp_path / "got"))
    (archive,) = (tmp_path / "got").rglob("*.zip")
    opened = network.ok("results", "decrypt", str(archive), "--key", key)
    with zipfile.ZipFile(opened["result_path"]) as clear:
        assert json.loads(clear.read("computed.json"))
    assert opened["result_digest"] == f"0x{archive_digest(archive)}"


def archive_digest(archive: Path) -> str:
    """Return the digest that an encrypted archive tells, which the download compared."""
    with zipfile.ZipFile(archive) as hidden:
        return json.loads(hidden.read("computed.json"))["result-digest"].removeprefix("0x")
