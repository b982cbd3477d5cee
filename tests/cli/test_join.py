"""`poolhand join` on a fake chain: cut off at every step, the same command goes on."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cli_world import CHEAP, PASSWORD

from poolhand.cli.command_run import CommandRun
from poolhand.cli.join_engine import join_pool
from poolhand.cli.join_folder import JoinFolder
from poolhand.cli.join_wallet import WalletWish
from poolhand.cli.join_world import (
    SLOW_LIMIT,
    START_LIMIT,
    ComputerNotReady,
    JoinTerms,
    ThisComputer,
    WorkerDidNotStart,
)
from poolhand.devnet.accounts import DEPLOYER, derive
from poolhand.domain.doctor.findings import Check, Examination, failed, warned
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.joining import wished_coin
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.errors import WrongPassword
from poolhand.keys.keystore import import_wallet
from poolhand.keys.stored import list_wallets
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace, join_set
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel
from poolhand.settings.chains import KNOWN_CHAINS
from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings
from poolhand.settings.load import load
from poolhand.transport.clock import ManualClock
from poolhand.wire.pool_api import PoolConfig
from poolhand.worker import pid_file
from requester_market import Killed

RLC, COIN = 10**9, 10**18
KEY = bytes([0x51] * 32).hex()
ACTS = ("get_wallet", "wait_for_money", "deposit", "set_up", "start")


class PagedLauncher:
    """Starts a *simulated* worker: a pid file of this process, and a page that answers.

    ``slow`` is how often it is asked whether it is at work before it answers; None: it never does
    and has ended.
    """

    told = "a page in the test"

    def __init__(self, folder):
        self.folder, self.starts, self.registered, self.server = folder, 0, 0, None
        self.slow, self.is_let_in = 0, True

    @property
    def is_registered(self):
        return self.registered > 0

    def register(self):
        self.registered += 1

    def start(self):
        self.starts += 1
        if self.slow == 0:
            self.answer()

    def is_at_work(self):
        if self.slow is None:
            return False
        self.slow -= 1
        if self.slow == 0:
            self.answer()
        return True

    def answer(self):
        told = json.dumps({"connected": self.is_let_in}).encode()

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.folder.worker.mkdir(parents=True)
        pid_file.post(self.folder.worker, f"http://127.0.0.1:{self.server.server_port}", "t")

    def remove(self):
        self.stop()

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()


class Hasty(ManualClock):
    """Nobody waits."""

    async def sleep(self, seconds):
        self.advance(seconds)


class Until:
    """A world that is killed before or after its n-th act."""

    def __init__(self, world, acts, *, after):
        self.world, self.left, self.after = world, acts, after

    def __getattr__(self, name):
        act = getattr(self.world, name)
        return act if name not in ACTS else lambda *given: self._do(act, given)

    async def _do(self, act, given):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        await act(*given)
        if self.left == 0:
            raise Killed


class Newcomer:
    """A computer, a wallet somewhere, a pool on the fake chain."""

    def __init__(self, cli):
        self.cli, self.market = cli, cli.market
        pool, facts = self.market.pool, self.market.chain.facts
        place = JoinPlace(facts.chain_id, facts.hub, pool.workerpool, "http://127.0.0.1:1", "")
        self.manifest = join_set(place, pool.owner, OwnWheel(WHEEL_NAME, b""), "").manifest
        self.config = PoolConfig(
            chain_id=facts.chain_id,
            hub=facts.hub,
            workerpool=pool.workerpool,
            owner=pool.owner.address,
            results_url="http://results.test",
            prices={0: NanoRlc(10 * RLC)},
        )
        self.findings, self.examined, self.is_here = (), 0, False
        self.folder = JoinFolder.of(pool.workerpool, cli.home / "computer")
        self.launcher, self.clock = PagedLauncher(self.folder), Hasty()
        self.secret = cli.home / "secret"
        self.secret.write_text(PASSWORD + "\n")
        deployer = Address.parse(derive(DEPLOYER).address)
        self.market.chain.fund(deployer, rlc=10**6 * RLC, coin=10**4 * COIN)
        self.market.chain.gas_price, self.market.chain.gas_cap = Wei(10**9), Wei(22 * 10**9)

    def command(self, **flags):
        given = {
            "rpc": ["http://chain.test"],
            "hub": str(self.manifest.hub),
            "chain_id": str(self.manifest.chain_id),
            "password_file": str(self.secret),
            "state": str(self.folder.path / "payments"),
            **flags,
        }
        return CommandRun(given, opener=self.cli.open)

    def is_on(self, chain, *, rpc, is_here):
        """Let the pool say that it is on a chain with a public one's id."""
        alike = {"chain_id": KNOWN_CHAINS[chain].chain_id, "hub": KNOWN_CHAINS[chain].hub}
        self.manifest = self.manifest.model_copy(update={**alike, "rpc": rpc})
        self.is_here = is_here

    async def examine(self):
        self.examined += 1
        return Examination(self.findings)

    def joined(self, wish=WalletWish(), acts=0, *, after=False, yes=True):
        """Give the command; it is cut off at the n-th act, unless that is 0."""

        async def give():
            command = self.command()
            terms = JoinTerms(self.manifest, self.config, 30, 2, None, yes, "", self.is_here)
            async with command.requester() as requester:
                world = ThisComputer(
                    command,
                    requester,
                    terms,
                    wish,
                    self.folder,
                    self.launcher,
                    self.examine,
                    self.clock,
                    self.clock.now,
                )
                return await join_pool(Until(world, acts, after=after))

        return asyncio.run(give())

    @property
    def staked(self):
        return self.market.chain.state.stake.get(self.folder.wallet(), 0)


@pytest.fixture
def newcomer(cli):
    made = Newcomer(cli)
    yield made
    made.launcher.stop()


@pytest.fixture
def own(newcomer):
    """A wallet of one's own, cheap to open."""
    stored = import_wallet(newcomer.cli.home / "keystore", KEY, PASSWORD, cost=CHEAP)
    return WalletWish(named=str(stored.path))


@pytest.mark.parametrize("like", [None, "arbitrum"])
def test_a_fresh_wallet_on_a_devnet_needs_nobody(newcomer, like):
    if like is not None:
        newcomer.is_on(like, rpc="http://chain.test", is_here=True)
    seen = newcomer.joined()
    assert seen.is_running
    (stored,) = list_wallets(newcomer.cli.home / "keystore")
    assert stored.address == seen.wallet == newcomer.folder.wallet()
    assert newcomer.staked == 2 * 3 * RLC  # 30 % of the price, in each of two slots
    chain = newcomer.market.chain
    assert seen.coin >= wished_coin(chain.gas_price, chain.gas_cap) // 2 > 0
    settings = newcomer.folder.read()
    assert settings["wallet"] == str(stored.path)
    assert settings["password-file"] == str(newcomer.secret)
    chain = doctor_settings(load(DOCTOR_OPTIONS, {}, {}, newcomer.folder.settings), {}).chain
    assert (chain.rpc_urls, chain.hub) == (("http://chain.test",), newcomer.manifest.hub)
    assert chain.chain_id == newcomer.manifest.chain_id
    assert settings["allow-private"] == "true"  # the pool is on this very computer
    assert PASSWORD not in newcomer.folder.settings.read_text()
    assert newcomer.joined() == seen
    assert newcomer.launcher.starts == 1


@pytest.mark.parametrize(
    ("rpc", "is_here"), [("", False), ("", True), ("http://chain.test", False)]
)
def test_a_near_node_of_a_public_chain_has_no_faucet_for_who_joins(newcomer, own, rpc, is_here):
    newcomer.is_on("arbitrum", rpc=rpc, is_here=is_here)
    with suppress(Killed):
        newcomer.joined(own, acts=2, after=True)
        pytest.fail("it does not wait for money")
    mine = newcomer.folder.wallet()
    chain = newcomer.market.chain.state
    assert (chain.rlc_of(mine), chain.coin_of(mine)) == (0, 0)


def test_a_worker_on_a_public_chain_asks_the_node_that_its_joiner_named(newcomer, own):
    public = KNOWN_CHAINS["arbitrum"]
    node = "https://node.example/key"
    newcomer.command = partial(
        Newcomer.command, newcomer, chain="arbitrum", rpc=[node], hub="", chain_id=""
    )
    mine = Wallet.from_key(bytes.fromhex(KEY)).address
    newcomer.market.chain.fund(mine, rlc=10 * RLC, coin=COIN)
    newcomer.joined(own)
    chain = doctor_settings(load(DOCTOR_OPTIONS, {}, {}, newcomer.folder.settings), {}).chain
    assert (chain.rpc_urls, chain.hub) == ((node,), public.hub)
    assert chain.chain_id == public.chain_id


@pytest.mark.parametrize("kept", ["key", "words", "file", "folder"])
def test_a_wallet_that_one_has_is_taken_however_it_was_kept(newcomer, kept):
    secret, folder = newcomer.cli.home / "kept", newcomer.cli.home / "keystore"
    mine = Wallet.from_key(bytes.fromhex(KEY)).address
    if kept == "key":
        secret.write_text(KEY + "\n")
        wish = WalletWish(key_file=str(secret))
    elif kept == "words":
        secret.write_text(" ".join(["abandon"] * 11 + ["about"]) + "\n")
        mine = Address.parse("0x9858EfFD232B4033E47d90003D41EC34EcaEda94")
        wish = WalletWish(words_file=str(secret))
    else:
        place = folder if kept == "folder" else newcomer.cli.home / "elsewhere"
        stored = import_wallet(place, KEY, PASSWORD, cost=CHEAP)
        wish = WalletWish(named=str(mine) if kept == "folder" else str(stored.path))
    assert newcomer.joined(wish).wallet == mine
    assert len(list_wallets(folder)) == (0 if kept == "file" else 1)
    assert newcomer.staked == 2 * 3 * RLC


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("act", range(1, len(ACTS) + 1))
def test_cut_off_at_any_step_the_same_command_goes_on(newcomer, own, act, after):
    with suppress(Killed):
        newcomer.joined(own, act, after=after)
        pytest.fail("it was not cut off")
    seen = newcomer.joined(own)
    assert seen.is_running
    assert newcomer.staked == 2 * 3 * RLC
    sent = [each.sent for each in newcomer.market.chain.mined() if each.sent.sender == seen.wallet]
    assert [each.call for each in sent] == [Deposit(NanoRlc(6 * RLC))]
    assert (newcomer.launcher.starts, newcomer.launcher.registered) == (1, 1)
    assert len(list_wallets(newcomer.cli.home / "keystore")) == 1


def test_a_wallet_that_was_made_and_not_told_is_not_left_behind(newcomer):
    staged = newcomer.folder.stage()
    import_wallet(staged, KEY, "another", cost=CHEAP)
    seen = newcomer.joined()
    assert [each.address for each in list_wallets(newcomer.cli.home / "keystore")] == [seen.wallet]
    assert newcomer.folder.staged() is None


def test_a_made_wallet_is_brought_to_its_place_by_the_next_look(newcomer):
    staged = newcomer.folder.stage()
    made = import_wallet(staged, KEY, PASSWORD, cost=CHEAP)
    place = newcomer.cli.home / "keystore" / made.path.name
    newcomer.folder.write({"wallet": str(place), "password-file": "x"}, made.address)
    assert newcomer.folder.wallet() == made.address
    assert place.exists()


def test_a_worker_that_is_at_work_is_waited_for_on_a_slow_computer(newcomer, own):
    newcomer.launcher.slow, began = 50, newcomer.clock.now()
    assert newcomer.joined(own).is_running
    assert START_LIMIT < newcomer.clock.now() - began < SLOW_LIMIT
    assert newcomer.launcher.starts == 1


@pytest.mark.parametrize(("slow", "limit"), [(None, START_LIMIT), (10**6, SLOW_LIMIT)])
def test_a_worker_that_does_not_answer_in_time_is_told(newcomer, own, slow, limit):
    newcomer.launcher.slow, began = slow, newcomer.clock.now()
    newcomer.folder.path.mkdir(parents=True)
    newcomer.folder.log.write_text("one\nno engine\n")
    with pytest.raises(WorkerDidNotStart, match=r"one / no engine.*give the same command again"):
        newcomer.joined(own)
    assert newcomer.clock.now() - began == limit


def test_a_worker_that_is_not_let_in_is_shown_after_a_while(newcomer, own):
    newcomer.launcher.is_let_in, began = False, newcomer.clock.now()
    assert newcomer.joined(own).is_running
    assert newcomer.clock.now() - began == START_LIMIT


def test_a_computer_that_is_not_ready_is_told_before_anything_is_paid(newcomer, own):
    short = failed(Check.GAS, "there is no coin", "send some")
    newcomer.findings = (failed(Check.CPUS, "there is 1 CPU", "take another computer"), short)
    with pytest.raises(ComputerNotReady, match="cpus: there is 1 CPU: take another computer"):
        newcomer.joined(own)
    assert newcomer.staked == 0
    newcomer.findings = (short, warned(Check.PROXY, "a proxy is named", "nothing to do"))
    assert newcomer.joined(own).is_running
    before = newcomer.examined
    newcomer.joined(own)
    assert newcomer.examined == before  # one that runs is left alone


def test_nothing_is_deposited_without_a_yes(newcomer, own):
    with pytest.raises(Refused, match="you need to deposit 6 RLC"):
        newcomer.joined(own, yes=False)
    assert newcomer.staked == 0
    newcomer.config = newcomer.config.model_copy(update={"by_invitation": True})
    with pytest.raises(Refused, match="only workers whom its owner has named; you need to deposit"):
        newcomer.joined(own, yes=False)


def test_a_wrong_password_leaves_nothing_behind(newcomer, own):
    newcomer.secret.write_text("wrong\n")
    with pytest.raises(WrongPassword):
        newcomer.joined(own)
    assert newcomer.folder.read() == {}


def test_taken_away_it_leaves_wallets_and_nothing_else(newcomer, own):
    newcomer.joined(own)
    newcomer.folder.remove()
    home = newcomer.cli.home / "computer"
    assert [each.name for each in home.rglob("*")] == []
    assert len(list_wallets(newcomer.cli.home / "keystore")) == 1
