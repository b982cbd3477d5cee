"""A buyer's session in Python, and the page that shows how to use it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from bargains import LINK, compute
from test_results import archive

from poolhand.domain.onchain import Initialize
from poolhand.domain.trust import Trust
from poolhand.requester.changes import Changes
from poolhand.requester.results import NotFinished
from poolhand.requester.session import Session
from poolhand.settings.load import BadSetting
from poolhand.settings.requester import session_settings
from poolhand.transport.clock import SystemClock
from requester_market import IMAGE
from typed_lines import ran

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "buy-from-python.md"
PART = PAGE.read_text(encoding="utf-8").partition("## What lies below")[2]
"""Of sessions; what stands before it is of clients (``tests/client/test_page.py``)."""


@pytest.fixture
def session(market):
    market.clock = SystemClock()
    return Session(market.requester())


async def initialize(market, deal):
    calls = Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    await market.chain.sender(market.pool.owner).send(f"init:{deal.deal_id}", calls)


async def work(market, deal):
    """Do all tasks of a deal, as a pool and its workers would."""
    await initialize(market, deal)
    for _, task_id in deal.tasks():
        market.results.archives[task_id] = archive()
        await compute(market, task_id, link=LINK)


async def test_a_deal_is_bought_followed_and_downloaded(market, session, tmp_path):
    deal = await session.buy(IMAGE, args="--top 5", tasks=2)
    assert (deal.deal.bot_size, deal.resumed) == (2, False)
    assert deal.receipt is not None
    changes = deal.follow()
    assert str(await anext(changes)) == "task 0: UNSET"
    assert str(await anext(changes)) == "task 1: UNSET"
    await work(market, deal.deal)
    told = [str(each) async for each in changes]
    assert told[-2:] == ["task 0: COMPLETED", "task 1: COMPLETED"]
    assert deal.progress.succeeded
    found = await deal.download(tmp_path)
    assert [each.task_id for each in found] == [each.id for each in deal.tasks]
    result = await deal.tasks[1].download(tmp_path / "again", unpack=True)
    assert (result.folder / "computed.json").exists()


async def test_a_wish_tells_what_the_app_will_get_before_anything_is_bought(market, session):
    wished = await session.wish(IMAGE, args="a 'b c'", inputs=("https://e.example/x",))
    assert wished.arguments == ("a", "b c")
    assert list(wished.inputs.values()) == ["https://e.example/x"]
    assert wished.registered is not None
    assert market.deals == 0
    again = await session.wish(wished.registered.address, trust=Trust(2))
    assert (again.registered, again.wish.app) == (None, wished.registered.address)
    deal = await session.buy(wished.wish)
    assert deal.deal.app.address == wished.registered.address


async def test_a_deal_and_a_task_are_found_again_by_a_session_that_cannot_spend(
    market, session, tmp_path
):
    bought = await session.buy(IMAGE)
    other = Session(market.requester(False))
    deal = await other.deal(bought.id)
    assert not (await deal.look()).ended
    task = other.task(deal.tasks[0].id)
    with pytest.raises(NotFinished):
        await task.download(tmp_path)
    await work(market, bought.deal)
    assert (await task.wait()).outcome == "COMPLETED"
    assert (await deal.wait()).succeeded
    assert (await task.history()).is_whole
    assert (await task.download(tmp_path)).archive.exists()


async def test_what_runs_out_of_time_is_claimed(market, session):
    deal = await session.buy(IMAGE, tasks=2)
    await initialize(market, deal.deal)
    market.chain.mine(3000)
    assert not (await deal.wait()).succeeded
    claimed = await deal.claim_late()
    assert claimed.tasks == tuple(each.id for each in deal.tasks)
    assert (await deal.claim_late()).tasks == ()
    one = await session.buy(IMAGE)
    await initialize(market, one.deal)
    market.chain.mine(3000)
    task = one.tasks[0]
    await task.wait()
    assert (await task.claim_late()).tasks == (task.id,)


async def test_nothing_is_told_twice(session):
    deal = await session.buy(IMAGE)
    changes, progress = Changes(deal.deal), await deal.look()
    assert [str(each) for each in changes.of(progress)] == ["task 0: UNSET"]
    assert changes.of(await deal.look()) == ()


async def test_tasks_of_one_program_take_turns_with_a_wallet(market, session):
    deals = await asyncio.gather(*(session.buy(IMAGE, args=word) for word in ("same", "same", "b")))
    assert len({deal.id for deal in deals}) == 3 == market.deals
    assert not any(deal.resumed for deal in deals)


async def test_a_turn_is_had_by_what_it_began_and_by_nothing_after_it(market, session):
    wallet = session.requester.wallet

    async def opened():
        async with wallet.open() as spending:
            return spending

    async with wallet.open() as mine:
        within = asyncio.create_task(opened())
        assert await within is mine
        hold = asyncio.Event()

        async def later():
            await hold.wait()
            return await opened()

        after = asyncio.create_task(later())
    hold.set()
    opened_anew = await after
    assert opened_anew is not None
    assert opened_anew is not mine


# -------------------------------------------------------------------------------- settings


def test_settings_are_those_of_the_command_line():
    environ = {"POOLHAND_POOL_URL": "https://pool.example", "POOLHAND_WALLET_PASSWORD": "x"}
    found = session_settings(environ, chain="arbitrum", wallet="me.json", state="/tmp/s")
    assert (found.chain.chain_id, found.pool_url) == (42161, "https://pool.example")
    assert (found.wallet, found.password, found.state) == ("me.json", "x", Path("/tmp/s"))
    with pytest.raises(BadSetting, match="no setting 'chian'"):
        session_settings({}, chian="arbitrum")
    with pytest.raises(BadSetting, match="no chain to work on"):
        session_settings({})


# -------------------------------------------------------------------------------- the page


def typed() -> dict:
    """Return the names of the page's program, which is typed as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", PART, re.DOTALL)
    ran(code)
    names: dict = {"__name__": "typed"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


@pytest.mark.executes("docs/how-to/buy-from-python.md", "import asyncio")
async def test_the_program_of_the_page_does_what_it_says(market, session, tmp_path, monkeypatch, capsys):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    program = asyncio.create_task(typed()["word_count"](session, IMAGE))
    while not market.chain.state.deals:  # noqa: ASYNC110 - the chain rings no bell
        await asyncio.sleep(0)
    (deal,) = market.chain.state.deals.values()
    await work(market, deal)
    await program
    told = capsys.readouterr().out
    assert f"bought deal {deal.deal_id}: 2 tasks" in told
    assert "task 1: COMPLETED" in told
    for _, task_id in deal.tasks():
        assert (tmp_path / "results" / str(task_id) / "computed.json").exists()


def test_the_settings_of_the_page_are_settings(monkeypatch, tmp_path):
    names = typed()
    found = []

    class Opened(Exception):
        pass

    def opened(settings):
        found.append(settings)
        raise Opened

    names["open_session"] = opened
    with pytest.raises(Opened):
        asyncio.run(names["main"]())
    assert (found[0].wallet, found[0].chain.chain_id) == ("me.json", 421614)


@pytest.mark.parametrize("word", re.findall(r"`((?:await )?(?:session|deal|task)\.\w+)", PART))  # fmt: skip
async def test_every_word_of_the_page_exists(session, word):
    whose, name = word.removeprefix("await ").split(".")
    deal = await session.buy(IMAGE)
    assert hasattr({"session": session, "deal": deal, "task": deal.tasks[0]}[whose], name)
