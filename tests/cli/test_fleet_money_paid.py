"""A fleet's money on a fake chain: told first, paid once, collected to the last nRLC."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from poolhand.cli.command_run import CommandRun
from poolhand.cli.fleet.collecting import CollectionToWorker, CollectTerms, collect
from poolhand.cli.fleet.folder import Fleet, FleetFolder
from poolhand.cli.fleet.funding import FleetFunder, OtherPayer, PayerIsWorker, PayerLacks
from poolhand.cli.fleet.wallets import make_wallets
from poolhand.cli.sending import WrongRecipient
from poolhand.domain.errors import Refused
from poolhand.domain.fleet_money import FleetWish
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei, show_rlc
from poolhand.keys.lock import WalletLock
from requester_market import Killed, kill_at

RLC, COIN = 10**9, 10**18
STAKE, GAS = NanoRlc(3 * RLC), Wei(COIN // 100)
HOME = Address(b"\xd0" * 20)
NOTHING = FleetWish(Wei(0), NanoRlc(0))
JUNK = "test test test test test test test test test test test junk"


class StartsNobody:
    """A launcher of workers that do not run."""

    def start(self, members):
        assert not list(members)


class Lab:
    """A fleet of three on the fake chain, and the devnet's requester who pays."""

    def __init__(self, cli, tmp_path):
        self.cli, self.chain = cli, cli.market.chain
        (tmp_path / "phrase").write_text(JUNK + "\n")
        self.folder = FleetFolder.of("lab")
        members = make_wallets(
            self.folder, 3, words_file=str(tmp_path / "phrase"), words_to="", yes=True
        )
        self.folder.settle()
        pool = str(cli.market.pool.workerpool)
        self.folder.write(Fleet("https://pool.test", pool, {}, 1, members, 3, members[0].address))
        self.members = members
        self.payer = cli.market.wallet.address
        self.chain.fund(self.payer, coin=Wei(COIN))

    def command(self, **flags):
        return CommandRun({"rpc": [], **flags}, opener=self.cli.open)

    def funds(self, *, stake=STAKE, coin=GAS, yes=True):
        funder = FleetFunder(self.command(), self.folder, stake, coin, yes=yes)
        return asyncio.run(funder.fund(self.folder.read()))

    def collects(self, keep=NOTHING, *, to=HOME, yes=True, elsewhere=False):
        terms = CollectTerms(to, keep, yes, elsewhere)
        there = self.command(state=str(self.folder.payments), wallet="")
        members = self.folder.read().members
        return asyncio.run(collect(there, self.folder, members, terms, StartsNobody()))

    def rlc(self, who):
        return self.chain.state.rlc_of(who)

    def stakes(self):
        return [self.chain.state.stake_of(each.wallet) for each in self.members]

    def coins(self):
        return [self.chain.state.coin_of(each.wallet) for each in self.members]


@pytest.fixture
def lab(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("POOLHAND_JOIN_HOME", str(tmp_path / "home"))
    return Lab(cli, tmp_path)


def test_all_are_funded_from_one_wallet_and_not_again(lab, capsys):
    had = lab.rlc(lab.payer)
    _, paid = lab.funds()
    assert paid.transactions == 5
    assert lab.stakes() == [STAKE] * 3
    assert lab.coins() == [GAS] * 3
    assert had - lab.rlc(lab.payer) == 3 * STAKE == paid.stake
    told = capsys.readouterr().err
    assert "9 RLC become stake of 3 workers (3 each" in told
    assert "0.03 coins go to 3 wallets for gas" in told
    assert "at most" in told
    _, again = lab.funds()
    assert again.transactions == 0
    assert lab.folder.read().payer == ""


@pytest.mark.parametrize("when", ["before_send", "after_send"])
@pytest.mark.parametrize("at", range(1, 6))
def test_killed_anywhere_the_same_command_pays_the_rest_and_nothing_twice(lab, when, at):
    had, coin = lab.rlc(lab.payer), lab.chain.state.coin_of(lab.payer)
    kill_at(lab.chain, when, at)
    with pytest.raises(Killed):
        lab.funds()
    setattr(lab.chain, when, None)
    assert lab.folder.read().payer == str(lab.payer)
    lab.chain.gas_price = Wei(7)  # so that another plan would have other amounts
    lab.funds(coin=None)
    lab.funds(coin=None)
    assert lab.stakes() == [STAKE] * 3
    assert lab.coins() == [GAS] * 3
    assert had - lab.rlc(lab.payer) == 3 * STAKE
    assert coin - lab.chain.state.coin_of(lab.payer) >= 3 * GAS
    assert lab.folder.read().payer == ""


def test_another_wallet_does_not_pay_while_payments_of_one_are_under_way(lab):
    kill_at(lab.chain, "after_send", 1)
    with pytest.raises(Killed):
        lab.funds()
    lab.chain.after_send = None
    lab.folder.write(replace(lab.folder.read(), payer=str(HOME)))
    with pytest.raises(OtherPayer, match="finished"):
        lab.funds()


def test_who_has_too_little_is_told_how_much_and_pays_nothing(lab):
    before = lab.rlc(lab.payer), lab.chain.state.coin_of(lab.payer)
    much = NanoRlc(before[0])
    with pytest.raises(PayerLacks) as told:
        lab.funds(stake=much)
    assert f"lacks {show_rlc(NanoRlc(2 * before[0]))} RLC" in str(told.value)
    assert "nothing was sent" in str(told.value)
    with pytest.raises(PayerLacks, match="coin"):
        lab.funds(coin=Wei(COIN))
    assert (lab.rlc(lab.payer), lab.chain.state.coin_of(lab.payer)) == before


def test_without_a_terminal_nothing_is_paid_unasked(lab):
    with pytest.raises(Refused, match="--yes"):
        lab.funds(yes=False)
    assert lab.stakes() == [0, 0, 0]


def test_what_was_not_confirmed_is_not_what_a_fleet_is_to_have(lab):
    lab.funds()
    before = lab.folder.read()
    with pytest.raises(Refused, match="--yes"):
        lab.funds(stake=NanoRlc(2 * STAKE), yes=False)
    with pytest.raises(PayerLacks):
        lab.funds(stake=NanoRlc(lab.rlc(lab.payer)))
    assert lab.folder.read() == before


def test_a_workers_own_wallet_does_not_pay_for_its_fleet(lab):
    fleet = lab.folder.read()
    own = replace(fleet.members[1], address=str(lab.payer))
    lab.folder.write(replace(fleet, members=(fleet.members[0], own)))
    with pytest.raises(PayerIsWorker, match=own.name):
        lab.funds()
    assert lab.stakes() == [0, 0, 0]


def test_a_wallet_that_cannot_pay_for_sending_its_rlc_is_told_and_what_it_lacks(lab):
    lab.funds()
    poor = lab.members[1]
    lab.chain.state.coin[poor.wallet] = 1
    lab.chain.gas_price = Wei(7)
    some_for_gas = FleetWish(Wei(GAS // 2), NanoRlc(0))
    found = {each.member: each for each in lab.collects(some_for_gas)}
    trouble = found.pop(poor).trouble
    assert f"wallet {poor.wallet} has 3 RLC to send" in trouble
    assert "send it at least" in trouble
    assert lab.stakes() == [0, STAKE, 0]
    assert not any(each.trouble for each in found.values())


def test_all_that_is_free_comes_back_to_one_address_to_the_nrlc(lab):
    lab.funds()
    lab.chain.fund(lab.members[0].wallet, rlc=NanoRlc(123_456_789), stake=NanoRlc(7))
    whole = lab.chain.total_nrlc
    found = lab.collects()
    assert lab.rlc(HOME) == 3 * STAKE + 123_456_796 == sum(each.rlc for each in found)
    assert lab.stakes() == [0, 0, 0]
    assert lab.chain.total_nrlc == whole
    assert lab.chain.state.coin_of(HOME) == sum(each.coin for each in found) > 0
    assert not any(each.trouble for each in found)


def test_a_reserve_stays_and_locked_stake_counts(lab):
    lab.funds()
    first = lab.members[0].wallet
    lab.chain.state.lock(first, 2 * RLC)
    lab.collects(FleetWish(GAS, STAKE))
    assert lab.rlc(HOME) == 0
    lab.chain.fund(first, stake=NanoRlc(5))
    lab.collects(FleetWish(GAS, STAKE))
    assert lab.rlc(HOME) == 5
    lab.collects()
    assert lab.rlc(HOME) == 3 * STAKE - 2 * RLC + 5
    assert lab.chain.state.locked_of(first) == 2 * RLC


@pytest.mark.parametrize("when", ["before_send", "after_send"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_collection_killed_anywhere_goes_on_and_sends_nothing_twice(lab, when, at):
    lab.funds()
    kill_at(lab.chain, when, at)
    with pytest.raises(Killed):
        lab.collects()
    setattr(lab.chain, when, None)
    lab.collects()
    assert lab.rlc(HOME) == 3 * STAKE
    assert lab.stakes() == [0, 0, 0]
    lab.collects()
    assert lab.rlc(HOME) == 3 * STAKE


def test_a_collection_that_was_cut_off_ends_where_it_began_before_another_goes_elsewhere(lab):
    lab.funds()
    kill_at(lab.chain, "before_send", 2)  # stake of the first is on its way, its coin is not
    with pytest.raises(Killed):
        lab.collects()
    lab.chain.before_send = None
    other = Address(b"\xd2" * 20)
    first, *rest = lab.collects(to=other)
    assert f"give the same command with --to {HOME} first" in first.trouble
    assert not any(each.trouble for each in rest)
    assert (lab.rlc(HOME), lab.rlc(other)) == (STAKE, 2 * STAKE)
    lab.collects()
    assert lab.coins()[0] == 0


def test_nothing_is_collected_to_where_it_would_be_lost_or_taken_again(lab):
    lab.funds()
    for contract in (lab.chain.facts.hub, lab.chain.facts.rlc):
        with pytest.raises(WrongRecipient, match="lost"):
            lab.collects(to=contract)
    with pytest.raises(CollectionToWorker, match=lab.members[1].name):
        lab.collects(to=lab.members[1].wallet)
    assert lab.stakes() == [STAKE] * 3


def test_the_wallet_of_a_worker_that_runs_is_left_alone_and_it_is_said_who_must_act(lab, cli):
    lab.funds()
    held = lab.members[1]
    with WalletLock(cli.home / "locks", held.wallet):
        found = lab.collects()
    trouble = {each.member.name: each.trouble for each in found}
    assert "holds wallet" in trouble.pop(held.name)
    assert set(trouble.values()) == {""}
    assert lab.stakes() == [0, STAKE, 0]


def test_what_works_elsewhere_is_collected_only_when_it_was_said_to_be_stopped(lab):
    lab.funds()
    fleet = lab.folder.read()
    away = tuple(replace(each, is_here=False) for each in fleet.members)
    lab.folder.write(replace(fleet, members=away))
    assert all("another machine" in each.trouble for each in lab.collects())
    assert lab.rlc(HOME) == 0
    assert not any(each.trouble for each in lab.collects(elsewhere=True))
    assert lab.rlc(HOME) == 3 * STAKE
