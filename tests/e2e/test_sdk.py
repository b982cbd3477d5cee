"""A client that none of us wrote buys a computation: the iExec SDK 8.24.0, unmodified, from npm.

It signs the orders of app, pool and request itself, so no marketplace is needed: its wallet is
that of the pool's owner, which the pool uses too. A transaction of the pool whose nonce the SDK
took is given the next one.

The SDK shows a task of one contributor only: for more it fails with "value at index 0 unnamed"
(``formatEthersResult`` asks ethers for the names of a list's members), whoever computed it. So
its own words are asked for with trust 1, and ours with trust 10.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from e2e_world import SECONDS, WEB, Done
from sdk_project import installed

from poolhand.devnet.accounts import POOL, derive
from poolhand.devnet.artifacts import npm_command
from poolhand.devnet.images import MANIFEST_TYPE


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The SDK 8.24.0, exactly as the committed lock has it; installed when it is missing."""
    return installed() / "node_modules" / "iexec-8" / "dist" / "esm"


class Client:
    """The SDK's command line in a project folder of its own."""

    def __init__(self, sdk: Path, folder: Path, network) -> None:
        self.folder, self._sdk = folder, sdk
        info, account = network.info, derive(POOL)
        chain = {"id": str(info.chain_id), "host": info.rpc_url, "hub": info.hub}
        self.put("chain.json", {"default": "devnet", "chains": {"devnet": chain}})
        key = "0x" + account.key.hex().removeprefix("0x")
        self.put("wallet.json", {"privateKey": key, "address": account.address})

    def put(self, name: str, members: object) -> None:
        (self.folder / name).write_text(json.dumps(members), encoding="utf-8")

    def run(self, *words: str) -> Done:
        command = (npm_command()[0], str(self._sdk / "cli" / "cmd" / "iexec.js"), *words, "--raw")
        found = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return Done(found.returncode, found.stdout, found.stderr)

    def ok(self, *words: str) -> dict:
        done = self.run(*words)
        assert done.code == 0, done
        assert done.json["ok"], done
        return done.json

    def deploy(self, image: str) -> str:
        host, _, name = image.partition("/")
        repository, _, tag = name.rpartition(":")
        url = f"http://{host}/v2/{repository}/manifests/{tag}"
        manifest = WEB.get(url, headers={"Accept": MANIFEST_TYPE}).content
        app = {
            "owner": derive(POOL).address,
            "name": "fractal",
            "type": "DOCKER",
            "multiaddr": image,
            "checksum": "0x" + hashlib.sha256(manifest).hexdigest(),
        }
        about = {"description": "", "license": "MIT", "author": "e2e", "social": {}, "logo": ""}
        self.put("iexec.json", {**about, "app": app})
        return self.ok("app", "deploy")["address"]


@pytest.fixture
def client(sdk, tmp_path, network) -> Client:
    return Client(sdk, tmp_path, network)


@pytest.fixture(scope="module")
def deployed() -> dict[str, str]:
    return {}


@pytest.fixture
def app(client, network, deployed) -> str:
    """An app of the SDK's, deployed once."""
    image = network.image("fractal")
    if image not in deployed:
        deployed[image] = client.deploy(image)
    return deployed[image]


def _run(client: Client, network, app: str, trust: int, *more: str) -> dict:
    terms = ("--trust", str(trust), "--category", "0", "--args", f"--seed {trust}")
    pool = ("--workerpool", network.info.workerpool, "--force", "--skip-preflight-check")
    return client.ok("app", "run", app, *pool, *terms, *more)


@pytest.mark.iexec("app run", "task show")
def test_the_sdk_buys_sees_completed_and_downloads(client, network, app):
    bought = _run(client, network, app, 1, "--watch")
    assert [task["statusName"] for task in bought["tasks"]] == ["COMPLETED"]
    task_id = bought["tasks"][0]["taskid"]
    shown = client.ok("task", "show", task_id, "--download", "result.zip")
    assert shown["task"]["statusName"] == "COMPLETED"
    assert shown["task"]["results"]["storage"] == "ipfs"
    with zipfile.ZipFile(client.folder / "result.zip") as archive:
        assert "computed.json" in archive.namelist()
    ours = network.ok("task", "download", task_id, "--to", str(client.folder / "ours"))
    assert Path(ours["result_path"]).read_bytes() == (client.folder / "result.zip").read_bytes()


@pytest.mark.iexec("app run")
def test_a_deal_of_the_sdk_with_trust_10_completes_on_four_workers(client, network, app):
    bought = _run(client, network, app, 10)
    (deal,) = bought["deals"]
    (task_id,) = network.ok("deal", "show", deal["dealid"])["task_ids"]
    watched = network.ok("task", "watch", task_id)
    assert (watched["status"], watched["flow"]) == ("COMPLETED", "standard")
    assert len(watched["contributors"]) == 4
    assert {each["status"] for each in watched["replicates"]} == {"COMPLETED"}
