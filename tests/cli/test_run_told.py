"""What a buyer is told before paying, while waiting, and when it goes wrong: never too late."""

from __future__ import annotations

import asyncio
import shutil
import stat
from hashlib import sha256

import pytest

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.params import split_arguments
from poolhand.keys.wallet import Wallet
from requester_market import IMAGE, RLC

WORKER, OTHER = Wallet.from_key(bytes([3] * 32)), Wallet.from_key(bytes([4] * 32))
WHY = "the app exited with code 3: no such file"


# ------------------------------------------------------------------- refused before it is paid


@pytest.mark.case("D4", "E7")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--args", "it's me"), "lost-arguments", "no arguments at all"),
        (("--args", "x ''"), "lost-arguments", "empty words"),
        (("--args", r"say \"hi\""), "lost-arguments", "no escapes"),
        (("--arg", ""), "lost-arguments", "empty argument"),
        (("--input", "data.csv"), "unreadable-input", "files of this machine"),
        (("--input", "/etc/hostname"), "unreadable-input", "https address or on IPFS"),
        (("--input", "file:///etc/hostname"), "unreadable-input", "files of this machine"),
        (("--input", "http://example.com/a"), "unreadable-input", "give its https address"),
        (("--input", "https://example.com/a b"), "unreadable-input", "write %20"),
        (("--input", "https://a\ud800b.example/x"), "unreadable-argument", "UTF-8"),
    ],
)
def test_what_is_known_to_fail_is_refused_and_nothing_is_registered_or_paid(cli, words, code, said):
    ran = cli("run", IMAGE, *words, "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert said in ran.error["message"]
    assert cli.market.deals == 0
    assert cli.market.pool.sold == []
    assert cli.market.chain.state.apps == {}


@pytest.mark.case("E7")
def test_what_the_pool_would_refuse_costs_nothing_not_even_the_apps_registration(cli):
    cli.market.pool.refuses = (400, "trust-out-of-reach", "trust 9 is out of reach: ask for 2")
    ran = cli("run", IMAGE, "--trust", "9", "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, "pool-refused")
    assert cli.market.chain.state.apps == {}
    cli.market.pool.refuses = None
    assert cli("run", IMAGE, "--trust", "2", "--no-wait", "--json").code == 0


@pytest.mark.case("D4")
def test_run_tells_the_words_that_the_app_gets_and_they_are_those_that_workers_give_it(cli):
    ran = cli("run", IMAGE, "--args", "--top 5", "--arg", "it's", "--arg", 'say "hi"', "--no-wait")
    assert """the app gets the arguments ["--top", "5", "it's", "say \\"hi\\""]""" in ran.err
    told = cli("run", IMAGE, "--args", '"it\'s" me', "--no-wait", "--json").json
    (deal,) = (d for i, d in cli.market.chain.state.deals.items() if str(i) == told["deal_id"])
    assert told["arguments"] == ["it's", "me"]
    from poolhand.domain.params import DealParams

    assert list(split_arguments(DealParams.parse(deal.params).args or "")) == ["it's", "me"]


@pytest.mark.case("D2")
def test_run_tells_how_the_app_will_find_its_input_files(cli):
    url = "https://example.com/a%20b.csv"
    ran = cli("run", IMAGE, "--input", url, "--no-wait")
    name = sha256(url.encode()).hexdigest()
    assert f"in /iexec_in as\n  {name}" in ran.err
    assert "docs/how-to/app-contract.md" in ran.err
    told = cli("run", IMAGE, "--input", url, "--no-wait", "--again", "--json").json
    assert told["input_files"] == [{"name": name, "url": url}]


# ------------------------------------------------------------------- the same purchase again


@pytest.mark.case("E8")
@pytest.mark.parametrize("home", ["kept", "lost", "damaged"])
def test_the_same_purchase_is_noticed_while_the_first_is_open(cli, home):
    first = cli("run", IMAGE, "--args", "a", "--no-wait", "--json").json
    (file,) = (cli.home / "requester").glob("*/*.deals")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if home == "lost":
        shutil.rmtree(cli.home / "requester")
    if home == "damaged":
        file.write_bytes(b"\xff{]\n")
    cli.market.chain.mine(130)
    ran = cli("run", IMAGE, "--args", "a", "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, "same-purchase-open")
    told = ran.error["message"]
    assert f"deal {first['deal_id']} of 2 minutes ago is still open" in told
    assert f"poolhand task watch {first['task_ids'][0]}" in told
    assert cli.market.deals == 1
    assert cli("run", IMAGE, "--args", "b", "--no-wait").code == 0
    assert cli("run", IMAGE, "--args", "a", "--no-wait", "--again").code == 0
    assert cli.market.deals == 3


@pytest.mark.case("E8")
def test_a_purchase_that_is_over_may_be_repeated(cli):
    first = cli("run", IMAGE, "--no-wait", "--json").json
    cli.market.chain.mine(3000)
    assert cli("run", IMAGE, "--no-wait").code == 0
    assert cli("deal", "claim", first["deal_id"]).code == 0


@pytest.mark.case("E8")
def test_ctrl_c_while_waiting_tells_deal_and_how_to_follow_it_and_the_repeat_is_noticed(cli):
    clock, cli.market.clock = cli.market.clock, _Interrupted()
    ran = cli("run", IMAGE)
    assert ran.code == 130
    (deal_id,) = map(str, cli.market.chain.state.deals)
    (task_id,) = (t for _, t in cli.market.chain.state.deals[DealId.parse(deal_id)].tasks())
    assert f"deal {deal_id} goes on without us" in ran.err
    assert f"`poolhand task watch {task_id}`" in ran.err
    cli.market.clock = clock
    assert cli("run", IMAGE, "--json").error["code"] == "same-purchase-open"
    cli.market.clock = _Interrupted()
    ran = cli("run", IMAGE, "--tasks", "2")
    assert (ran.code, "`poolhand deal watch 0x" in ran.err) == (130, True)


class _Interrupted:
    def now(self):
        return 0

    async def sleep(self, _seconds):
        raise KeyboardInterrupt


# ------------------------------------------------------------------- causes, and nobody left


def _tell(
    market, task_id: str, *replicates: dict, status: str = "RUNNING", obstacle: str | None = None
) -> None:
    deal_id = next(
        deal_id
        for deal_id, deal in market.chain.state.deals.items()
        if TaskId.parse(task_id) in dict(map(reversed, deal.tasks()))
    )
    market.pool.tasks[TaskId.parse(task_id)] = {
        "task_id": task_id,
        "deal_id": str(deal_id),
        "index": 0,
        "status": status,
        "meaning": "work goes on",
        "flow": "standard",
        "history": [],
        "transactions": [
            {"call": "initialize", "tx": "0x" + "77" * 32, "block": 7, "gas": None,
             "gas_price": None},
        ],
        "replicates": list(replicates),
        "obstacle": obstacle,
    }  # fmt: skip


def _replicate(wallet: Wallet, *statuses: tuple[str, str]) -> dict:
    history = [{"status": status, "at": 1, "detail": detail} for status, detail in statuses]
    return {
        "worker": str(wallet.address),
        "status": statuses[-1][0],
        "live": True,
        "history": history,
    }


FAILED = (("CREATED", ""), ("COMPUTE_FAILED", WHY), ("FAILED", ""))


class _Hurrying:
    """Every wait takes a chain's quarter of an hour, in which the pool tells something."""

    def __init__(self, market, tell):
        self.market, self.tell = market, tell

    def now(self):
        return self.market.chain.head.timestamp

    async def sleep(self, _seconds):
        for deal in tuple(self.market.chain.state.deals.values()):
            for _, task_id in deal.tasks():
                self.tell(str(task_id))
        self.market.chain.mine(900)
        await asyncio.sleep(0)


@pytest.mark.case("D7", "E7")
def test_run_says_at_once_why_all_workers_failed_and_when_the_price_comes_back(cli):
    market = cli.market
    market.pool.connected = [WORKER.address, OTHER.address]

    def tell(task_id):
        _tell(market, task_id, _replicate(WORKER, *FAILED), _replicate(OTHER, *FAILED))

    market.clock = _Hurrying(market, tell)
    ran = cli("run", IMAGE)
    assert ran.code == 1
    (deal,) = market.chain.state.deals.values()
    cause = f"worker {WORKER.address.short} COMPUTE_FAILED: {WHY} (next: requester: read the task's"
    assert cause in ran.err
    assert "no worker of this pool is left that could do it (2 had it)" in ran.err
    assert "its price of 2 RLC comes back at 2023-11-14 23:03:2" in ran.err
    assert "nothing must be done by hand" in ran.err
    assert "another workerpool would hardly do better: read why (`poolhand task logs" in ran.err
    assert ran.err.index(cause) < ran.err.index("no worker of this pool") < ran.err.index("TIMED")
    assert f"2 workers COMPUTE_FAILED: {WHY}" in ran.out
    assert "next: requester: read the task's logs" in ran.out
    assert deal.price == 2 * RLC


@pytest.mark.case("E7")
def test_where_not_the_app_failed_another_workerpool_is_offered(cli):
    market = cli.market
    market.pool.connected = [WORKER.address, OTHER.address]

    def tell(task_id):
        lost = _replicate(OTHER, ("CREATED", ""), ("WORKER_LOST", ""))
        _tell(market, task_id, _replicate(WORKER, *FAILED), {**lost, "live": False})

    market.clock = _Hurrying(market, tell)
    ran = cli("run", IMAGE)
    assert "buy it with --pool-url of another workerpool" in ran.err
    assert "would hardly do better" not in ran.err


def test_a_task_that_is_not_on_chain_yet_says_what_that_means(cli):
    ran = cli("run", IMAGE, "--no-wait")
    assert "UNSET" in ran.out
    assert "bought; the pool has not put it on chain yet" in " ".join(ran.out.split())


@pytest.mark.case("E7")
def test_a_worker_that_has_not_had_the_task_may_still_do_it(cli):
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    (task_id,) = bought["task_ids"]
    _tell(cli.market, task_id, _replicate(WORKER, *FAILED))
    cli.market.pool.connected = [WORKER.address, OTHER.address]
    assert cli("task", "show", task_id, "--json").json["nobody_left"] is False
    cli.market.pool.connected = [WORKER.address]
    assert cli("task", "show", task_id, "--json").json["nobody_left"] is True
    shown = cli("task", "show", task_id).out
    assert "no worker of this pool is left" in shown
    assert "workers are at it" not in shown
    _tell(cli.market, task_id, _replicate(WORKER, ("COMPUTING", "")))
    assert cli("task", "show", task_id, "--json").json["nobody_left"] is False
    _tell(cli.market, task_id, _replicate(WORKER, *FAILED), status="RUNNING_FAILED")
    cli.market.pool.connected = [WORKER.address, OTHER.address]
    assert cli("task", "show", task_id, "--json").json["nobody_left"] is True


@pytest.mark.case("A3", "E7")
def test_why_no_worker_that_is_there_can_do_it_is_told_in_the_pools_words(cli):
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    (task_id,) = bought["task_ids"]
    why = "none of this pool's 2 worker(s) has a GPU"
    _tell(cli.market, task_id, obstacle=f"{why}\x1b[31m")
    shown = cli("task", "show", task_id)
    assert why in shown.out.replace("\n", " ")
    assert "\x1b" not in shown.out
    assert cli("task", "show", task_id, "--json").json["nobody_left"] is True


@pytest.mark.case("E25")
def test_gas_of_which_the_pool_knows_nothing_is_told_as_such(cli):
    bought = cli("run", IMAGE, "--no-wait", "--json").json
    (task_id,) = bought["task_ids"]
    _tell(cli.market, task_id, _replicate(WORKER, ("COMPUTING", "")))
    told = cli("run", IMAGE, "--no-wait", "--again").out + cli("task", "show", task_id).out
    assert "None" not in told
    assert "the pool did not send it, or its database was restored since" in " ".join(told.split())


# ------------------------------------------------------------------- pages


HOSTILE = "\x1b[31mred\x1b[0m \u202egnp.exe " + "word " * 40 + "x" * 300


@pytest.mark.case("E24", "A11")
def test_pages_fit_80_columns_and_break_no_word_whatever_is_in_them(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    bought = cli("run", IMAGE, "--tasks", "2", "--args", "a", "--no-wait")
    deal_id = next(iter(cli.market.chain.state.deals))
    tasks = [str(task_id) for _, task_id in cli.market.chain.state.deals[deal_id].tasks()]
    failed = (("CREATED", ""), ("COMPUTE_FAILED", HOSTILE), ("FAILED", ""))
    for task_id in tasks:
        _tell(cli.market, task_id, _replicate(WORKER, *failed), _replicate(OTHER, *FAILED))
    pages = [
        bought.out,
        cli("run", IMAGE, "--tasks", "2", "--args", "b", "--no-wait").out,
        cli("deal", "show", str(deal_id)).out,
        cli("task", "show", tasks[0]).out,
    ]
    for page in pages:
        assert "\x1b" not in page
        assert "\u202e" not in page
        for line in page.splitlines():
            assert len(line) <= 80 or "x" * 300 in line
    for whole in (str(deal_id), *tasks):
        assert whole in pages[0]
        assert whole in pages[2]
    assert "x" * 300 in pages[3]  # never broken


@pytest.mark.case("E24")
def test_what_is_piped_is_never_wrapped(cli, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    bought = cli("run", IMAGE, "--args", "y" * 400, "--no-wait", "--json").json
    _tell(cli.market, bought["task_ids"][0], _replicate(WORKER, ("COMPUTE_FAILED", HOSTILE)))
    assert "y" * 400 in cli("deal", "show", bought["deal_id"]).out
    assert any("word " * 40 in line for line in
               cli("task", "show", bought["task_ids"][0]).out.splitlines())  # fmt: skip


@pytest.mark.case("E17")
def test_logs_of_a_task_are_shown_or_said_to_be_private(cli):
    (task_id,) = cli("run", IMAGE, "--no-wait", "--json").json["task_ids"]
    private = cli("task", "logs", task_id, "--json")
    assert (private.code, private.json["logs"]) == (0, [])  # to its requester, who has signed
    assert len(cli.market.pool.reader_sessions) == 1
    cli.market.pool.logs = {}
    assert "no worker has told" in cli("task", "logs", task_id).out
    printed = ("line one\nline two\n", "\x1b[2Joops")
    cli.market.pool.logs = {TaskId.parse(task_id): {WORKER.address: printed}}
    told = cli("task", "logs", task_id).out
    assert str(WORKER.address) in told
    assert "line one\nline two" in told.replace("  ", "")
    assert "\x1b" not in told
    (found,) = cli("task", "logs", task_id, "--json").json["logs"]
    assert (Address.parse(found["worker"]), found["stderr"]) == (WORKER.address, printed[1])


def test_run_tells_what_it_would_cost_before_anything_is_paid_and_once(cli):
    pool = cli.market.pool.workerpool
    ran = cli("run", IMAGE, "--tasks", "2", "--no-wait")
    told = [line for line in ran.err.splitlines() if "would cost" in line]
    assert len(told) == 1
    assert told[0].startswith("2 task(s) would cost 4 RLC, each 2 RLC: app 0x")
    assert told[0].endswith(f"pool {pool} 2 RLC")
    cli.market.pool.volume = 1
    ran = cli("run", IMAGE, "--tasks", "2", "--no-wait", "--again")
    assert "would cost" in ran.err
    assert ran.code == 2
    assert cli.market.deals == 1


def test_run_buys_from_the_pool_that_is_wished_alone(cli):
    ran = cli("run", IMAGE, "--pool", "0x" + "77" * 20, "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, "foreign-pool")
    assert cli("run", IMAGE, "--pool", str(cli.market.pool.workerpool), "--no-wait").code == 0


def test_the_market_of_the_devnet_is_asked_unless_another_or_a_pool_is_named(cli):
    for words, market, pool_first in (
        ((), "http://market.test", False),
        (("--market", "http://other.test"), "http://other.test", False),
        (("--pool-url", "http://pool.test"), "http://market.test", True),
    ):
        cli("run", IMAGE, "--no-wait", "--again", *words)
        settings = cli.settings[-1]
        assert (settings.market_url, settings.pool_first) == (market, pool_first)
