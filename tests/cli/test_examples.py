"""The examples of a buyer's verbs are typed as ``--help`` prints them, on a network that is new.

An id that stands in an example for one of the reader's own is replaced by one of the world's.
"""

from __future__ import annotations

import asyncio
import io
import json
import shlex
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from poolhand.cli.reference import commands
from poolhand.domain.ids import ZERO_ADDRESS, DealId, ResultDigest, TaskId
from poolhand.domain.onchain import ContributeAndFinalize, Initialize
from poolhand.keys.wallet import Wallet

WORKER = Wallet.from_key(bytes([3] * 32))
OUTPUT = b"a picture"
DIGEST = ResultDigest(sha256(OUTPUT).digest())
EXAMPLES = {
    words: (command.epilog or "").partition("Example:")[2].strip()
    for words, command in commands().items()
}
BUYING = [words for words in EXAMPLES if words.split()[0] in ("run", "deal", "task", "earnings")]


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        computed = json.dumps({"deterministic-output-path": "/iexec_out/picture.png"})
        opened.writestr("computed.json", computed)
        opened.writestr("picture.png", OUTPUT)
    return buffer.getvalue()


class Working:
    """While somebody waits, a worker does every task that was bought."""

    def __init__(self, market):
        self.market, self.done = market, set[TaskId]()

    def now(self):
        return self.market.chain.head.timestamp

    async def sleep(self, _seconds):
        for deal in tuple(self.market.chain.state.deals.values()):
            for index, task_id in deal.tasks():
                if task_id not in self.done:
                    self.done.add(task_id)
                    await self.work(deal.deal_id, index, task_id)
        await asyncio.sleep(0)

    async def work(self, deal_id, index, task_id):
        chain, owner = self.market.chain, self.market.pool.owner
        await chain.sender(owner).send(f"init:{task_id}", Initialize(((deal_id, index),)))
        signed = owner.sign_authorization(WORKER.address, task_id, ZERO_ADDRESS)
        call = ContributeAndFinalize(task_id, DIGEST, b"{}", b"", signed)
        await chain.sender(WORKER).send(f"work:{task_id}", call)
        self.market.results.archives[task_id] = archive()


@pytest.fixture
def world(cli, tmp_path, monkeypatch):
    """A devnet on which one task was computed, another has run out of time and a third is new."""
    monkeypatch.chdir(tmp_path)
    cli.market.clock = Working(cli.market)
    cli.market.pool.logs = {}
    bought = cli("run", "devnet/poolhand/word-statistics:1.0", "--json")
    assert bought.code == 0
    cli.bought = bought.json
    late = cli("run", "devnet/poolhand/words:1.0", "--no-wait", "--json").json
    cli.market.clock.done.add(TaskId.parse(late["task_ids"][0]))
    put = Initialize(((DealId.parse(late["deal_id"]), 0),))
    asyncio.run(cli.market.chain.sender(cli.market.pool.owner).send("late", put))
    cli.market.chain.mine(3000)
    cli.late = late
    return cli


@pytest.mark.case("E3")
def test_every_verb_of_a_buyer_has_an_example():
    assert BUYING
    assert all(EXAMPLES[words].startswith(f"poolhand {words}") for words in BUYING)


@pytest.mark.case("E3")
@pytest.mark.parametrize("words", BUYING)
def test_the_example_works_as_printed(world, words):
    known = world.late if words.endswith("claim") else world.bought
    names = {"0x" + "1f" * 32: known["deal_id"], "0x" + "2e" * 32: known["task_ids"][0]}
    typed = shlex.split(EXAMPLES[words])[1:]
    ran = world(*(names.get(word, word) for word in typed))
    assert ran.code == 0, ran.err
    assert ran.out


@pytest.mark.case("E3")
def test_the_example_of_run_leaves_a_result_that_was_checked(world):
    ran = world(*shlex.split(EXAMPLES["run"])[1:], "--json")
    (task,) = ran.json["tasks"]
    assert (task["outcome"], ran.json["arguments"]) == ("COMPLETED", ["--seed", "3"])
    assert Path(task["result_path"]).samefile(f"{task['task_id']}.zip")


def test_an_image_of_a_devnet_needs_a_devnet(cli, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    hub = str(cli.market.chain.facts.hub)
    wallet, secret = next((cli.home / "keys").iterdir()), str(cli.home / "password")
    words = ("--rpc", "http://a", "--hub", hub, "--wallet", str(wallet), "--password-file", secret)
    ran = cli("run", "devnet/poolhand/words:1.0", *words, "--json")
    assert (ran.code, ran.error["code"]) == (2, "no-devnet")
