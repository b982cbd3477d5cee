"""Wallets of a fleet: one phrase, shown once and kept nowhere; keystores that it recovers."""

from __future__ import annotations

import json
import stat

import pytest

from poolhand.cli.fleet.folder import BadFleetName, Fleet, FleetFolder, FleetUnreadable, NoFleet
from poolhand.cli.fleet.up import TooManySlots, add_members, check_slots, told_memory
from poolhand.cli.fleet.wallets import (
    OtherPhrase,
    PhraseFileThere,
    PhraseNowhere,
    TooManyWorkers,
    make_wallets,
    more_wallets,
)
from poolhand.keys.keystore import open_wallet
from poolhand.keys.wallet import Wallet
from poolhand.keys.words import NotRecoveryWords, keys_of_words, new_words

JUNK = "test test test test test test test test test test test junk"
POOL = "0x" + "ab" * 20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLHAND_JOIN_HOME", str(tmp_path))
    return FleetFolder.of("lab")


def made(folder, count=3, **said):
    terms = {"words_file": "", "words_to": "", "yes": True, **said}
    return make_wallets(folder, count, **terms)


def remembered(folder, members):
    fleet = Fleet("https://pool.test", POOL, {}, 1, members, len(members), members[0].address)
    folder.settle()
    folder.write(fleet)
    return fleet


def test_a_phrase_recovers_every_wallet_and_stands_in_no_file(folder, tmp_path):
    members = made(folder, words_to=str(tmp_path / "phrase"))
    remembered(folder, members)
    words = (tmp_path / "phrase").read_text().strip()
    assert stat.S_IMODE((tmp_path / "phrase").stat().st_mode) == 0o600
    keys = keys_of_words(words, range(3))
    assert [each.address for each in members] == [str(Wallet.parse(key).address) for key in keys]
    password = folder.password.read_text().strip()
    for member, key in zip(members, keys, strict=True):
        wallet = open_wallet(folder.keystore(member), folder.wallets, password)
        assert str(wallet.address) == member.address
        assert key not in folder.keystore(member).read_text()
    for file in folder.path.rglob("*"):
        if file.is_file():
            assert not set(words.split()) <= set(file.read_text().split())
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_phrase_of_ones_own_gives_the_accounts_that_everybody_knows(folder, tmp_path):
    (tmp_path / "mine").write_text(JUNK + "\n")
    first, *_ = made(folder, words_file=str(tmp_path / "mine"))
    assert first.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    (tmp_path / "mine").write_text("no words\n")
    with pytest.raises(NotRecoveryWords):
        made(folder, words_file=str(tmp_path / "mine"))


def test_where_nobody_would_see_a_phrase_none_is_made(folder):
    with pytest.raises(PhraseNowhere) as told:
        made(folder)
    assert "--words-to" in str(told.value)
    assert not folder.wallets.exists()


def test_a_file_that_may_hold_another_phrase_is_not_overwritten(folder, tmp_path):
    (tmp_path / "phrase").write_text(JUNK)
    with pytest.raises(PhraseFileThere):
        made(folder, words_to=str(tmp_path / "phrase"))
    assert (tmp_path / "phrase").read_text() == JUNK


def test_a_try_that_was_cut_off_leaves_nothing_to_the_next(folder, tmp_path):
    made(folder, count=5, words_to=str(tmp_path / "first"))
    members = made(folder, count=2, words_to=str(tmp_path / "second"))
    remembered(folder, members)
    assert sorted(each.stem for each in folder.wallets.iterdir()) == ["lab-001", "lab-002"]


def test_added_workers_are_the_next_accounts_and_removed_ones_are_not_used_again(folder, tmp_path):
    members = made(folder, words_to=str(tmp_path / "phrase"))
    fleet = remembered(folder, members)
    words = (tmp_path / "phrase").read_text().strip()
    fewer = Fleet(fleet.url, POOL, {}, 1, members[:2], fleet.accounts, fleet.first)
    folder.write(fewer)
    more, added = add_members(folder, 2, str(tmp_path / "phrase"), is_here=False)
    assert [each.account for each in added] == [3, 4]
    assert [each.name for each in more.members] == ["lab-001", "lab-002", "lab-004", "lab-005"]
    assert [each.is_here for each in more.members] == [True, True, False, False]
    keys = keys_of_words(words, (3, 4))
    assert [each.address for each in added] == [str(Wallet.parse(key).address) for key in keys]


def test_an_addition_that_was_cut_off_before_it_was_remembered_is_made_again(folder, tmp_path):
    phrase = str(tmp_path / "phrase")
    fleet = remembered(folder, made(folder, words_to=phrase))
    cut_off = more_wallets(folder, fleet.first, (3, 4), phrase)
    _, added = add_members(folder, 1, phrase, is_here=True)
    assert added == cut_off[:1]
    wallet = open_wallet(
        folder.keystore(added[0]), folder.wallets, folder.password.read_text().strip()
    )
    assert str(wallet.address) == added[0].address


def test_another_phrase_adds_nothing(folder, tmp_path):
    members = made(folder, words_to=str(tmp_path / "phrase"))
    remembered(folder, members)
    (tmp_path / "other").write_text(new_words() + "\n")
    with pytest.raises(OtherPhrase, match="whose first account is"):
        add_members(folder, 1, str(tmp_path / "other"), is_here=True)
    assert folder.read().accounts == 3


def test_a_fleet_is_found_by_its_name_or_alone(folder, tmp_path):
    with pytest.raises(NoFleet, match="make one"):
        FleetFolder.meant("")
    members = made(folder, words_to=str(tmp_path / "phrase"))
    fleet = remembered(folder, members)
    assert FleetFolder.meant("").read() == fleet
    with pytest.raises(NoFleet, match="there are lab"):
        FleetFolder.meant("other")
    FleetFolder.of("shed").write(fleet)
    with pytest.raises(NoFleet, match="lab, shed"):
        FleetFolder.meant("")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"members": [{"name": 1}]}'])
def test_a_fleet_that_was_altered_is_told(folder, text):
    folder.path.mkdir(parents=True)
    (folder.path / "fleet.json").write_text(text)
    with pytest.raises(FleetUnreadable, match="does not read"):
        folder.read()


@pytest.mark.parametrize("name", ["../../lab-001", "lab-001/..", "lab", "", "lab-1 2"])
def test_no_member_of_an_altered_file_leads_out_of_the_fleets_folder(folder, tmp_path, name):
    members = made(folder, words_to=str(tmp_path / "phrase"))
    remembered(folder, members)
    file = folder.path / "fleet.json"
    file.write_text(file.read_text().replace('"lab-002"', json.dumps(name)))
    with pytest.raises(FleetUnreadable, match="no worker is called"):
        folder.read()


@pytest.mark.parametrize(
    ("workers", "slots", "cpus", "each"),
    [(1, 0, 8, 7), (3, 0, 8, 2), (7, 0, 8, 1), (8, 0, 8, 1), (2, 4, 8, 4)],
)
def test_workers_share_the_cpus_of_a_computer(workers, slots, cpus, each):
    assert check_slots(workers, slots, cpus, oversubscribe=False) == each


@pytest.mark.parametrize(("workers", "slots", "cpus"), [(9, 0, 8), (3, 3, 8), (1, 9, 8)])
def test_more_tasks_than_cpus_are_refused_unless_they_may_share(workers, slots, cpus):
    with pytest.raises(TooManySlots, match="--oversubscribe"):
        check_slots(workers, slots, cpus, oversubscribe=False)
    assert check_slots(workers, slots, cpus, oversubscribe=True) == (slots or 1)


def test_too_little_memory_is_told():
    assert told_memory(4, 4 * 1024**3) == ""
    assert "5 GiB" in told_memory(5, 4 * 1024**3)


@pytest.mark.parametrize("name", ["../lab", "a/b", "", "x" * 31, "lab 1"])
def test_a_name_that_no_worker_may_have_is_refused(name):
    with pytest.raises(BadFleetName, match="cannot be called"):
        FleetFolder.of(name)


def test_a_fleet_has_its_limit(folder, tmp_path):
    with pytest.raises(TooManyWorkers):
        made(folder, count=1_001, words_to=str(tmp_path / "phrase"))
