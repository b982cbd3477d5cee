"""Earnings: the same on a page, in CSV and in JSON, and checked against the chain to the nRLC."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest

from poolhand.chain.earnings_watch import BLOCKS_TO_SETTLE, EarningsWatch
from poolhand.cli.render import day
from poolhand.domain.earnings import EarningEntry
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, BlockHash, DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.onchain import (
    Claim,
    Contribute,
    ContributeAndFinalize,
    Deposit,
    Finalize,
    Initialize,
    Reveal,
)
from poolhand.domain.units import NanoRlc, UnixSeconds, Wei
from poolhand.keys.wallet import Wallet
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.transport.clock import SystemClock
from poolhand.worker.earnings_file import EARNINGS_FILE, EarningsFile
from requester_market import IMAGE, RLC

LIAR, GOOD, FIRST = (Wallet.from_key(bytes([number] * 32)) for number in (3, 4, 5))
RIGHT, WRONG = ResultDigest(bytes([9] * 32)), ResultDigest(bytes([8] * 32))
GAS = 300_000


class Trade:
    """Three days: a task that a liar loses, one that ends at once, and one that nobody does."""

    def __init__(self, cli):
        self.cli, self.chain, self.owner = cli, cli.market.chain, cli.market.pool.owner
        self.chain.gas_price = Wei(7)
        for wallet in (LIAR, GOOD, FIRST, self.owner, cli.market.wallet):
            self.chain.fund(wallet.address, rlc=NanoRlc(100 * RLC), coin=Wei(10**18))
        self.chain.set_score(GOOD.address, 400)
        for wallet in (LIAR, GOOD, FIRST):
            self.send(wallet, Deposit(NanoRlc(50 * RLC)))

    def send(self, wallet, call):
        self.count = getattr(self, "count", 0) + 1
        return asyncio.run(self.chain.sender(wallet).send(f"step {self.count}", call))

    def buy(self, *words):
        bought = self.cli("run", IMAGE, "--no-wait", "--json", *words).json
        deal_id = DealId.parse(bought["deal_id"])
        task_id = TaskId.parse(bought["task_ids"][0])
        self.send(self.owner, Initialize(((deal_id, 0),)))
        return task_id

    def contribute(self, wallet, task_id, digest):
        signed = self.owner.sign_authorization(wallet.address, task_id, ZERO_ADDRESS)
        seal = result_seal(wallet.address, task_id, digest)
        self.send(wallet, Contribute(task_id, result_hash(task_id, digest), seal, signed))

    def contested(self):
        task_id = self.buy("--trust", "3", "--args", "a")
        self.contribute(LIAR, task_id, WRONG)
        self.contribute(GOOD, task_id, RIGHT)
        self.send(GOOD, Reveal(task_id, RIGHT))
        self.send(self.owner, Finalize(task_id, b"{}", b""))
        return task_id

    def quick(self):
        task_id = self.buy("--args", "b")
        signed = self.owner.sign_authorization(FIRST.address, task_id, ZERO_ADDRESS)
        self.send(FIRST, ContributeAndFinalize(task_id, RIGHT, b"{}", b"", signed))
        return task_id

    def failed(self):
        task_id = self.buy("--args", "c")
        self.chain.mine(3000)
        self.send(self.owner, Claim((task_id,)))
        return task_id

    def told(self, wallet, *words):
        return self.cli("earnings", str(wallet.address), *words, "--json").json


@pytest.fixture
def trade(cli):
    made = Trade(cli)
    made.first = made.contested()
    made.chain.mine(86_400)
    made.second = made.quick()
    made.chain.mine(86_400)
    made.third = made.failed()
    return made


@pytest.mark.case("E11")
def test_a_workers_earnings_are_those_of_the_chain_to_the_nrlc(trade):
    account = trade.chain.state
    found = trade.told(GOOD)
    assert found["total"]["earned_nrlc"] == account.stake_of(GOOD.address) - 50 * RLC > 0
    assert (found["total"]["lost_nrlc"], found["total"]["tasks"]) == (0, 1)
    assert found["total"]["gas_wei"] == 3 * GAS * 7  # deposit, contribution, reveal
    assert (found["moved"]["deposit_nrlc"], found["checked"]) == (50 * RLC, True)
    lost = trade.told(LIAR)
    assert lost["total"]["lost_nrlc"] == 50 * RLC - account.stake_of(LIAR.address) > 0
    assert (lost["total"]["earned_nrlc"], lost["total"]["roles"]) == (0, ["worker"])
    assert lost["checked"] is True
    quick = trade.told(FIRST, "--by", "task")
    (row,) = [each for each in quick["rows"] if each["task"] == str(trade.second)]
    assert row["earned_nrlc"] == account.stake_of(FIRST.address) - 50 * RLC > 0
    assert row["gas_wei"] == GAS * 7


@pytest.mark.case("E11")
def test_a_pool_owner_sees_what_a_failed_task_cost_and_its_buyer_what_it_paid(trade):
    found = trade.told(trade.owner)
    days = found["rows"]
    assert [each["day"] for each in days] == ["2023-11-16", "2023-11-15", "2023-11-14"]
    assert (days[0]["lost_nrlc"], days[0]["earned_nrlc"]) == (6 * RLC // 10, 0)
    assert days[1]["earned_nrlc"] > 0
    assert set(found["total"]["roles"]) == {"pool owner"}
    assert found["total"]["gas_wei"] >= 5 * GAS * 7
    assert found["checked"] is True
    buyer = trade.cli("earnings", "--json", "--blocks", str(trade.chain.head.number)).json
    assert buyer["total"]["paid_nrlc"] == 4 * RLC  # the third was refunded
    assert buyer["total"]["roles"] == ["requester"]
    assert buyer["checked"] is True


@pytest.mark.case("E11")
@pytest.mark.parametrize("by", ["day", "task"])
def test_page_csv_and_json_tell_the_same(trade, monkeypatch, by):
    monkeypatch.setenv("COLUMNS", "80")
    words = ("earnings", str(trade.owner.address), "--by", by)
    rows = trade.cli(*words, "--json").json["rows"]
    read = list(csv.DictReader(io.StringIO(trade.cli(*words, "--csv").out)))
    for row, line in zip(rows, read, strict=True):
        told = {**row, "roles": "+".join(row["roles"])}
        assert {name: str(value) for name, value in told.items()} == line
        assert Decimal(line["earned_rlc"]) * RLC == row["earned_nrlc"]
        assert Decimal(line["gas_coin"]) * 10**18 == row["gas_wei"]
        assert not [value for value in line.values() if value[:1] in ("=", "+", "-", "@", "\t")]
    page = trade.cli(*words).out
    assert max(map(len, page.splitlines())) <= 80
    assert "yes: stake and locked stake changed by exactly this" in page
    for row in rows:
        assert row[by] in page


@pytest.mark.case("E6", "E11")
def test_a_narrow_terminal_breaks_no_id_of_a_task(trade, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    page = trade.cli("earnings", str(FIRST.address), "--by", "task").out
    assert str(trade.second) in page.split()


@pytest.mark.case("E11")
def test_what_cannot_be_checked_is_said_not_to_be(trade):
    trade.chain.fund(GOOD.address, stake=5)  # out of nothing, as no contract would
    assert trade.told(GOOD)["unexplained"] == {"stake_nrlc": 5, "locked_nrlc": 0}
    told = trade.cli("earnings", str(GOOD.address)).out
    assert "NO: 0.000000005 RLC of free and 0 RLC of locked stake" in told


def test_who_did_nothing_earned_nothing(cli):
    nobody = Wallet.from_key(bytes([77] * 32))
    found = cli("earnings", str(nobody.address), "--json").json
    assert (found["rows"], found["total"]["earned_nrlc"], found["checked"]) == ([], 0, True)
    assert "earned" in cli("earnings", str(nobody.address)).out


class Books:
    """What a worker's own books say, read as its program reads them."""

    def __init__(self, trade, wallet, folder):
        self.chain, self.wallet = trade.chain, wallet
        self.file = EarningsFile(folder, "me")
        self.clock = SystemClock()

    def watch(self, pools=None):
        hub, watcher = self.chain.hub, self.chain.watcher
        return EarningsWatch(
            self.wallet.address, hub, watcher, self.file, self.clock, FaultBoundary(), pools
        )

    async def read(self, watch):
        await watch.look(self.chain.head)
        await watch.keep_reading_back()
        return watch.read.book


@pytest.mark.parametrize("wallet", [LIAR, GOOD, FIRST])
def test_a_workers_own_books_are_those_of_the_chain_to_the_nrlc(trade, tmp_path, wallet):
    """Wins, a loss, a task that times out and is claimed; over days, and after a restart."""
    books = Books(trade, wallet, tmp_path)
    trade.chain.mine(blocks=BLOCKS_TO_SETTLE)  # deep enough to be kept
    book = asyncio.run(books.read(books.watch()))
    assert books.file.read().book.total() == book.total()
    told = trade.told(wallet, "--blocks", str(trade.chain.head.number + 1))
    total = book.total()
    assert (total.earned, total.lost, total.gas) == (
        told["total"]["earned_nrlc"],
        told["total"]["lost_nrlc"],
        told["total"]["gas_wei"],
    )
    assert total.earned - total.lost == trade.chain.state.stake_of(wallet.address) - 50 * RLC
    days = {day(at): row for at, row in book.days.items()}
    assert {name: (row.earned, row.gas) for name, row in days.items()} == {
        each["day"]: (each["earned_nrlc"], each["gas_wei"]) for each in told["rows"]
    }
    trade.chain.mine(blocks=BLOCKS_TO_SETTLE)
    again = books.watch()
    asyncio.run(again.look(trade.chain.head))
    assert again.read.book.total() == total
    assert again.read.book.is_whole


@pytest.mark.parametrize("who", ["worker", "pool owner", "buyer"])
def test_books_that_follow_every_block_count_each_of_them_once(trade, tmp_path, who):
    market = trade.cli.market
    wallet = {"worker": GOOD, "pool owner": trade.owner, "buyer": market.wallet}[who]
    books = Books(trade, wallet, tmp_path)
    trade.chain.mine(blocks=BLOCKS_TO_SETTLE)
    pools = (market.pool.workerpool,) if who == "pool owner" else None
    watch, hub = books.watch(pools), trade.chain.hub

    async def follow():
        for number in range(trade.chain.head.number + 1):
            await watch.look(await hub.block(number))

    asyncio.run(follow())
    told = trade.told(wallet, "--blocks", str(trade.chain.head.number + 1))["total"]
    total = watch.read.book.total()
    assert (total.earned, total.lost, total.paid, total.gas) == (
        told["earned_nrlc"],
        told["lost_nrlc"],
        told["paid_nrlc"],
        told["gas_wei"],
    )


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("{", ""),
        ('"last_hash":"0x', '"last_hash":"'),
        ('"0x', '"0y'),
        (":0", ":0.5"),
        ('"days"', '"d"'),
    ],
)
def test_a_damaged_file_is_made_anew_from_the_chain(trade, tmp_path, good, bad):
    books = Books(trade, GOOD, tmp_path)
    trade.chain.mine(blocks=BLOCKS_TO_SETTLE)
    total = asyncio.run(books.read(books.watch())).total()
    file = tmp_path / EARNINGS_FILE
    whole = file.read_text()
    assert good in whole
    file.write_text(whole.replace(good, bad))
    assert books.file.read() is None
    assert asyncio.run(books.read(books.watch())).total() == total
    assert books.file.read() is not None


def test_books_of_another_life_of_the_chain_are_read_anew(trade, tmp_path):
    """A devnet that began anew has the same hub and wallets, and grows as long as the last one."""
    books = Books(trade, GOOD, tmp_path)
    trade.chain.mine(blocks=BLOCKS_TO_SETTLE)
    total = asyncio.run(books.read(books.watch())).total()
    kept = books.file.read()
    more = EarningEntry(UnixSeconds(0), TxHash(bytes(32)), None, earned=NanoRlc(7))
    forged = kept.book.plus([more], kept.book.first, kept.book.last)
    books.file.write(replace(kept, book=forged))
    assert (
        asyncio.run(books.read(books.watch())).total().earned == total.earned + 7
    )  # taken as it is
    books.file.write(replace(kept, book=forged, last_hash=BlockHash(bytes(32))))
    assert asyncio.run(books.read(books.watch())).total() == total
