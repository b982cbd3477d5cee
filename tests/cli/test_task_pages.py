"""What a person sees of a task and of money: pages that fit, and claims that happen by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, DealId, ResultDigest, TaskId
from poolhand.domain.onchain import Contribute, Initialize, Reveal
from poolhand.domain.text import is_plain
from poolhand.keys.wallet import Wallet
from requester_market import IMAGE, RLC

WORKER, OTHER = Wallet.from_key(bytes([3] * 32)), Wallet.from_key(bytes([4] * 32))
DIGEST = ResultDigest(bytes([9] * 32))


class World:
    """A bought task of trust 1, and a pool that tells of two replicates of it."""

    def __init__(self, cli):
        self.cli, self.market = cli, cli.market
        bought = cli("run", IMAGE, "--no-wait", "--json").json
        self.deal, self.task = DealId.parse(bought["deal_id"]), TaskId.parse(bought["task_ids"][0])
        self.history: list[dict] = []
        self.other: list[dict] = []
        self.won = None

    def send(self, wallet, call):
        self.market.chain.fund(wallet.address, stake=100 * RLC)
        receipt = asyncio.run(self.market.chain.sender(wallet).send(type(call).__name__, call))
        return str(receipt.tx_hash), receipt.block

    def initialize(self):
        return self.send(self.market.pool.owner, Initialize(((self.deal, 0),)))

    def contribute(self):
        signed = self.market.pool.owner.sign_authorization(WORKER.address, self.task, ZERO_ADDRESS)
        seal = result_seal(WORKER.address, self.task, DIGEST)
        call = Contribute(self.task, result_hash(self.task, DIGEST), seal, signed)
        return self.send(WORKER, call)

    def tell(self, status="RUNNING", chain=(), **more):
        """Let the pool speak."""
        self.market.pool.tasks[self.task] = {
            "task_id": str(self.task),
            "deal_id": str(self.deal),
            "index": 0,
            "status": status,
            "meaning": "work goes on",
            "flow": "standard",
            "history": [],
            "transactions": [],
            "chain": [
                {"event": "TaskInitialize", "tx": "0x" + "11" * 32, "block": block}
                for block in chain
            ],
            "replicates": [
                _replicate(WORKER, self.history, None),
                _replicate(OTHER, self.other, self.won),
            ],
            **more,
        }

    def show(self, *words, columns=80, monkeypatch=None):
        if monkeypatch is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        return self.cli("task", "show", str(self.task), *words)


def _replicate(wallet, history, won):
    return {
        "worker": str(wallet.address),
        "status": history[-1]["status"],
        "live": True,
        "history": history,
        "won_by": won,
    }


def entry(status, at, seconds=None, tx=None, block=None, detail="", clock="worker"):
    return {
        "status": status,
        "at": at,
        "seconds": seconds,
        "tx": tx,
        "block": block,
        "detail": detail,
        "clock": clock,
    }


@pytest.fixture
def world(cli):
    """A consensus by one worker, and another that came too late."""
    made = World(cli)
    _, first = made.initialize()
    tx, block = made.contribute()
    start = 1_700_000_000
    made.history = [
        entry("CREATED", start + 9000, clock="chain"),
        entry("COMPUTING", start, 61),
        entry("CONTRIBUTING", start + 61, 2),
        entry("CONTRIBUTED", start + 63, tx=tx, block=block),
    ]
    made.other = [
        entry("CREATED", start + 9000, clock="chain"),
        entry("COMPUTING", start, 70),
        entry("ABORTED_ON_CONSENSUS_REACHED", start + 70, tx=tx, block=block),
    ]
    made.won = {
        "event": "TaskConsensus",
        "tx": tx,
        "block": block,
        "worker": str(WORKER.address),
        "result_hash": str(result_hash(made.task, DIGEST)),
    }
    made.tx, made.block = tx, block
    made.tell(chain=(first, block))
    return made


@pytest.mark.parametrize("columns", [80, 120])
def test_a_task_fits_the_screen_and_no_id_is_broken(world, monkeypatch, columns):
    told = world.show(columns=columns, monkeypatch=monkeypatch).out
    assert max(map(len, told.splitlines())) <= columns
    consensus = str(result_hash(world.task, DIGEST))
    for whole in (world.task, world.deal, world.tx, WORKER.address, OTHER.address, consensus):
        assert str(whole) in told


def test_a_timeline_has_time_duration_block_and_transaction(world, monkeypatch):
    lines = world.show(monkeypatch=monkeypatch).out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  22:14:23"))
    assert lines[at].split() == ["22:14:23", str(world.block), "CONTRIBUTED"]
    assert lines[at + 1].strip() == f"tx {world.tx}"
    assert any(line.split() == ["22:13:20", "61", "s", "COMPUTING"] for line in lines)
    assert any(line.split() == ["00:43:20", "*", "CREATED"] for line in lines)
    assert "  2023-11-14" in lines  # the worker's clock is on the day before the chain's


def test_an_aborted_replicate_names_who_won_by_which_transaction(world, monkeypatch):
    told = world.show(monkeypatch=monkeypatch).out
    part = told.split(str(OTHER.address), 1)[1].split("on chain", 1)[0]
    assert f"won by: TaskConsensus in block {world.block}" in part
    assert f"worker {WORKER.address}" in part
    assert f"tx {world.tx}" in part
    assert "next: nobody: " in part


def test_a_pool_that_names_a_transaction_the_chain_does_not_have_is_not_believed(world):
    world.won |= {"tx": "0x" + "66" * 32}
    world.tell()
    told = world.show().out
    assert "names tx 0x666" in told
    assert "won by" not in told


def test_a_failure_tells_cause_party_and_next_step(world):
    why = "the app exited with code 3"
    world.other[-1:] = [entry("COMPUTE_FAILED", 1, 0, detail=why), entry("FAILED", 1)]
    world.won = None
    world.tell()
    told = world.show().out
    assert why in told
    assert "why: the app did not produce a result" in told
    assert "next: requester: read the task's logs" in told
    found = world.show("--json").json["replicates"][1]
    assert (found["cause"], found["acts"]) == (why, "requester")


def test_a_claimed_replicate_is_nobodys_to_act_on(world):
    world.other[-1:] = [entry("FAILED", 1)]
    world.won = {"event": "TaskClaimed", "tx": world.tx, "block": 9}
    world.tell()
    found = world.show("--json").json["replicates"][1]
    assert (found["acts"], found["won_by"]["event"]) == ("nobody", "TaskClaimed")
    assert "decided: TaskClaimed in block 9" in world.show().out


def test_json_has_everything(world):
    found = world.show("--json").json
    first, second = found["replicates"]
    assert first["history"][-1] == entry(
        "CONTRIBUTED", 1_700_000_063, tx=world.tx, block=world.block
    )
    assert first["history"][1]["seconds"] == 61
    assert second["won_by"] == world.won
    assert [each["event"] for each in found["chain"]] == [
        "TaskInitialize",
        "TaskContribute",
        "TaskConsensus",
    ]
    assert found["chain"][1]["worker"] == str(WORKER.address)
    assert (found["deal_id"], found["chain_is_whole"]) == (str(world.deal), True)


def test_it_says_who_may_read_result_and_output(world, monkeypatch):
    told = " ".join(world.show(columns=120, monkeypatch=monkeypatch).out.split())
    buyer = str(world.market.wallet.address)
    assert "everybody: its link is on chain, not encrypted" in told
    assert f"{buyer}; everybody, if the pool publishes logs" in told
    found = world.show("--json").json
    assert (found["encrypted_to"], found["output_read_by"]) == (None, buyer)

    deals = world.market.chain.state.deals
    hidden = replace(deals[world.deal], params='{"iexec_result_encryption":true}')
    deals[world.deal] = hidden
    assert f"{buyer} alone, encrypted" in world.show(columns=120, monkeypatch=monkeypatch).out
    assert world.show("--json").json["encrypted_to"] == buyer


def test_a_pool_that_names_another_deal_says_nothing_of_who_may_read(world):
    other = world.cli("run", IMAGE, "--no-wait", "--json", "--args", "another").json["deal_id"]
    world.tell(deal_id=other)
    found = world.show("--json").json
    assert (found["encrypted_to"], found["output_read_by"]) == (None, None)


@pytest.mark.parametrize("hint", [(), (10**6,)])
def test_the_chains_story_does_not_depend_on_what_the_pool_says_of_it(world, hint):
    world.tell(chain=hint)
    found = world.show("--json").json
    assert len(found["chain"]) == 3
    assert found["chain"][0]["event"] == "TaskInitialize"


def test_without_a_pool_the_chain_alone_tells_the_story(world):
    world.market.pool.tasks.clear()
    ran = world.show()
    assert ran.code == 0
    asked = "the workerpool at http://pool.test was asked and does not know this task"
    assert asked in " ".join(ran.out.split())
    for each in ("TaskInitialize", "TaskContribute", str(WORKER.address), str(world.deal)):
        assert each in ran.out
    found = world.show("--json").json
    assert (found["deal_id"], found["replicates"]) == (str(world.deal), [])


def test_an_absurd_date_is_shown_as_the_number_it_is(world):
    world.history[1]["at"] = 10**18
    world.tell()
    assert str(10**18) in world.show().out


def test_bars_are_drawn_in_a_terminal_in_proportion(world):
    from poolhand.cli.bars import CELLS, bars
    from poolhand.wire.pool_api import TaskNews

    news = TaskNews.model_validate(world.market.pool.tasks[world.task])
    one, two = bars(news.replicates).plain.splitlines()[1:]
    assert two.count("█") == CELLS
    assert one.count("█") == round(61 * CELLS / 70)
    assert one.count("▒") == round(63 * CELLS / 70) - round(61 * CELLS / 70)
    assert (one.split()[-2:], two.split()[-2:]) == (["63", "s"], ["70", "s"])
    assert "█" not in world.show().out  # no terminal


# -------------------------------------------------------------------------------- claims


def late(world):
    world.market.chain.mine(3000)


def test_a_watch_that_sees_the_deadline_pass_claims_by_itself(world):
    late(world)
    ran = world.cli("task", "watch", str(world.task), "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "FAILED")
    assert ran.json["claim"]["claimed"] == [str(world.task)]
    assert ran.json["chain"][-1]["event"] == "TaskClaimed"
    assert "claiming the price back" in ran.err
    assert world.cli("account", "show", "--json").json["locked_nrlc"] == 0


def test_a_watch_leaves_the_claim_if_told_so(world):
    late(world)
    ran = world.cli("task", "watch", str(world.task), "--no-claim", "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "TIMED_OUT")
    assert "claim" not in ran.json


def test_a_watch_without_a_password_at_hand_asks_nothing_and_says_how_to_claim(world):
    late(world)
    stored = world.cli("wallet", "show", "--json").json["keystore"]
    ran = world.cli("task", "watch", str(world.task), "--wallet", stored, "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "TIMED_OUT")
    assert f"`poolhand task claim {world.task}`" in ran.err


def test_an_account_claims_all_that_is_late(world):
    early = world.cli("account", "claim", "--json").json
    assert (early["claimed"], early["transactions"]) == ([], [])
    assert "nothing to claim" in world.cli("account", "claim").out
    late(world)
    assert str(world.task) in world.cli("account", "claim").out
    assert world.cli("account", "stakes", "--json").json["stakes"] == []


# -------------------------------------------------------------------------------- stakes


def test_stakes_tell_role_amount_reason_and_date(world, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = world.cli("account", "stakes", "--json").json
    (stake,) = found["stakes"]
    assert (found["locked_nrlc"], found["other_nrlc"]) == (2 * RLC, 0)
    assert (stake["role"], stake["amount_nrlc"], stake["claimable"]) == (
        "requester",
        2 * RLC,
        False,
    )
    deal = world.market.chain.state.deals[world.deal]
    assert stake["unlocks_by"] == deal.start_time + 3000
    told = world.cli("account", "stakes").out
    assert "unlocks at the latest 2023-11-14" in told
    assert 0 < stake["block"] <= world.market.chain.head.number
    assert f"bought in block {stake['block']}" in told
    assert str(world.task) in told
    assert max(map(len, told.splitlines())) <= 80
    late(world)
    assert "claimable since 2023-11-14" in world.cli("account", "stakes").out


def test_stakes_of_a_pool_owner_and_of_a_worker(world):
    owner, worker = world.market.pool.owner.address, WORKER.address
    (of_owner,) = world.cli("account", "stakes", str(owner), "--json").json["stakes"]
    (of_worker,) = world.cli("account", "stakes", str(worker), "--json").json["stakes"]
    assert (of_owner["role"], of_owner["amount_nrlc"]) == ("pool owner", 6 * RLC // 10)
    assert "kitty" in of_owner["on_claim"]
    assert (of_worker["role"], of_worker["amount_nrlc"]) == ("worker", 6 * RLC // 10)
    assert of_worker["why"] == "contributed the consensus; must reveal"
    world.send(WORKER, Reveal(world.task, DIGEST))
    (of_worker,) = world.cli("account", "stakes", str(worker), "--json").json["stakes"]
    assert of_worker["why"].startswith("revealed")


def test_what_is_older_than_the_search_is_told_as_other(world):
    world.market.chain.mine(blocks=5)
    found = world.cli("account", "stakes", "--blocks", "3", "--json").json
    assert (found["stakes"], found["other_nrlc"]) == ([], 2 * RLC)
    assert "other: 2 RLC" in world.cli("account", "stakes", "--blocks", "3").out


# ------------------------------------------------------------------------- a pool that says anything

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 10**40, 1.5, -1e300, "", "\x1b[2J\u202e", "x" * 3_000, [], {}, [[]]]),
)


def places(told, at=()):
    """Return the way to every value within."""
    inner = told.items() if isinstance(told, dict) else enumerate(told)
    for key, value in inner if isinstance(told, dict | list) else ():
        yield (*at, key)
        yield from places(value, (*at, key)) if isinstance(value, dict | list) else ()


def spoilt(told, place, odd):
    """Return a copy with another value at one place."""
    if not place:
        return odd
    copied = told.copy()
    copied[place[0]] = spoilt(told[place[0]], place[1:], odd)
    return copied


@pytest.mark.case("A11")
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_pool_tells_of_a_task_is_a_page_and_no_bug(world, data):
    world.tell(chain=(1,))
    tasks = world.market.pool.tasks
    told = tasks[world.task]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(sorted(places(told), key=str)))
        told = spoilt(told, place, data.draw(ODD))
    tasks[world.task] = told
    shown, machine = world.show(), world.show("--json")
    assert (shown.code, machine.code) == (0, 0), shown.err + machine.out
    assert is_plain(shown.out, lines=True)
    assert machine.json["chain_status"] == "REVEALING"
