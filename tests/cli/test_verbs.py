"""Verbs on a fake chain: what they do, what they print, how they end."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path

import pytest

from asked_registry import MANIFEST
from poolhand.domain.errors import OutOfGas
from poolhand.domain.ids import ZERO_ADDRESS, DealId
from poolhand.domain.onchain import CreateApp, Initialize
from poolhand.domain.orders.model import AppOrder, Salt, Signed
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.units import NanoRlc
from poolhand.keys.lock import WalletLock
from poolhand.wire.order_json import encode_order
from poolhand.wire.output_api import NewsKind, OutputLine, OutputNews
from requester_market import IMAGE, RLC


def test_run_buys_with_nothing_but_an_image_inside_a_devnet(cli):
    ran = cli("run", IMAGE, "--args", "--top 5", "--trust", "10", "--no-wait", "--json")
    assert ran.code == 0
    found = ran.json
    deal = cli.market.chain.state.deals[DealId.parse(found["deal_id"])]
    assert (deal.trust, deal.params) == (10, '{"iexec_args":"--top 5"}')
    assert found["cost_nrlc"] == 2 * RLC
    assert [task["status"] for task in found["tasks"]] == ["UNSET"]
    assert found["transaction"]["gas"] > 0
    settings = cli.settings[-1]
    assert (settings.chain.rpc_urls, settings.pool_url) == (
        ("http://chain.test",),
        "http://pool.test",
    )


def test_run_shows_a_person_what_was_bought(cli):
    ran = cli("run", IMAGE, "--no-wait", "--tasks", "2")
    assert ran.code == 0
    assert "4 RLC for 2 task(s)" in ran.out
    assert "registered" in ran.err
    assert "bought deal 0x" in ran.err


def test_run_that_waits_ends_with_1_when_time_runs_out_and_claims_by_itself(cli):
    cli.market.clock = _Hurrying(cli.market.chain)
    ran = cli("run", IMAGE, "--tasks", "2", "--json")
    assert ran.code == 1
    assert [task["outcome"] for task in ran.json["tasks"]] == ["FAILED", "FAILED"]
    assert "task 0: TIMED_OUT" in ran.err
    assert "claimed 2 task(s)" in ran.err
    assert set(ran.json["claim"]["claimed"]) == set(ran.json["task_ids"])
    assert len(ran.json["claim"]["transactions"]) == 2  # put on chain, then claimed
    assert cli("account", "show", "--json").json["locked_nrlc"] == 0


def test_run_says_what_the_app_prints_beside_how_it_goes(cli):
    cli.market.clock = _Hurrying(cli.market.chain)
    line = OutputLine(is_error=False, text="from the app")
    news = OutputNews(kind=NewsKind.LINES, worker=ZERO_ADDRESS, lines=(line,))
    cli.market.pool.outputs = [[news, OutputNews(kind=NewsKind.END)]]
    ran = cli("run", IMAGE, "--follow")
    assert "from the app" in ran.out
    assert "task 0: TIMED_OUT" in ran.err


def test_run_leaves_the_claim_if_told_so(cli):
    cli.market.clock = _Hurrying(cli.market.chain)
    ran = cli("run", IMAGE, "--no-claim", "--json")
    assert (ran.code, ran.json["claim"]) == (1, None)
    assert ran.json["tasks"][0]["outcome"] == "TIMED_OUT"
    assert "claim" not in ran.err
    assert cli("account", "show", "--json").json["locked_nrlc"] == 2 * RLC


def test_a_claim_by_itself_that_fails_ends_no_run(cli):
    cli.market.clock = _Hurrying(cli.market.chain)

    def before(_sender, _purpose, call):
        if isinstance(call, Initialize):
            raise OutOfGas("send 0.1 ETH to the wallet")

    cli.market.chain.before_send = before
    ran = cli("run", IMAGE, "--json")
    assert (ran.code, ran.json["claim"]) == (1, None)
    assert "not claimed (send 0.1 ETH to the wallet)" in ran.err
    assert f"`poolhand task claim {ran.json['task_ids'][0]}`" not in ran.err
    assert f"`poolhand deal claim {ran.json['deal_id']}`" in ran.err


class _Hurrying:
    """Every wait takes a chain's hour."""

    def __init__(self, chain):
        self.chain = chain

    def now(self):
        return self.chain.head.timestamp

    async def sleep(self, _seconds):
        self.chain.mine(3600)
        await asyncio.sleep(0)


def test_an_app_by_address_and_orders_from_files(cli, tmp_path, shop):
    market, owner = cli.market, cli.market.pool.owner
    create = CreateApp(owner.address, "a", b"docker.io/a/b:1", bytes(32))
    asyncio.run(market.chain.sender(owner).send("app", create))
    app = asyncio.run(market.chain.hub.predict(create))
    refused = cli("run", str(app), "--no-wait", "--json")
    assert (refused.code, refused.error["code"]) == (2, "nothing-fits")
    assert f"no order for app {app}" in refused.error["message"]
    z = ZERO_ADDRESS
    order = AppOrder(app, NanoRlc(RLC), 1, NO_TAG, z, z, z, Salt(bytes(32)))
    file = tmp_path / "app-order.json"
    file.write_text(
        json.dumps(encode_order(Signed(order, owner.sign_order(market.chain.domain, order))))
    )
    assert cli("order", "show", str(file), "--json").json["kind"] == "app"
    read = " ".join(cli("order", "show", str(file)).out.split())
    assert "kind app" in read
    assert "appprice 1 RLC" in read
    assert cli("order", "check", str(file), "--json").json["usable"] is True
    read = " ".join(cli("order", "check", str(file)).out.split())
    assert "signed by owner yes" in read
    assert "usable yes" in read
    assert "standing not in the market; still valid on chain until cancelled" in read
    bought = cli("run", str(app), "--app-order", str(file), "--no-wait", "--json")
    assert bought.json["price_nrlc"] == 3 * RLC
    assert cli("order", "check", str(file), "--json").json["left"] == 0
    words = ("--app-order", str(file), "--no-wait", "--again", "--json")
    again = cli("run", str(app), *words)
    assert again.code == 2
    assert "used up or cancelled (app order)" in again.error["message"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"app": 1}', "nonsense"])
def test_a_file_that_holds_no_order_is_named(cli, tmp_path, content):
    file = tmp_path / "order.json"
    file.write_text(content)
    for words in (("order", "show", str(file)), ("run", IMAGE, "--app-order", str(file))):
        ran = cli(*words, "--json")
        assert (ran.code, ran.error["code"]) == (2, "bad-order-file")


def test_too_little_stake_is_told_with_the_command_that_helps(cli):
    ran = cli("run", IMAGE, "--tasks", "60", "--no-wait")
    assert ran.code == 2
    assert "poolhand account deposit 20" in ran.err
    assert cli("account", "deposit", "20", "--json").json["stake_nrlc"] == 120 * RLC
    assert cli("run", IMAGE, "--tasks", "60", "--no-wait").code == 0
    account = cli("account", "show", "--json").json
    assert (account["stake_nrlc"], account["locked_nrlc"]) == (0, 120 * RLC)


def test_a_deposit_on_demand(cli):
    assert cli("run", IMAGE, "--tasks", "60", "--no-wait", "--deposit").code == 0


def test_a_withdrawal_returns_what_is_free_and_no_more(cli):
    assert cli("account", "withdraw", "1.5", "--json").json["rlc_nrlc"] == 1001.5 * RLC
    assert "free stake" in cli("account", "show").out
    ran = cli("account", "withdraw", "1000", "--json")
    assert (ran.code, ran.error["code"]) == (2, "balance-too-low")


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("127.0.0.1:5000/poolhand/words:9", 2, "does not exist in the registry"),
        ("nowhere.test/a:1", 4, "does not answer"),
        ("Not An Image", 2, "is not an image name"),
    ],
)
def test_a_wrong_image_is_told_and_nothing_is_bought(cli, image, code, said):
    ran = cli("run", image, "--no-wait")
    assert ran.code == code
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert cli.market.deals == 0


def test_assets_are_deployed_once_and_shown(cli):
    first = cli("app", "deploy", IMAGE, "--json").json
    assert (first["new"], cli("app", "deploy", IMAGE, "--json").json["new"]) == (True, False)
    app = cli("app", "show", first["address"], "--json").json
    assert (app["image"], app["checksum"]) == (IMAGE, "0x" + sha256(MANIFEST).hexdigest())
    data = cli("dataset", "deploy", "/ipfs/QmX", "--checksum", "ab" * 32, "--json").json
    assert cli("dataset", "show", data["address"], "--json").json["checksum"] == "0x" + "ab" * 32
    pool = cli("pool", "create", "mine", "--worker-stake", "20", "--json").json
    assert cli("pool", "show", pool["address"], "--json").json["worker_stake_percent"] == 20
    assert cli("pool", "show", first["address"]).code == 2


def test_deals_and_tasks_are_shown_and_claimed(cli):
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    deal_id, task_id = bought["deal_id"], bought["task_ids"][0]
    assert "1 task(s)" in cli("deal", "show", deal_id).out
    unknown = cli("task", "show", task_id, "--json")
    assert (unknown.code, unknown.error["code"]) == (2, "no-such-task")
    early = cli("deal", "claim", deal_id, "--json")
    assert (early.code, early.error["code"]) == (5, "not-yet-claimable")
    assert cli("task", "download", task_id, "--json").error["code"] == "not-finished"
    cli.market.chain.mine(3000)
    claimed = cli("deal", "claim", deal_id, "--json").json
    assert (claimed["claimed"], len(claimed["transactions"])) == ([task_id], 2)
    assert cli("task", "show", task_id, "--json").json["status"] == "FAILED"
    watched = cli("task", "watch", task_id, "--json")
    assert (watched.code, watched.json["outcome"]) == (1, "FAILED")
    assert "claim" not in watched.json
    assert cli("task", "show", task_id).code == 0
    for again in (cli("task", "claim", task_id, "--json"), cli("deal", "claim", deal_id, "--json")):
        assert (again.code, again.json["transactions"]) == (0, [])
        assert again.json["ended_before"] == {task_id: "FAILED"}
    assert "nothing is left to claim" in cli("deal", "claim", deal_id).out


@pytest.mark.parametrize("name", list(Status))
def test_every_status_is_explained(cli, name):
    found = cli("statuses", name.lower(), "--json").json
    assert found["status"] == name
    assert all(found[each] for each in ("meaning", "cause", "acts", "next_step"))
    assert name in cli("statuses").out


# -------------------------------------------------------------------------------- bad input


def test_no_devnet_is_told_with_what_to_do(cli, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    ran = cli("account", "show")
    assert ran.code == 2
    assert "poolhand devnet up" in ran.err
    told = cli("account", "show", "--json").error
    assert told["code"] == "no-devnet"
    assert "in the folder of one that runs" in told["message"]
    assert "--chain" in told["message"]


def test_a_verb_that_takes_no_chain_does_not_advise_to_name_one(cli, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    ran = cli("devnet", "info")
    assert (ran.code, "poolhand devnet up" in ran.err, "--chain" in ran.err) == (2, True, False)


def test_a_chain_that_is_named_needs_no_devnet(cli, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    hub, who = str(cli.market.chain.facts.hub), str(cli.market.wallet.address)
    ran = cli("account", "show", who, "--rpc", "http://a", "--rpc", "http://b", "--hub", hub)
    assert ran.code == 0
    assert cli.settings[-1].chain.rpc_urls == ("http://a", "http://b")
    missing = cli("account", "show", who, "--rpc", "http://a", "--json")
    assert (missing.code, missing.error["code"]) == (2, "bad-setting")


@pytest.mark.parametrize(
    "words",
    [
        ("account", "show", "0x12"),
        ("account", "deposit", "lots"),
        ("account", "deposit", "0.0000000001"),
        ("deal", "show", "0x" + "zz" * 32),
        ("task", "show", "123"),
        ("app", "show", "0x" + "00" * 20),
        ("deal", "show", "0x" + "00" * 32),
        ("run", IMAGE, "--tag", "fast"),
        ("run", IMAGE, "--dataset", "0x1"),
        ("run", IMAGE, "--trust", "5", "--tag", "tee"),
        ("run", IMAGE, "--max-price", "cheap"),
        ("run", IMAGE, "--tasks", "0"),
        ("run",),
        ("nonsense",),
        ("wallet",),
    ],
)
def test_bad_input_is_one_line_and_exit_2(cli, words):
    ran = cli(*words)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    told = cli(*words, "--json")
    assert (told.code, set(told.error)) == (2, {"code", "message"})
    assert told.err == ""


def test_a_chain_that_is_away_is_exit_4(cli):
    cli.market.chain.outage = True
    ran = cli("account", "show", "--json")
    assert (ran.code, ran.error["code"]) == (4, "chain-unreachable")


def test_a_bug_is_exit_70_with_a_trace_file_and_no_stack_trace(cli):
    cli.market.chain.hub = None
    ran = cli("account", "show")
    assert ran.code == 70
    assert ran.err.count("\n") == 1
    trace = Path(ran.err.split()[-1])
    assert trace.name.startswith("poolhand-")
    assert "Traceback" in trace.read_text()
    assert trace.stat().st_mode & 0o777 == 0o600
    trace.unlink()


def test_a_wallet_that_a_program_of_the_devnet_uses_is_not_spent_from(cli, monkeypatch):
    monkeypatch.delenv("POOLHAND_LOCKS")
    cli.market.clock = _Skipping()
    with WalletLock(cli.home / "locks", cli.market.wallet.address):
        ran = cli("account", "deposit", "1", "--json")
    assert (ran.code, ran.error["code"]) == (2, "wallet-in-use")


class _Skipping:
    """Waiting costs nothing."""

    def now(self):
        return 0

    async def sleep(self, _seconds):
        await asyncio.sleep(0)


def test_ids_stay_whole_for_a_pipe(cli, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    told = cli("deal", "show", bought["deal_id"]).out
    assert bought["deal_id"] in told


def test_what_a_devnet_was_told_is_forgotten_with_its_folder(cli):
    assert cli("account", "deposit", "1").code == 0
    assert cli.settings[-1].state == cli.home.resolve() / "requester"


def test_logs_never_mix_with_the_answer(cli):
    assert cli("account", "deposit", "1").code == 0
    [journal] = (cli.home / "requester").glob("*/*.journal")
    torn = '{"half a line of a crash'
    journal.write_text(journal.read_text() + torn)
    ran = cli("account", "deposit", "1", "--json")
    assert ran.json["stake_nrlc"] == 102 * RLC
    assert "journal tail cut" in ran.err


def test_a_corrupt_journal_line_is_told_with_file_and_line(cli):
    assert cli("run", IMAGE, "--no-wait").code == 0
    [journal] = (cli.home / "requester").glob("*/*.journal")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0].replace("salt", "sa1t", 1), *lines[1:]]))
    ran = cli("account", "deposit", "1", "--json")
    assert (ran.code, ran.error["code"]) == (2, "journal-corrupt")
    assert str(journal) in ran.error["message"]


def test_an_interrupt_is_exit_130_and_says_how_to_go_on(cli):
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    cli.market.clock = _Interrupted()
    ran = cli("task", "watch", bought["task_ids"][0])
    assert ran.code == 130
    assert f"poolhand task watch {bought['task_ids'][0]}" in ran.err


class _Interrupted:
    def now(self):
        return 0

    async def sleep(self, _seconds):
        raise KeyboardInterrupt
