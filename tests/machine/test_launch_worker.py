"""The icons of a worker's machine: what they ask, what they call, and what they never do."""

from __future__ import annotations

import json

import pytest
from vm.worker_machine.launch import LOOK_AGAIN, NO_WALLET, TO_CLOSE, launch
from vm.worker_machine.places import call_poolhand, join_words
from vm.worker_machine.stop import GOES_ON, STOPPED, stop

from poolhand.keys.keystore import create_wallet

URL = "https://pool.example"


def launched(places, played):
    """Launch until nobody types any more; return an exit code, None where the window stayed open."""
    try:
        return launch(places, played.window)
    except EOFError:
        return None


def test_the_pool_is_asked_for_once_until_it_is_an_address(places, played):
    first = played("", "pool.example", f" {URL} ")
    launched(places, first)
    assert len(first.said) == 2
    assert "https://" in first.said[0]
    assert first.called[0] == ("join", URL, "--config", str(places.settings))
    again = played()
    launched(places, again)
    assert (again.asked, again.called[0]) == ([LOOK_AGAIN], first.called[0])


def test_a_machine_that_was_built_for_a_pool_asks_for_none(places, played):
    places.built_for.write_text(f"{URL}\n")
    here = played()
    launched(places, here)
    assert here.called == [("join", URL)]
    assert here.asked == [LOOK_AGAIN]


def test_a_pool_that_was_named_here_comes_before_the_one_it_was_built_for(places):
    places.built_for.write_text(URL)
    places.remember_pool("https://other.example")
    assert places.pool_url() == "https://other.example"
    assert places.settings.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [None, "", " \n\t"])
def test_without_a_wallet_one_sentence_tells_the_ways_and_joining_asks(places, played, content):
    places.remember_pool(URL)
    if content is None:
        places.wallet.unlink()
    else:
        places.wallet.write_text(content)
    here = played()
    launched(places, here)
    assert here.said == [NO_WALLET]
    assert "--wallet" not in here.called[0]


def test_the_wallet_that_was_pasted_is_taken(places, played):
    places.remember_pool(URL)
    places.wallet.write_text("{}")
    here = played()
    launched(places, here)
    assert here.said == []
    assert here.called[0][-2:] == ("--wallet", str(places.wallet))


def test_a_wallet_that_was_made_here_is_enough(places, played):
    places.remember_pool(URL)
    create_wallet(places.keystore, "secret")
    here = played()
    launched(places, here)
    assert here.said == []


def test_who_looks_again_is_shown_the_worker_and_none_is_started(places, played):
    places.remember_pool(URL)
    here = played("", "")
    launched(places, here)
    shown = ("worker", "status", "--base", str(places.workers))
    assert here.called[1:] == [shown, shown]
    assert here.asked == [LOOK_AGAIN] * 3


def test_a_worker_that_did_not_come_up_leaves_its_words_to_be_read(places, played):
    places.remember_pool(URL)
    here = played("")
    here.codes = [4]
    assert launched(places, here) == 4
    assert here.asked == [TO_CLOSE]
    assert len(here.called) == 1


def test_an_address_that_was_mistyped_is_asked_for_again(places, played):
    first = played("https://pool.exmaple", "")
    first.codes = [4]
    assert launched(places, first) == 4
    again = played(URL)
    launched(places, again)
    assert again.called[0][1] == URL


def test_a_pool_that_was_joined_is_remembered_though_its_worker_did_not_come_up(places, played):
    first = played(URL, "")
    first.codes = [4]
    joined = places.state / "joined" / "0xPool" / "worker.toml"
    joined.parent.mkdir(parents=True)
    joined.write_text("")
    launched(places, first)
    again = played()
    launched(places, again)
    assert (again.asked, again.called[0][1]) == ([LOOK_AGAIN], URL)


def test_settings_that_are_broken_are_told_and_nothing_is_joined(places, played):
    places.state.mkdir()
    places.settings.write_text("pool-url = https")
    here = played("")
    assert launched(places, here) == 2
    assert here.called == []
    assert "join.toml is no TOML" in here.said[0]


def test_stop_lets_the_worker_finish_and_says_how_it_comes_back(places, played):
    here = played("")
    assert stop(places, here.window, now=False) == 0
    assert here.called == [("worker", "stop", "--base", str(places.workers))]
    assert here.said == [STOPPED]


def test_a_stop_that_failed_names_the_other_one_and_only_a_person_chooses_it(places, played):
    here = played("")
    here.codes = [4]
    assert stop(places, here.window, now=False) == 4
    assert here.said == [GOES_ON]
    at_once = played("")
    stop(places, at_once.window, now=True)
    assert at_once.called[0][-1] == "--now"


def test_poolhand_is_told_places_and_no_secret(places, tmp_path):
    places.remember_pool(URL)
    places.password.write_text("my secret")
    places.program.write_text(
        '#!/bin/sh\nfor each; do echo "$each"; done >"$0.words"\nenv >"$0.environment"\nexit 3\n'
    )
    places.program.chmod(0o755)
    assert call_poolhand(places, join_words(places, yes=True)) == 3
    words = (tmp_path / "poolhand.words").read_text().splitlines()
    environment = (tmp_path / "poolhand.environment").read_text()
    assert words[-2:] == ["--password-file", str(places.password)]
    assert f"POOLHAND_JOIN_HOME={places.state}\n" in environment
    assert f"POOLHAND_KEYSTORE={places.keystore}\n" in environment
    assert "my secret" not in json.dumps(words) + environment
