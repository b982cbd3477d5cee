"""The world misbehaves (simulated), the programs run on: tasks complete, money is conserved.

Every test ends with the same questions: did each program survive, is every nRLC where it was or
where it belongs, and did nobody put the same transaction on chain twice?
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter

import httpx
import pytest
from e2e_world import WEB, Network, wait_until

from poolhand.devnet.faults import (
    DearGas,
    Down,
    DropTransactions,
    Fault,
    FaultClient,
    FullDisk,
    Lag,
    LoseAnswers,
    Partition,
    Reorg,
    TooManyRequests,
)
from poolhand.devnet.faults.kinds import words
from poolhand.devnet.images import publish
from poolhand.domain.ids import Address
from poolhand.domain.task.rules import FORGOTTEN
from poolhand.domain.trust import worker_weight

SLOW = """
import json, os, time
out = os.environ["IEXEC_OUT"]
time.sleep(3)
open(f"{out}/result.txt", "w").write("the same everywhere")
open(f"{out}/computed.json", "w").write(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
"""
ROOT = sys.platform == "linux" and os.geteuid() == 0
ENGINE = ROOT and shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin") is not None
MORE = (*(("--disk", "worker-1", "--disk", "results") * ROOT), *(("--engine",) * ENGINE))

pytestmark = pytest.mark.timeout(600)
root = pytest.mark.skipif(not ROOT, reason="only root mounts a disk to be filled")
engine = pytest.mark.skipif(not ENGINE, reason="only root starts a Docker engine to be killed")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A devnet of its own, with two workers and lines between everybody."""
    network = Network(tmp_path_factory.mktemp("faults"))
    try:
        network.ok("devnet", "up", "--detach", "--workers", "2", "--lines", "--no-restart", *MORE)
        yield network
    finally:
        network.stop()


@pytest.fixture
async def slow(world, tmp_path) -> str:
    """An app that takes three seconds."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "main.py").write_text(SLOW)
    image = await publish(tmp_path / "slow", "poolhand/slow:1.0", world.info.registry)
    return image.reference


@pytest.fixture
async def survived(world):
    """Ask the questions of every test; a fixture, so that no test forgets one."""
    before, first, pids = await world.money(), _height(world), _pids(world)
    killed = Spared()
    yield killed
    await _faults(world).clear_all()
    wait_until(lambda: all(_pids(world).values()))
    assert {n: p for n, p in _pids(world).items() if n not in killed} == {
        n: p for n, p in pids.items() if n not in killed
    }
    after = await world.money()
    assert sum(after.values()) == sum(before.values())
    sent = _transactions(world, first)
    refused = [t["hash"] for t in sent if t["status"] != "0x1"]
    assert killed.reordered or refused == []
    assert _sent_again(sent) == []


class Spared(set[str]):
    """Names of the programs that a test kills.

    ``reordered``: transactions came back in an order of the node's choice, so that one may have
    been refused for coming before another, and was sent again.
    """

    reordered = False


def _sent_again(sent: list[dict]) -> list[str]:
    """What was put on chain once more although it had succeeded, or was refused twice."""
    told = Counter((each["from"], each["input"], each["status"]) for each in sent)
    again = {key for key, count in told.items() if count > 1}
    done: set[tuple[str, str]] = set()
    for each in sent:
        key = each["from"], each["input"]
        if key in done:
            again.add((*key, each["status"]))
        if each["status"] == "0x1":
            done.add(key)
    return sorted(" ".join(each) for each in again)


def _faults(world) -> FaultClient:
    return FaultClient(world.home)


def _rpc(world, *calls):
    if not calls:
        return []
    body = [
        {"jsonrpc": "2.0", "id": n, "method": method, "params": params}
        for n, (method, *params) in enumerate(calls)
    ]
    answers = WEB.post(world.info.rpc_url, json=body).json()
    return [answer["result"] for answer in answers]


def _height(world) -> int:
    return int(_rpc(world, ("eth_blockNumber",))[0], 16)


def _transactions(world, first: int) -> list[dict]:
    """Everything mined from a block on, with its status."""
    numbers = range(first, _height(world) + 1)
    blocks = _rpc(world, *(("eth_getBlockByNumber", hex(number), True) for number in numbers))
    mined = [each for block in blocks for each in block["transactions"]]
    receipts = _rpc(world, *(("eth_getTransactionReceipt", each["hash"]) for each in mined))
    return [each | {"status": r["status"]} for each, r in zip(mined, receipts, strict=True)]


def _mine(world, blocks: int) -> None:
    """Let blocks come."""
    before = _height(world)
    wait_until(lambda: _height(world) >= before + blocks)


def _pids(world) -> dict[str, int | None]:
    told = json.loads((world.home / "programs.json").read_text())
    return {name: each["pid"] for name, each in told.items()}


async def _buy(world, image: str, words: str, *more: str) -> str:
    """Buy a task for which both workers are needed, however their scores have risen."""
    async with world.chain() as chain:
        scores = await chain.hub.scores(_workers(world))
    trust = 1 + max(worker_weight(score) for score in scores.values())
    bought = world.ok("run", image, "--no-wait", "--args", words, "--trust", str(trust), *more)
    (task_id,) = bought["task_ids"]
    return task_id


def _told(world, task_id: str) -> dict:
    try:
        answer = WEB.get(f"{world.info.pool_url}/v1/tasks/{task_id}")
    except httpx.TransportError:
        return {}
    return answer.json() if answer.is_success else {}


def _statuses(world, task_id: str) -> list[str]:
    return [each["status"] for each in _told(world, task_id).get("replicates", ())]


def _until(world, task_id: str, status: str) -> None:
    """Wait until a replicate has been there; it may have gone on since."""
    wait_until(lambda: status in _reached(world, task_id))


def _reached(world, task_id: str) -> set[str]:
    replicates = _told(world, task_id).get("replicates", ())
    return {entry["status"] for each in replicates for entry in each["history"]}


def _completed(world, task_id: str) -> None:
    watched = world.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    assert len(watched["contributors"]) == 2


def _workers(world) -> list[Address]:
    return [owner for name, owner in world.owners.items() if name.startswith("worker-")]


def test_faults_are_set_shown_and_cleared_by_command(world, survived):
    typed = ("partition", "worker-1", "pool", "silent=true")
    wanted = {"name": "partition", "caller": "worker-1", "service": "pool", "silent": True}
    assert world.ok("devnet", "fault", "set", *typed)["faults"] == [wanted]
    assert world.ok("devnet", "status")["faults"] == [wanted]
    assert "partition worker-1 pool silent=true" in world.cli("devnet", "fault", "list").out
    assert world.cli("devnet", "fault", "clear", "lag", "--json").error["code"] == "fault-refused"
    assert world.cli("devnet", "fault", "set", "reorg", "99", "--json").error["code"] == "bad-fault"
    assert world.ok("devnet", "fault", "clear", "partition", "worker-1")["faults"] == []


@pytest.mark.parametrize(
    "fault",
    [
        Lag(3, "programs"),
        TooManyRequests(5, caller="programs"),
        DropTransactions(2, "programs"),
        LoseAnswers(every=2, caller="programs"),
    ],
    ids=lambda fault: fault.name,
)
async def test_a_task_completes_on_a_node_that_misbehaves(world, slow, survived, fault: Fault):
    await _faults(world).set(fault)
    _completed(world, await _buy(world, slow, fault.name))


@pytest.mark.parametrize("fault", [Reorg(1, lose=True), Reorg(5)], ids=words)
async def test_a_task_completes_over_a_reorganisation(world, slow, survived, fault: Fault):
    task_id = await _buy(world, slow, words(fault))
    _until(world, task_id, "CONTRIBUTED")
    looked = _height(world)
    agreed = _block_of(world, task_id, "TaskConsensus") or looked
    await _faults(world).set(fault)
    # What was sent on the strength of a block that is gone may now come before what it needs:
    # of one that had the agreement, which may have come since it was looked for.
    survived.reordered = not fault.lose or _height(world) > agreed
    _completed(world, task_id)


async def test_a_finished_task_is_finished_again_when_the_chain_took_its_end_back(world, slow):
    """The finalization may now come before the reveals that it needs, and be refused once."""
    before = await world.money()
    task_id = await _buy(world, slow, "reorganised in the end")
    _completed(world, task_id)
    ended = _block_of(world, task_id, "TaskFinalize")
    await _faults(world).set(_dropping(world, ended))
    wait_until(lambda: (_block_of(world, task_id, "TaskFinalize") or 0) > ended)
    _completed(world, task_id)
    wait_until(lambda: set(_statuses(world, task_id)) == {"COMPLETED"})
    after = await world.money()
    assert sum(after.values()) == sum(before.values())
    assert all(after[worker] > before[worker] for worker in _workers(world))


def _dropping(world, block: int) -> Reorg:
    """A re-organisation that drops a block and all after it, however many there are by now."""
    return Reorg(max(5, _height(world) - block + 2), lose=True)


def _block_of(world, task_id: str, event: str) -> int | None:
    """The block in which this happened to a task, as the chain has it now."""
    story = world.ok("task", "show", task_id)["chain"]
    return next((each["block"] for each in story if each["event"] == event), None)


@engine
async def test_a_task_completes_though_the_engine_is_killed_while_it_computes(
    world, slow, survived
):
    task_id = await _buy(world, slow, "engine")
    _until(world, task_id, "COMPUTING")
    await _faults(world).set(Down("docker"))
    await _faults(world).clear(Down("docker"))
    _completed(world, task_id)


@pytest.mark.parametrize(
    "cut",
    [
        Partition("worker-1", "pool"),
        Partition("worker-1", "node", silent=True),
        Partition("pool", "node"),
        Partition("workers", "docker"),
    ],
    ids=words,
)
async def test_a_task_completes_over_a_partition(world, slow, survived, cut: Fault):
    task_id = await _buy(world, slow, words(cut))
    _until(world, task_id, "COMPUTING")
    await _faults(world).set(cut)
    _mine(world, 4)
    await _faults(world).clear(cut)
    _completed(world, task_id)


async def test_dear_gas_under_the_cap_is_paid(world, slow, survived):
    await _faults(world).set(DearGas(10))
    _completed(world, await _buy(world, slow, "dear"))


async def test_gas_over_the_cap_is_waited_out(world, slow, survived):
    task_id = await _buy(world, slow, "too dear")
    _until(world, task_id, "COMPUTING")
    wait_until(lambda: _told(world, task_id)["chain_status"] == "ACTIVE")
    await _faults(world).set(DearGas(100))
    _mine(world, 2)  # the next may have been under way
    first = _height(world) + 1
    logs = [world.home / "logs" / f"{name}.log" for name in ("worker-1", "worker-2")]
    wait_until(lambda: all("transaction_stuck_at_cap" in log.read_text() for log in logs))
    assert _transactions(world, first) == []
    await _faults(world).clear(DearGas())
    _completed(world, task_id)


@root
async def test_a_worker_whose_disk_is_full_waits_or_stops_and_blames_nobody(world, slow, survived):
    """It stops where its journal has no room, and waits where its app had none."""
    survived.add("worker-1")
    log = world.home / "logs" / "worker-1.log"
    known = len(log.read_text())
    task_id = await _buy(world, slow, "full")
    _until(world, task_id, "COMPUTING")
    await _faults(world).set(FullDisk("worker-1"))
    full = f"{world.home / 'workers' / 'worker-1'}"
    said = (f"no room to write journal {full}", f"the disk at {full}/tasks is full")
    wait_until(lambda: any(words in log.read_text()[known:] for words in said))
    await _faults(world).clear(FullDisk("worker-1"))
    _completed(world, task_id)
    assert not _reached(world, task_id) & {"COMPUTE_FAILED", "DATA_DOWNLOAD_FAILED", "FAILED"}


@root
async def test_a_worker_that_stopped_for_its_full_journal_comes_back(world, slow, survived):
    """However early there is room again: it may still be on its way out.

    Its journal needs room when the consensus comes, which the other worker holds up until then.
    """
    survived.add("worker-1")
    log = world.home / "logs" / "worker-1.log"
    known = len(log.read_text())
    task_id = await _buy(world, slow, "full journal")
    _until(world, task_id, "COMPUTING")
    await _faults(world).set(Down("worker-2", "freeze"))
    wait_until(lambda: "status=CONTRIBUTED" in log.read_text()[known:])
    await _faults(world).set(FullDisk("worker-1"))
    await _faults(world).clear(Down("worker-2", "freeze"))
    wait_until(lambda: "no room to write journal" in log.read_text()[known:])
    await _faults(world).clear(FullDisk("worker-1"))
    _completed(world, task_id)


@root
async def test_results_go_up_once_the_results_disk_has_room(world, slow, survived):
    task_id = await _buy(world, slow, "results")
    _until(world, task_id, "COMPUTING")
    await _faults(world).set(FullDisk("results"))
    _until(world, task_id, "RESULT_UPLOADING")
    await _faults(world).clear(FullDisk("results"))
    _completed(world, task_id)


async def test_a_deal_that_the_chain_drops_is_given_up_and_nobody_has_paid(world, slow):
    """Its requester, who sent it, has gone: nobody sends the purchase again."""
    before = await world.money()
    sold_after = _height(world)
    task_id = await _buy(world, slow, "dropped", "--by-myself")
    await _faults(world).set(_dropping(world, sold_after + 1))

    def shown() -> dict:
        return world.ok("task", "show", task_id)

    wait_until(lambda: "dropped the deal" in (shown()["meaning"] or ""))
    assert shown()["status"] != "FAILED"
    _rpc(world, ("evm_increaseTime", FORGOTTEN), ("evm_mine",))
    wait_until(lambda: set(_statuses(world, task_id)) == {"FAILED"})
    told = shown()
    assert told["status"] == "FAILED"
    for replicate in told["replicates"]:
        assert replicate["acts"] == "nobody"
        assert "nothing is staked" in replicate["next_step"]
    assert "dropped the task's deal in a re-organisation" in world.cli("task", "show", task_id).out
    assert await world.money() == before
    _completed(world, await _buy(world, slow, "after it"))
