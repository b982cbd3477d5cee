"""Where a result and a task's pool are is the chain's word; a rule says which of it is visited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bargains import OUTPUT, bought, compute
from hypothesis import given
from hypothesis import strategies as st
from test_results import archive, news

from asked_registry import registry
from poolhand.domain.ids import ZERO_ADDRESS, TaskId
from poolhand.domain.onchain import CreateWorkerpool
from poolhand.domain.result_link import link_location, link_text, location_at
from poolhand.requester.named_urls import UrlRule, described_url, is_web_address
from poolhand.requester.result_places import NoResultsService
from poolhand.requester.results import Result
from poolhand.settings.chain import ChainSettings
from requester_market import Market, client

FAR, NEAR = "https://results.example", "http://127.0.0.1:4000"


async def completed(market: Market, service: str) -> TaskId:
    """A task whose result lies where ``service`` is, as the chain says."""
    _, (task_id,) = await bought(market)
    link = link_text(location_at(service, task_id), ZERO_ADDRESS).encode()
    await compute(market, task_id, OUTPUT, link)
    market.results.archives[task_id] = archive()
    return task_id


async def download(market: Market, task_id: TaskId, folder, **changes) -> Result:
    settings = replace(market.settings, **changes)
    return await market.requester(None, settings).download(task_id, folder)


@pytest.mark.case("E25")
async def test_a_result_is_fetched_where_the_chain_says_whatever_is_configured(market, tmp_path):
    market.hosts["results.example"] = "8.8.8.8"
    task_id = await completed(market, FAR)
    await download(market, task_id, tmp_path, results_url="http://wrong.test")
    assert market.asked == [FAR]
    await download(market, task_id, tmp_path, pool_url=None)
    assert market.asked == [FAR, FAR]


@pytest.mark.case("E25")
async def test_a_result_that_is_not_where_the_chain_says_is_looked_for_as_configured(
    market, tmp_path
):
    market.hosts["results.example"] = "8.8.8.8"
    task_id = await completed(market, FAR)
    market.results.missing_at = 1
    await download(market, task_id, tmp_path, results_url="http://moved.test")
    assert market.asked == [FAR, "http://moved.test"]


@pytest.mark.case("E25", "A9")
@pytest.mark.parametrize(
    ("service", "host", "address"),
    [
        (NEAR, "", ""),
        ("http://results.example", "results.example", "8.8.8.8"),
        (FAR, "results.example", "10.0.0.1"),
        (FAR, "", ""),
        ("https://user:pw@results.example", "results.example", "8.8.8.8"),
    ],
)
async def test_a_place_that_a_stranger_named_is_visited_only_by_the_rule(
    market, tmp_path, service, host, address
):
    market.hosts |= {host: address} if host else {}
    task_id = await completed(market, service)
    with pytest.raises(NoResultsService, match="if you trust it, name it with --results-url"):
        await download(market, task_id, tmp_path, pool_url=None)
    assert market.asked == []
    await download(market, task_id, tmp_path, pool_url=None, results_url="http://mine.test")
    assert market.asked == ["http://mine.test"]


@pytest.mark.case("E25")
async def test_on_a_chain_of_this_machine_its_own_addresses_are_fine(market, tmp_path):
    task_id = await completed(market, NEAR)
    chain = ChainSettings(("http://127.0.0.1:8545",), market.chain.facts.hub)
    await download(market, task_id, tmp_path, chain=chain, results_url="http://wrong.test")
    assert market.asked == [NEAR]


async def test_a_place_that_the_person_named_needs_no_other_leave(market, tmp_path):
    task_id = await completed(market, NEAR)
    await download(market, task_id, tmp_path, results_url=NEAR + "/")
    assert market.asked == [NEAR]


@pytest.mark.parametrize(
    "link",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"location": 1}',
        b'{"location": "/ipfs/QmX"}',
        b"[" * 100_000,
    ],
)
def test_a_link_that_names_no_web_address_is_told_apart(link):
    assert not is_web_address(link_location(link))


@pytest.mark.case("E25")
async def test_a_result_is_fetched_from_whatever_address_its_link_has(market, tmp_path):
    market.hosts["bucket.example"] = "8.8.8.8"
    _, (task_id,) = await bought(market)
    location = f"https://bucket.example/a/b?v=2/v1/results/{task_id}"
    await compute(market, task_id, OUTPUT, link_text(location, ZERO_ADDRESS).encode())
    market.results.archives[task_id] = archive()
    await download(market, task_id, tmp_path, results_url="http://wrong.test")
    assert market.asked == ["https://bucket.example/a/b?v=2"]


@given(st.binary(max_size=64) | st.text().map(lambda text: text.encode(errors="replace")))
def test_any_link_is_read_without_a_fault(link):
    assert isinstance(link_location(link), str)


@pytest.mark.case("A9")
@pytest.mark.parametrize(
    "told",
    [
        "http://127.0.0.1:2375",
        "http://169.254.169.254",
        "https://inside.example",
        "http://results.example",
        "file:///etc/passwd",
        "https://a:b@results.example",
    ],
)
async def test_where_a_pool_says_that_results_are_is_visited_only_by_the_rule(
    market, tmp_path, told
):
    market.hosts |= {"inside.example": "10.0.0.1", "results.example": "8.8.8.8"}
    market.pool.results_url = told
    task_id = await completed(market, "")
    with pytest.raises(NoResultsService, match="--results-url"):
        await download(market, task_id, tmp_path)
    assert market.asked == []
    await download(market, task_id, tmp_path, results_url="http://10.0.0.1:13200")
    assert market.asked == ["http://10.0.0.1:13200"]


@pytest.mark.parametrize("told", ["https://results.example", "http://pool.test:13200"])
async def test_a_pool_may_name_a_public_place_and_its_own_host(market, tmp_path, told):
    market.hosts["results.example"] = "8.8.8.8"
    market.pool.results_url = told
    await download(market, await completed(market, ""), tmp_path)
    assert market.asked == [told]


@given(st.text())
async def test_any_text_may_be_asked_about(text):
    async def nowhere(_host, _port):
        raise OSError

    assert await UrlRule(nowhere).allows(text, (text, None)) in (True, False)


# ------------------------------------------------------------------------------- pools


async def sold_by(market: Market, description: str) -> TaskId:
    """A task of a pool with this description; nobody has named the pool."""
    owner = market.pool.owner
    made = await market.chain.sender(owner).send(
        description, CreateWorkerpool(owner.address, description)
    )
    market.pool.workerpool = made.created
    deal, (task_id,) = await bought(market)
    market.pool.tasks[task_id] = news(deal, task_id, market.pool, "RUNNING", "COMPUTING")
    return task_id


async def looked(market: Market, task_id: TaskId, pool_url: str | None = None):
    requester = market.requester(False, replace(market.settings, pool_url=pool_url))
    progress = await requester.look_at_task(task_id)
    return progress.tasks[0].news, (await requester.history(progress.tasks[0])).silence


@pytest.mark.case("E25")
async def test_a_pool_is_found_by_the_url_in_its_description(market):
    market.hosts["pool.example"] = "8.8.8.8"
    pool = market.pool.app()
    await market.http.aclose()
    market.http = client(**{"pool_example": pool, "pool_test": pool, "127_0_0_1": registry()})
    task_id = await sold_by(market, "Our lab, https://pool.example.")
    told, silence = await looked(market, task_id)
    assert (told.status, silence) == ("RUNNING", "")


@pytest.mark.case("E25")
@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("Our lab", "('Our lab') tells no URL on chain"),
        ("at http://pool.test", "no public https URL"),
        ("\x1b[2J", r"('\x1b[2J') tells no URL"),
    ],
)
async def test_where_no_pool_is_asked_it_is_said_why_and_how_to_name_one(market, description, said):
    told, silence = await looked(market, await sold_by(market, description))
    assert told is None
    assert said in silence
    assert "--pool-url" in silence


@pytest.mark.case("E25")
async def test_a_pool_that_was_asked_in_vain_is_named_with_the_reason(market):
    task_id = await sold_by(market, "Our lab")
    market.pool.tasks.clear()
    assert "does not know this task" in (await looked(market, task_id, "http://pool.test"))[1]
    assert "could not be asked" in (await looked(market, task_id, "http://nowhere.test"))[1]
    mine, market.pool.workerpool = market.pool.workerpool, market.wallet.address
    _, silence = await looked(market, task_id, "http://pool.test")
    assert f"is {market.wallet.address}, not {mine}" in silence


def test_a_description_may_hold_a_url_anywhere():
    assert described_url("x (https://a.example/p), y") == "https://a.example/p"
    assert described_url("Our lab") is None
