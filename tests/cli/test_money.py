"""Verbs that move money, and those that move a wallet."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
from cli_world import CHEAP, PASSWORD

from local_http import Handler, serving
from poolhand.devnet.accounts import DEPLOYER, derive
from poolhand.devnet.info import INFO_FILE, DevnetInfo, devnet_home
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Withdraw
from poolhand.domain.units import NanoRlc
from poolhand.keys.errors import WrongPassword
from poolhand.keys.keystore import import_wallet, open_wallet
from poolhand.keys.lock import WalletLock
from poolhand.settings.chains import KNOWN_CHAINS
from poolhand.transport.clock import ManualClock

RLC, COIN = 10**9, 10**18
FRIEND = Address(bytes([9] * 20))
KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


def state(cli):
    return cli.market.chain.state


@pytest.fixture
def faucet(cli):
    """Let the devnet's deployer have what a devnet's has."""
    deployer = Address.parse(derive(DEPLOYER).address)
    cli.market.chain.fund(deployer, rlc=10**6 * RLC, coin=10**4 * COIN)
    return cli


# ---------------------------------------------------------------------------------------- faucet


@pytest.mark.case("E9")
def test_the_faucet_gives_rlc_and_coin_to_any_address_of_a_devnet(faucet):
    ran = faucet("devnet", "faucet", str(FRIEND), "--json")
    assert ran.code == 0
    assert (ran.json["rlc_nrlc"], ran.json["coin_wei"]) == (1000 * RLC, COIN)
    assert (state(faucet).rlc_of(FRIEND), state(faucet).coin_of(FRIEND)) == (1000 * RLC, COIN)
    assert len(ran.json["transactions"]) == 2
    less = faucet("devnet", "faucet", str(FRIEND), "--rlc", "0.3RLC", "--coin", "0")
    assert less.code == 0
    assert "1000.3 RLC outside the hub" in less.out
    assert state(faucet).coin_of(FRIEND) == COIN


@pytest.mark.case("E9")
def test_the_faucet_works_on_a_devnet_that_is_named_by_hand_from_another_home(faucet, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    hub = str(faucet.market.chain.facts.hub)
    ran = faucet("devnet", "faucet", str(FRIEND), "--rpc", "http://chain.test", "--hub", hub)
    assert ran.code == 0
    assert state(faucet).rlc_of(FRIEND) == 1000 * RLC


@pytest.mark.case("E9")
@pytest.mark.parametrize("chain", KNOWN_CHAINS)
def test_on_a_public_chain_the_faucet_says_where_rlc_comes_from(faucet, chain):
    ran = faucet("devnet", "faucet", str(FRIEND), "--chain", chain, "--json")
    assert (ran.code, ran.error["code"]) == (2, "no-faucet-here")
    assert f"Where RLC comes from: on {chain}" in ran.error["message"]


def test_a_devnet_that_is_like_a_public_chain_has_its_faucet_all_the_same(faucet):
    alike = replace(DevnetInfo.read(devnet_home()), chain_id=KNOWN_CHAINS["arbitrum"].chain_id)
    (devnet_home() / INFO_FILE).write_text(json.dumps(alike.dump()))
    assert faucet("devnet", "faucet", str(FRIEND), "--json").code == 0
    assert state(faucet).rlc_of(FRIEND) == 1000 * RLC


@pytest.mark.parametrize("chain", KNOWN_CHAINS)
@pytest.mark.parametrize("own_devnet", [False, True])
def test_a_near_node_of_a_public_chain_is_not_taken_for_a_devnets(
    faucet, monkeypatch, chain, own_devnet
):
    public, node = KNOWN_CHAINS[chain], "http://127.0.0.1:8545"
    if own_devnet:  # which left its folder, and now another program has its port
        left = replace(DevnetInfo.read(devnet_home()), rpc_url=node)
        (devnet_home() / INFO_FILE).write_text(json.dumps(left.dump()))
    monkeypatch.setenv("POOLHAND_CHAIN_ID", str(public.chain_id))
    named = ("--rpc", node, "--hub", str(public.hub))
    ran = faucet("devnet", "faucet", str(FRIEND), *named, "--json")
    assert (ran.code, ran.error["code"]) == (2, "no-faucet-here")
    assert f"Where RLC comes from: on {chain}" in ran.error["message"]
    assert not faucet.settings, "the deployer's key was taken to a public chain"


@contextmanager
def node_of(client):
    """Serve a node that says which program it is."""

    class Answers(Handler):
        def do_POST(self):  # noqa: N802 - the name that is called
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_batch = isinstance(asked, list)
            told = [{"jsonrpc": "2.0", "id": each["id"], "result": client}
                    for each in (asked if is_batch else [asked])]  # fmt: skip
            body = json.dumps(told if is_batch else told[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Answers) as url:
        yield url


@pytest.mark.parametrize(
    ("client", "gives"),
    [("anvil/v1.7.1", True), ("nitro/v3.6.0", False), ("not-anvil/v1", False), (None, False)],
)
def test_a_devnet_like_a_public_chain_is_known_from_elsewhere_by_its_node(
    faucet, monkeypatch, client, gives
):
    public = KNOWN_CHAINS["arbitrum"]
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    with node_of(client) as node:
        named = ("--rpc", node, "--hub", str(public.hub), "--chain", "arbitrum")
        ran = faucet("devnet", "faucet", str(FRIEND), *named, "--json")
    assert (ran.code == 0) is gives, ran
    assert state(faucet).rlc_of(FRIEND) == (1000 * RLC if gives else 0)


def test_a_chain_whose_deployer_has_nothing_is_no_devnet(cli):
    ran = cli("devnet", "faucet", str(FRIEND), "--json")
    assert (ran.code, ran.error["code"]) == (2, "no-faucet-here")
    assert state(cli).rlc_of(FRIEND) == 0


# ------------------------------------------------------------------------------------------ send


@pytest.mark.case("E9")
@pytest.mark.parametrize("amount", [("1.5", "RLC"), ("1.5RLC",), ("1500000000nRLC",)])
def test_rlc_is_sent_however_it_is_typed(cli, amount):
    ran = cli("wallet", "send", *amount, str(FRIEND), "--yes", "--json")
    assert ran.code == 0
    assert state(cli).rlc_of(FRIEND) == ran.json["sent_nrlc"] == 3 * RLC // 2
    assert ran.json["rlc_nrlc"] == 1000 * RLC - 3 * RLC // 2
    assert ran.json["transaction"]["gas"] > 0


@pytest.mark.case("E9")
@pytest.mark.parametrize("amount", [("0.01", "ETH"), ("0.01xRLC",), ("10000000gwei",)])
def test_coin_is_sent_however_it_is_typed(cli, amount):
    payer = Address.parse(cli("wallet", "show", "--json").json["address"])
    cli.market.chain.fund(payer, coin=COIN)
    ran = cli("wallet", "send", *amount, str(FRIEND), "--yes", "--json")
    assert ran.code == 0
    assert state(cli).coin_of(FRIEND) == ran.json["sent_wei"] == COIN // 100


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("1.5", str(FRIEND)), "bad-amount"),
        ((str(FRIEND),), "bad-amount"),
        (("0RLC", str(FRIEND)), "nothing-to-move"),
        (("1RLC", "0x" + "00" * 20), "wrong-recipient"),
        (("1RLC", "somebody"), "bad-hex"),
        (("5000RLC", str(FRIEND)), "wallet-without-rlc"),
        (("5000ETH", str(FRIEND)), "wallet-without-coin"),
        (("1RLC", str(FRIEND)), "confirmation-missing"),
    ],
)
def test_what_should_not_be_sent_is_refused_and_nothing_moves(cli, words, code):
    yes = () if code == "confirmation-missing" else ("--yes",)
    ran = cli("wallet", "send", *words, *yes, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert state(cli).rlc_of(FRIEND) == state(cli).coin_of(FRIEND) == 0


def test_an_address_with_a_mistyped_letter_is_refused(cli):
    good = "0xB2157BF2fAb286b2A4170E3491Ac39770111Da3E"
    assert cli("wallet", "send", "1RLC", good, "--yes").code == 0
    assert cli("wallet", "send", "1RLC", good.lower(), "--yes").code == 0
    ran = cli("wallet", "send", "1RLC", good.replace("Da3E", "dA3E"), "--yes", "--json")
    assert (ran.code, ran.error["code"]) == (2, "wrong-recipient")


def test_rlc_is_not_sent_into_the_contracts(cli):
    facts = cli.market.chain.facts
    for contract in (facts.hub, facts.rlc):
        ran = cli("wallet", "send", "1RLC", str(contract), "--yes", "--json")
        assert ran.error["code"] == "wrong-recipient"
        assert "poolhand account deposit" in ran.error["message"]


# --------------------------------------------------------------------------------------- account


@pytest.mark.case("E9")
def test_a_deposit_of_an_empty_wallet_says_where_rlc_comes_from(cli):
    ran = cli("account", "deposit", "5000", "--json")
    assert (ran.code, ran.error["code"]) == (2, "wallet-without-rlc")
    address = cli("wallet", "show", "--json").json["address"]
    assert f"poolhand devnet faucet {address}" in ran.error["message"]


@pytest.mark.case("E25")
@pytest.mark.parametrize("amount", ["0", "0.0 RLC", "0nRLC"])
def test_a_deposit_or_withdrawal_of_nothing_sends_no_transaction(cli, amount):
    before = cli.market.chain.head.number
    for verb, code in (("deposit", "nothing-to-deposit"), ("withdraw", "nothing-to-move")):
        ran = cli("account", verb, amount, "--json")
        assert (ran.code, ran.error["code"]) == (2, code)
    assert cli.market.chain.head.number == before


@pytest.mark.case("E10")
def test_an_amount_with_its_unit_needs_no_quotes(cli):
    assert cli("account", "deposit", "1.5", "RLC", "--json").code == 0
    assert cli("account", "withdraw", "300000000nRLC", "--json").code == 0
    ran = cli("account", "deposit", "1.5", "ETH", "--json")
    assert (ran.code, ran.error["code"]) == (2, "bad-amount")


# --------------------------------------------------------------------------------------- wallets


@pytest.fixture
def mine(cli):
    """A wallet of one's own, with its password in a file."""
    secret = cli.home / "my-password"
    secret.write_text(PASSWORD + "\n")
    stored = import_wallet(cli.home / "keystore", KEY, PASSWORD, cost=CHEAP)
    return stored, ("--wallet", str(stored.address), "--password-file", str(secret))


@pytest.mark.case("E27")
def test_a_keystore_file_is_exported_as_it_is_for_its_owner_alone(cli, mine):
    stored, words = mine
    target = cli.home / "backup.json"
    ran = cli("wallet", "export", "--to", str(target), *words, "--json")
    assert (ran.code, ran.json["encrypted"], ran.json["file"]) == (0, True, str(target))
    assert target.read_bytes() == stored.path.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = cli("wallet", "export", "--to", str(target), *words, "--json")
    assert (again.code, again.error["code"]) == (2, "file-exists")
    folder = cli.home / "backups"
    folder.mkdir()
    ran = cli("wallet", "export", "--to", str(folder), *words, "--json")
    assert ran.json["file"] == str(folder / stored.path.name)


@pytest.mark.case("E27")
def test_a_private_key_is_exported_only_when_it_is_meant_and_never_shown(cli, mine):
    _, words = mine
    target = cli.home / "key"
    ask = ("wallet", "export", "--to", str(target), "--private-key", *words, "--json")
    assert cli(*ask).error["code"] == "confirmation-missing"
    assert not target.exists()
    ran = cli(*ask, "--yes")
    assert (ran.code, ran.json["encrypted"]) == (0, False)
    assert target.read_text() == f"0x{KEY}\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert KEY not in ran.out + ran.err


def test_a_file_that_cannot_be_written_is_told(cli, mine):
    ran = cli("wallet", "export", "--to", "/nonexistent/backup", *mine[1], "--json")
    assert (ran.code, ran.error["code"]) == (2, "file-unwritable")


@pytest.mark.case("E27")
def test_a_password_is_changed_in_place_and_the_old_one_opens_nothing_any_more(cli, mine):
    stored, words = mine
    new = cli.home / "new-password"
    new.write_text("another\n")
    ran = cli("wallet", "change-password", *words, "--new-password-file", str(new), "--json")
    assert (ran.code, ran.json["keystore"]) == (0, str(stored.path))
    assert stat.S_IMODE(stored.path.stat().st_mode) == 0o600
    assert open_wallet(stored.path, stored.path.parent, "another").address == stored.address
    with pytest.raises(WrongPassword):
        open_wallet(stored.path, stored.path.parent, PASSWORD)
    assert [each.name for each in stored.path.parent.iterdir()] == [stored.path.name]


def test_a_wrong_password_changes_nothing(cli, mine):
    stored, words = mine
    before = stored.path.read_bytes()
    wrong = cli.home / "wrong"
    wrong.write_text("wrong\n")
    told = ("--password-file", str(wrong), "--new-password-file", str(wrong), "--json")
    ran = cli("wallet", "change-password", *words[:2], *told)
    assert (ran.code, ran.error["code"]) == (2, "wrong-password")
    assert stored.path.read_bytes() == before


def test_an_account_of_the_devnet_keeps_its_password(cli):
    ran = cli("wallet", "change-password", "--json")
    assert (ran.code, ran.error["code"]) == (2, "devnet-password")


def test_wallets_are_exported_without_any_chain(cli, mine, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", "/nonexistent")
    stored, _ = mine
    target = cli.home / "copy"
    assert cli("wallet", "export", "--to", str(target)).code == 0
    assert json.loads(target.read_text())["version"] == 3
    assert target.read_bytes() == stored.path.read_bytes()


# ------------------------------------------------------------------------- wallets in use


@pytest.mark.parametrize("verb", ["pool serve", "worker start"])
def test_a_wallet_that_a_running_program_holds_is_not_waited_for(cli, monkeypatch, verb):
    monkeypatch.setattr(sys, "argv", ["/bin/poolhand", *verb.split()])
    address = Address.parse(cli("wallet", "show", "--json").json["address"])
    slept = cli.market.clock.now()
    with WalletLock(cli.home / "locks", address):
        ran = cli("account", "withdraw", "1", "--json")
    assert (ran.code, ran.error["code"]) == (2, "wallet-in-use")
    assert f"(`poolhand {verb}`)" in ran.error["message"]
    assert cli.market.clock.now() == slept, "it does not let go by itself"


def test_what_is_waited_for_is_said_at_once(cli, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/poolhand", "run", "docker.io/x:1"])
    address = Address.parse(cli("wallet", "show", "--json").json["address"])
    cli.market.clock = Releasing(lock := WalletLock(cli.home / "locks", address))
    lock.acquire()
    ran = cli("account", "deposit", "1")
    assert ran.code == 0
    assert f"in use by process {os.getpid()} (`poolhand run`): waiting for it, 20 s" in ran.err


class Releasing(ManualClock):
    """A clock in whose first pause the other program lets go."""

    def __init__(self, lock):
        super().__init__()
        self._lock = lock

    async def sleep(self, seconds):
        self._lock.release()
        self.advance(seconds)


@pytest.mark.parametrize(
    ("free", "told"), [(0, "there is nothing to withdraw"), (3, "withdraw 3 RLC or l")]
)
def test_a_withdrawal_of_more_than_is_free_says_what_is(cli, free, told):
    who = Address.parse(cli("wallet", "show", "--json").json["address"])
    has = cli("account", "show", "--json").json["stake_nrlc"]
    cli.market.chain.submit(who, Withdraw(NanoRlc(has - free * 10**9)))
    before = cli.market.chain.head.number
    ran = cli("account", "withdraw", "100", "--json")
    assert (ran.code, ran.error["code"]) == (2, "balance-too-low")
    assert f"has {free} RLC of free stake and not 100: {told}" in ran.error["message"]
    assert cli.market.chain.head.number == before
