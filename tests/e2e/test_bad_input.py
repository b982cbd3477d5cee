"""What goes wrong is told: a clear message, a documented exit code, nothing lost, no stack trace."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from e2e_world import WEB, wait_until

from poolhand.cli.exits import EXITS
from poolhand.devnet.accounts import derive
from poolhand.devnet.images import publish
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.model import AppOrder, Salt, Signed
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.wire.order_json import encode_order

NOBODY = "0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd"
FRACTAL = "IMAGE:fractal"
ASKED = {
    "wrong image name": (("run", "bad image!!"), 2, "bad-image-name", "write registry/owner"),
    "image not pushed": (("run", "IMAGE:nothing"), 2, "no-such-image", "Push it there first"),
    "mistyped address": (("run", "0x1234"), 2, "bad-hex", "40 hexadecimal digits"),
    "unregistered app": (("run", NOBODY), 2, "no-such-asset", "correct the address"),
    "unreachable dataset": (
        ("dataset", "deploy", "http://127.0.0.1:1/x.txt"),
        4,
        "dataset-unreachable",
        "correct the URL",
    ),
    "too little stake": (
        ("run", FRACTAL, "--tasks", "1000", "--category", "4"),
        2,
        "orders-unfit",
        "deposit",
    ),
    "unknown category": (("run", FRACTAL, "--category", "77"), 2, "pool-refused", "0, 1, 2, 3, 4"),
    "price limit": (
        ("run", FRACTAL, "--max-price", "0.5"),
        2,
        "price-too-high",
        "raise --max-price",
    ),
    "bad deal id": (("deal", "show", "0x12"), 2, "bad-hex", "64 hexadecimal digits"),
    "second devnet": (("devnet", "up"), 2, "devnet-running", "poolhand devnet down"),
    "unknown account": (("account", "deposit", "1", "--as", "me"), 2, "unknown-account", "choose"),
    "wrong password": (
        ("account", "deposit", "1", "--password-file", "FILE:wrong"),
        2,
        "wrong-password",
        "try again",
    ),
}


@pytest.mark.parametrize("what", ASKED)
async def test_a_wrong_question_is_answered_clearly_and_costs_nothing(network, tmp_path, what):
    words, code, name, advice = ASKED[what]
    (tmp_path / "wrong").write_text("wrong\n")
    said = [
        network.image(word.partition(":")[2]) if word.startswith("IMAGE:") else word
        for word in (word.replace("FILE:", f"{tmp_path}/") for word in words)
    ]
    before = await network.money()
    done = network.cli(*said, "--json")
    assert (done.code, done.error["code"]) == (code, name), done
    assert code in EXITS
    assert advice in done.error["message"]
    assert await network.money() == before


def test_a_person_reads_one_line_and_a_program_one_object(network):
    plain = network.cli("run", "0x1234")
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.startswith("error: '0x1234' is not an address")


def test_without_a_devnet_the_message_tells_how_to_start_one(network, tmp_path):
    done = network.cli("account", "show", "--json", POOLHAND_HOME=str(tmp_path))
    assert (done.code, done.error["code"]) == (2, "no-devnet")
    assert "poolhand devnet up --detach" in done.error["message"]


def test_a_consumed_order_is_refused_before_it_costs_anything(network, tmp_path):
    app = network.ok("app", "deploy", network.image("fractal"))["address"]
    wallet, info = Wallet.from_key(derive("requester").key), network.info
    order = AppOrder(
        app=Address.parse(app),
        price=NanoRlc(0),
        volume=1,
        tag=Tag.of(()),
        dataset_restrict=ZERO_ADDRESS,
        workerpool_restrict=ZERO_ADDRESS,
        requester_restrict=ZERO_ADDRESS,
        salt=Salt(bytes(32)),
    )
    domain = order_domain(info.chain_id, Address.parse(info.hub))
    file = tmp_path / "order.json"
    file.write_text(json.dumps(encode_order(Signed(order, wallet.sign_order(domain, order)))))
    words = ("run", app, "--app-order", str(file), "--no-wait")
    network.ok(*words)
    again = network.cli(*words, "--args", "--seed 9", "--json")
    assert (again.code, again.error["code"]) == (2, "orders-unfit"), again
    assert "used up or cancelled (app order)" in again.error["message"]


def test_a_busy_port_is_named(network, tmp_path):
    port = network.info.results_url.rpartition(":")[2]
    environment = network.program("results").environ()
    own = {k: v for k, v in environment.items() if k.startswith(("POOLHAND_", "IEXEC_", "POOL_"))}
    own["POOLHAND_RESULTS_FOLDER"] = str(tmp_path)
    done = network.cli("results", "serve", "--json", **own)
    assert (done.code, done.error["code"]) == (2, "port-busy"), done
    assert port in done.error["message"]


APPS = {
    "exits-3": "raise SystemExit(3)\n",
    "eats-memory": "x = b'x' * (1 << 31)\n",
    "says-nothing": "",
    "gone": "",
}
FAILURES = {
    "exits-3": ("exited with code 3", "correct the app"),
    "eats-memory": ("out of memory", "correct the app"),
    "says-nothing": ("computed.json", "correct the app"),
    "gone": ("cannot be found", "publish the image"),
    "data-gone": ("no such file, 404", "make the file reachable"),
    "data-changed": ("has sha256", "make the file reachable"),
}


async def _publish(network, folder: Path) -> None:
    for name, source in APPS.items():
        (folder / name).mkdir()
        (folder / name / "main.py").write_text(source)
        await publish(folder / name, f"poolhand/{name}:1.0", network.info.registry)


def _targets(network) -> dict[str, tuple[str, ...]]:
    """Buy nothing yet, but break what an honest owner might break after registering it."""
    gone = network.ok("app", "deploy", network.image("gone"))["address"]
    shutil.rmtree(network.home / "registry" / "repositories" / "poolhand" / "gone")
    files, url = Path(network.info.files), network.info.files_url
    data = {}
    for name in ("data-gone", "data-changed"):
        (files / name).write_text(name)
        data[name] = network.ok("dataset", "deploy", f"{url}/{name}")["address"]
    (files / "data-gone").unlink()
    (files / "data-changed").write_text("something else")
    words = network.image("word-statistics")
    own = {name: (network.image(name),) for name in APPS}
    return {**own, "gone": (gone,), **{n: (words, "--dataset", data[n]) for n in data}}


async def test_a_task_that_fails_tells_why_who_acts_and_how(network, tmp_path):
    await _publish(network, tmp_path)
    total = sum((await network.money()).values())
    tasks = {
        name: network.ok("run", *target, "--no-wait")["task_ids"][0]
        for name, target in _targets(network).items()
    }
    for name, task_id in tasks.items():
        shown = wait_until(lambda task_id=task_id: _failed(network, task_id))
        cause, advice = FAILURES[name]
        for replicate in shown["replicates"]:
            assert cause in replicate["cause"], replicate
            assert replicate["acts"] == "requester"
            assert advice in replicate["next_step"]
    plain = network.cli("task", "show", tasks["data-gone"]).out
    told = "no worker of this pool is left that could do it", *FAILURES["data-gone"]
    assert all(text in " ".join(plain.split()) for text in told)
    page = wait_until(lambda: _page_with(network, tasks["exits-3"], "COMPUTE_FAILED"))
    assert all(text in page.lower() for text in FAILURES["exits-3"])
    assert sum((await network.money()).values()) == total


def _page_with(network, task_id: str, words: str) -> str | None:
    """The market's page of a task, once the words stand on it."""
    page = WEB.get(f"{network.info.market_url}/pages/tasks/{task_id}").text
    return page if words in page else None


def _failed(network, task_id: str):
    """The task as shown once it has failed at every worker, or the pool has given it up."""
    news = WEB.get(f"{network.info.pool_url}/v1/tasks/{task_id}")
    if not news.is_success or not (news.json()["obstacle"] or _is_given_up(news)):
        return None
    shown = network.ok("task", "show", task_id)
    return shown if shown["nobody_left"] else None


def _is_given_up(news: httpx.Response) -> bool:
    return news.json()["status"] == "RUNNING_FAILED"


def test_a_worker_with_a_damaged_journal_says_how_to_mend_it_and_works_again(network):
    network.ok("run", network.image("fractal"), "--args", "--seed 195")
    journals = sorted((network.home / "workers").glob("*/journal"))
    journal = next(each for each in journals if each.stat().st_size)  # anybody may have had a task
    name = journal.parent.name
    worker = network.end(name, signal.SIGTERM)
    own = {k: v for k, v in worker.environment.items() if k.startswith(("POOL", "IEXEC_"))}
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0].replace(b"1", b"2") + b"".join(lines[1:]))
    refused = network.cli("worker", "start", "--json", **own)
    assert (refused.code, refused.error["code"]) == (2, "journal-corrupt"), refused
    assert f"poolhand worker journal repair {journal}" in refused.error["message"]
    mended = network.ok("worker", "journal", "repair", str(journal))
    assert (mended["dropped"], mended["kept"]) == ([1], len(lines) - 1)
    assert Path(mended["saved"]).read_bytes().startswith(lines[0].replace(b"1", b"2"))
    network.start(name, worker)
    status = network.ok("worker", "status", "--base", str(journal.parent))
    assert status["connected"] is True
