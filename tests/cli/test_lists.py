"""Lists of what was bought: whole ids, bounded, by pages, with or without a memory of it."""

from __future__ import annotations

import shutil

import pytest

from poolhand.domain.ids import DealId
from requester_market import IMAGE, RLC


def _buy(cli, count: int, *words: str) -> list[str]:
    return [
        cli("run", IMAGE, "--args", f"{n} {words}", *words, "--no-wait", "--json").json["deal_id"]
        for n in range(count)
    ]


@pytest.mark.case("E27")
@pytest.mark.parametrize("home", ["kept", "lost"])
def test_deals_are_listed_newest_first_and_by_pages(cli, home):
    bought = _buy(cli, 5)
    if home == "lost":
        shutil.rmtree(cli.home / "requester")
    found = cli("deal", "list", "--json").json
    assert [each["deal_id"] for each in found["deals"]] == bought[::-1]
    assert found["whole"] is True
    pages = [
        [d["deal_id"] for d in cli("deal", "list", "--limit", "2", "--page", n, "--json").json["deals"]]
        for n in "1234"
    ]  # fmt: skip
    assert pages == [bought[:2:-1], bought[2:0:-1], bought[:1], []]


@pytest.mark.case("E27")
def test_what_has_ended_is_left_out_if_only_the_open_is_asked_for(cli):
    (old,) = _buy(cli, 1)
    cli.market.chain.mine(3000)
    (late,) = cli("task", "list", "--open", "--json").json["tasks"]
    assert late["standing"] == "CLAIMABLE"
    assert cli("deal", "claim", old).code == 0
    (new,) = _buy(cli, 1, "--tasks", "2")
    (ended, *_) = cli("deal", "list", "--json").json["deals"][1:]
    assert (ended["deal_id"], ended["open"], ended["tasks"][0]["standing"]) == (
        old,
        False,
        "FAILED",
    )
    (open_,) = cli("deal", "list", "--open", "--json").json["deals"]
    assert (open_["deal_id"], open_["cost_nrlc"]) == (new, 4 * RLC)
    tasks = cli("task", "list", "--open", "--json").json["tasks"]
    assert {each["deal_id"] for each in tasks} == {new}
    assert [each["index"] for each in tasks] == [0, 1]
    assert len(cli("task", "list", "--json").json["tasks"]) == 3


@pytest.mark.case("E27")
def test_a_deal_older_than_the_search_is_found_if_it_is_remembered_and_else_told_about(cli):
    (old,) = _buy(cli, 1)
    cli.market.chain.mine(blocks=50)
    found = cli("deal", "list", "--blocks", "10", "--json").json
    assert [each["deal_id"] for each in found["deals"]] == [old]
    shutil.rmtree(cli.home / "requester")
    found = cli("deal", "list", "--blocks", "10", "--json").json
    assert (found["deals"], found["whole"]) == ([], False)
    told = cli("deal", "list", "--blocks", "10").out
    assert "no deal to show" in told
    assert "--blocks N" in told


@pytest.mark.case("E27")
def test_nobody_elses_deals_are_listed(cli):
    _buy(cli, 1)
    owner = str(cli.market.pool.owner.address)  # its pool's deal, which it did not buy
    assert cli("deal", "list", owner, "--json").json["deals"] == []


@pytest.mark.case("E24", "E27")
def test_lists_fit_80_columns_with_whole_ids(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    bought = _buy(cli, 2, "--tasks", "3", "--trust", "10")
    for words in (("deal", "list"), ("task", "list")):
        told = cli(*words).out
        assert max(map(len, told.splitlines())) <= 80
        deal = cli.market.chain.state.deals[DealId.parse(bought[0])]
        for whole in [deal.deal_id] if words[0] == "deal" else [t for _, t in deal.tasks()]:
            assert str(whole) in told
    assert "3 WAITING at 2 RLC, trust 10" in cli("deal", "list").out
