"""Open pages hear of each block: made once for all, sent if changed, and never more than can be taken."""

from __future__ import annotations

import asyncio
import sys

import pytest
from market_world import POOL_OWNER, a_market, hash_of, pool_order

from poolhand.domain.market_events import OrderSort
from poolhand.market.pages.live import (
    MOST_MISSED,
    MOST_PAGES_OF_CLIENT,
    MOST_READERS,
    MOST_STREAMS,
    PAUSE_BETWEEN_PAGE_ROUNDS,
    LivePages,
    TooManyReaders,
    framed,
)
from poolhand.market.pages.own_api import ApiOutage

HERE, THERE = ("/deals", ()), ("/apps", ())


class World:
    """Pages whose text is set by hand; counts how often each was made, and how long was rested."""

    def __init__(self):
        self.text, self.made, self.rested = "first", [], []
        self.pages = LivePages(self.make, lambda: "pulse", self.rest)

    async def make(self, path, query):
        self.made.append(path)
        return self.text

    async def rest(self, seconds):
        self.rested.append(seconds)

    async def block(self, text):
        self.text = text
        self.pages.moved()
        await settled()


async def settled():
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_page_is_made_once_for_all_who_have_it_open():
    world = World()
    readers = [world.pages.join(HERE) for _ in range(50)]
    await settled()
    assert world.made == ["/deals"]
    told = {await reader.next() for reader in readers}
    assert told == {framed("first")}
    await world.block("second")
    assert world.made == ["/deals", "/deals"]
    assert {await reader.next() for reader in readers} == {framed("pulse") + framed("second")}


async def test_making_pages_costs_by_the_distinct_ones_and_not_by_the_readers():
    world = World()
    for _ in range(200):
        world.pages.join(HERE)
    world.pages.join(THERE)
    await settled()
    await world.block("second")
    assert sorted(world.made) == ["/apps", "/apps", "/deals", "/deals"]
    assert len(world.rested) == 4


async def test_a_page_that_did_not_change_is_not_sent_again():
    world = World()
    reader = world.pages.join(HERE)
    await settled()
    await reader.next()
    await world.block("first")
    assert await reader.next() == framed("pulse")


async def test_what_is_published_between_two_blocks_is_shown_at_once_and_made_once():
    world = World()
    readers = [world.pages.join(HERE) for _ in range(3)]
    await settled()
    for reader in readers:
        await reader.next()
    world.text = "second"
    for _ in range(1000):
        world.pages.changed()
    await settled()
    assert world.made == ["/deals", "/deals"]
    assert {await reader.next() for reader in readers} == {framed("second")}
    assert world.rested[-1] == PAUSE_BETWEEN_PAGE_ROUNDS


async def test_what_is_published_while_pages_are_made_waits_for_one_more_round():
    world, resting = World(), asyncio.Event()

    async def rest(seconds):
        if seconds == PAUSE_BETWEEN_PAGE_ROUNDS:
            await resting.wait()

    pages = LivePages(world.make, lambda: "pulse", rest)
    pages.join(HERE)
    await settled()
    for _ in range(50):
        pages.changed()
        await settled()
    assert world.made == ["/deals"] * 2
    resting.set()
    await settled()
    assert world.made == ["/deals"] * 3


def calls_of(work):
    """Count the calls of Python that work takes."""
    count = [0]

    def called(_frame, what, _arg):
        count[0] += what in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count[0]


async def test_to_hear_of_a_publication_costs_the_same_however_many_look():
    taken = []
    for size in (20, 200):
        world = World()
        for number in range(size):
            world.pages.join(("/deals", (("page", str(number % (size // 2))),)))
        await settled()
        taken.append(calls_of(world.pages.changed))
    few, many = taken
    assert many == few


async def test_a_publication_that_nobody_looks_at_makes_nothing():
    world = World()
    world.pages.changed()
    await settled()
    assert world.made == []
    reader = world.pages.join(HERE)
    await settled()
    assert await reader.next() == framed("first")


async def test_who_comes_later_is_told_at_once_what_the_others_were():
    world = World()
    world.pages.join(HERE)
    await settled()
    late = world.pages.join(HERE)
    assert await late.next() == framed("first")
    assert world.made == ["/deals"]


async def test_a_slow_reader_finds_only_the_newest_and_is_dropped_when_it_missed_too_much():
    world = World()
    slow, quick = world.pages.join(HERE), world.pages.join(HERE)
    await settled()
    for number in range(5):
        await world.block(f"block {number}")
        await quick.next()
    assert await slow.next() == framed("block 4") + framed("pulse")
    for number in range(MOST_MISSED):
        await world.block(f"later {number}")
        await quick.next()
    assert await slow.next() is None
    assert not quick.is_dropped


async def test_nothing_is_made_while_nobody_looks():
    world = World()
    reader = world.pages.join(HERE)
    await settled()
    world.pages.leave(HERE, reader)
    world.pages.leave(HERE, reader)
    await world.block("second")
    assert world.made == ["/deals"]
    assert world.pages.open_pages == 0


async def test_readers_and_distinct_pages_are_bounded():
    world = World()
    for number in range(MOST_STREAMS):
        world.pages.join(("/deals", (("page", str(number)),)))
    with pytest.raises(TooManyReaders):
        world.pages.join(THERE)
    known = ("/deals", (("page", "0"),))
    for _ in range(MOST_READERS - MOST_STREAMS):
        world.pages.join(known)
    with pytest.raises(TooManyReaders):
        world.pages.join(known)


async def test_one_client_does_not_take_the_places_of_all_others():
    world = World()
    mine = [
        world.pages.join(("/deals", (("x", str(n)),)), "me") for n in range(MOST_PAGES_OF_CLIENT)
    ]
    with pytest.raises(TooManyReaders, match="close others"):
        world.pages.join(HERE, "me")
    world.pages.join(HERE, "somebody")
    for _ in range(2 * MOST_PAGES_OF_CLIENT):
        world.pages.join(HERE)
    world.pages.leave(("/deals", (("x", "0"),)), mine[0])
    world.pages.join(HERE, "me")


async def test_a_fault_in_making_a_page_sends_its_readers_away_to_come_again():
    world = World()

    async def broken(path, query):
        raise ZeroDivisionError

    pages = LivePages(broken, lambda: "", world.rest)
    reader = pages.join(HERE)
    await settled()
    assert await reader.next() is None
    pages.leave(HERE, reader)


async def test_an_open_page_stays_as_it_is_while_it_cannot_be_made_anew():
    world = World()
    outage = [ApiOutage("no chain")]

    async def make(path, query):
        if outage:
            raise outage.pop()
        return "there again"

    pages = LivePages(make, lambda: "pulse", world.rest)
    reader = pages.join(HERE)
    await settled()
    pages.moved()
    await settled()
    assert await reader.next() == framed("pulse") + framed("there again")


def test_a_message_keeps_its_lines_and_ends_where_it_should():
    assert framed("a\n\nevent: x") == b"data: a\ndata: \ndata: event: x\n\n"


class Browser:
    """Has a page open, straight at the application: what it is sent, and going away."""

    def __init__(self, app, path, query=""):
        self.messages = asyncio.Queue()
        self.left = asyncio.Event()
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": [(b"host", b"market")],
            "client": ("203.0.113.1", 1), "server": ("market", 80),
        }  # fmt: skip
        self.work = asyncio.ensure_future(app(scope, self.receive, self.messages.put))

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def until(self, words):
        text = ""
        while words not in text:
            text += (await self.messages.get()).get("body", b"").decode()
        return text


async def test_an_open_page_is_told_of_a_block_and_of_nothing_once_it_is_closed(tmp_path):
    async with a_market(f"sqlite:///{tmp_path / 'market.db'}") as market:
        app = market.http._transport.app
        page = Browser(app, "/pages/live/orders/workerpool", "category=0")
        start = await page.messages.get()
        assert dict(start["headers"])[b"content-type"] == b"text/event-stream"
        await page.until("No open order fits")
        await market.mine()
        assert 'hx-swap-oob="true"' in await page.until("block 2")
        page.left.set()
        await page.work
        assert (await market.http.get("/pages/live/nowhere")).status_code == 404


async def test_an_order_is_on_an_open_page_as_soon_as_it_is_published_and_gone_as_it_is_taken_out(
    tmp_path,
):
    async with a_market(f"sqlite:///{tmp_path / 'market.db'}") as market:
        page = Browser(market.http._transport.app, "/pages/live/orders/workerpool", "category=0")
        await page.until("No open order fits")
        order = pool_order()
        await market.published(order)  # and no block is mined
        await page.until(str(hash_of(order)))
        name = str(hash_of(order))
        assert (await market.unpublish(OrderSort.WORKERPOOL, POOL_OWNER, orderHash=name)).is_success
        await page.until("No open order fits")
        page.left.set()
        await page.work
