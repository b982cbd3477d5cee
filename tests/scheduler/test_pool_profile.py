"""A pool in a market: it says what it is, the market asks how it is, and people can compare."""

from __future__ import annotations

import pytest
from pool_world import TO_CONTRIBUTED, PoolWorld, S, first_task
from sale_world import POOL_URL, market_for, passes

from network.world import RLC
from poolhand.domain.ids import Address
from poolhand.domain.market.profiles import POOL_IS_THERE_FOR, PoolProfile
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.market.pool_register import POOL_ASKED_EVERY
from poolhand.transport.market_faults import MarketRefused
from poolhand.wire.messages import ReportBatch, StatusReport
from poolhand.wire.pool_drain import DrainOrder

CHAIN = {"chainId": "31337"}


@pytest.fixture
async def stage(tmp_path):
    world = PoolWorld(tmp_path, prices={0: NanoRlc(RLC)}, preflight=True)
    owner, pool = world.owner.address, world.workerpool
    world.pool.profile = PoolProfile(
        pool, owner, "Lab <b>", "Two\nlines", POOL_URL, "http://r.test"
    )
    async with market_for(world, tmp_path) as market:
        world.pool.markets = (market.client,)
        await world.start()
        yield world, market
        await world.stop()


async def told(market, address):
    answer = await market.http.get(f"/pools/{address}", params=CHAIN)
    assert answer.status_code == 200, answer.text
    return answer.json()["pool"]


async def test_a_pool_registers_itself_and_is_shown_as_it_answers(stage):
    world, market = stage
    await world.hired(slots=2)
    await passes(world, market)
    fresh = await told(market, world.workerpool)
    assert (fresh["name"], fresh["description"]) == ("Lab <b>", "Two\nlines")
    assert (fresh["url"], fresh["resultsUrl"]) == (POOL_URL, "http://r.test")
    assert (fresh["reachable"], fresh["lastSeen"], fresh["live"]) == (False, None, None)
    await market.register.ask_some()
    known = await told(market, world.workerpool)
    assert (known["reachable"], known["trouble"]) == (True, None)
    live = known["live"]
    assert (live["workers"], live["slots"], live["busy"], live["openTasks"]) == (1, 2, 0, 0)
    assert (live["prices"], live["highestTrust"], live["sells"]) == ({"0": RLC}, 2, True)
    assert live["schedulerPercent"] is not None
    listed = (await market.http.get("/pools", params=CHAIN)).json()
    assert (listed["count"], listed["pools"]) == (1, [known])


async def test_a_pool_that_does_not_answer_is_unreachable_and_comes_back(stage):
    world, market = stage
    await passes(world, market)
    await market.register.ask_some()
    market.door.is_shut = True
    market.moment[0] += POOL_ASKED_EVERY + 1
    await market.register.ask_some()
    away = await told(market, world.workerpool)
    assert away["reachable"] is False
    assert "does not answer" in away["trouble"]
    assert away["live"]["workers"] == 0, "what it said last is still told"
    market.door.is_shut = False
    market.moment[0] += POOL_ASKED_EVERY + 1
    await market.register.ask_some()
    back = await told(market, world.workerpool)
    assert (back["reachable"], back["trouble"]) == (True, None)
    market.moment[0] += POOL_IS_THERE_FOR
    assert (await told(market, world.workerpool))["reachable"] is False


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_is_set_back_keeps_no_pool_from_being_asked(stage, restarted):
    """What was noted before is later than now for an hour, also in the market that starts anew."""
    world, market = stage
    await passes(world, market)
    await market.register.ask_some()
    market.moment[0] -= 3_600_000
    if restarted:
        market.register = market.again()
    await market.register.ask_some()
    market.door.is_shut = True
    market.moment[0] += POOL_ASKED_EVERY + 1
    assert (await told(market, world.workerpool))["reachable"] is True
    await market.register.ask_some()
    away = await told(market, world.workerpool)
    assert (away["reachable"], "does not answer" in away["trouble"]) == (False, True)
    market.door.is_shut = False
    market.moment[0] += POOL_ASKED_EVERY + 1
    await market.register.ask_some()
    assert (await told(market, world.workerpool))["reachable"] is True


async def test_where_another_pool_answers_the_pool_is_not_reachable(stage):
    world, market = stage
    await passes(world, market)
    other = Address(bytes([9] * 20))
    market.chain.register(OrderSort.WORKERPOOL, other, world.owner.address)
    market.chain.mine()
    profile = PoolProfile(other, world.owner.address, "Other", "", POOL_URL, "http://r.test")
    await market.client.register(profile, world.owner)
    await market.register.ask_some()
    assert "must register the right URL" in (await told(market, other))["trouble"]


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 2**53},
        {"workers": -1},
        {"prices": {str(n): 1 for n in range(101)}},
        {"prices": {"0": 10**300}},
        {"highest_trust": -5},
    ],
)
async def test_a_pool_that_tells_what_cannot_be_is_not_believed(stage, changes):
    """It is a stranger: what it tells stands in lists and on pages of everybody."""
    world, market = stage
    await passes(world, market)
    market.door.lies = changes
    await market.register.ask_some()
    found = await told(market, world.workerpool)
    assert (found["live"], found["reachable"]) == (None, False)
    assert "answered in a form unknown here" in found["trouble"]


async def test_a_pool_at_which_the_market_stumbles_is_not_asked_again_before_others(stage):
    world, market = stage
    await passes(world, market)
    market.door.breaks = ZeroDivisionError()
    for _ in range(3):
        await market.register.ask_some()
    assert market.door.asked == 1
    market.moment[0] += POOL_ASKED_EVERY + 1
    await market.register.ask_some()
    assert market.door.asked == 2


async def test_the_market_tells_what_the_pool_says_of_a_task_that_failed(stage):
    world, market = stage
    workers = [await world.hired() for _ in range(2)]
    task = first_task(await world.deal())
    why = "the app exited with code 3: no such file"
    for _ in workers:
        await world.step()
        for each in workers:
            attempt = world.task(task).attempt(each.address)
            if attempt is not None and not attempt.is_over:
                await each.reports(task, *TO_CONTRIBUTED[: TO_CONTRIBUTED.index(S.COMPUTED)])
                failed = StatusReport(S.COMPUTE_FAILED, world.clock.now(), None, why)
                ended = StatusReport(S.FAILED, world.clock.now(), None, None)
                await each.says(ReportBatch(task, each.count[task], (failed, ended), None))
    words = market.register.words
    assert words.of(task, POOL_URL) is None
    await words.ask_some()
    says = words.of(task, POOL_URL).says
    (cause,) = says.causes
    assert (cause.status, cause.why, cause.acts) == ("COMPUTE_FAILED", why, "requester")
    assert cause.workers == len(cause.named) == len(world.task(task).attempts) > 0


async def test_the_sdk_finds_a_pools_address_as_it_asks_compass(stage):
    world, market = stage
    await passes(world, market)
    for address in (str(world.workerpool), str(world.workerpool).lower()):
        answer = await market.http.get(f"/31337/workerpools/{address}")
        assert answer.json() == {
            "address": str(world.workerpool),
            "name": "Lab <b>",
            "apiUrl": POOL_URL,
        }
    unknown = await market.http.get(f"/31337/workerpools/{world.owner.address}")
    assert (unknown.status_code, unknown.json()["ok"]) == (404, False)
    assert (await market.http.get(f"/1/workerpools/{world.workerpool}")).status_code == 404


async def test_nobody_but_the_owner_registers_a_pool(stage):
    world, market = stage
    who = world.requester
    profile = PoolProfile(world.workerpool, who.address, "Mine", "", POOL_URL, "http://r.test")
    with pytest.raises(MarketRefused, match="only the owner"):
        await market.client.register(profile, who)
    answer = await market.http.put(
        f"/pools/{world.workerpool}", params=CHAIN, json={"name": "x", "url": POOL_URL}
    )
    assert answer.status_code == 403


async def test_a_pool_that_is_to_end_is_forgotten_and_one_that_resumes_is_registered_again(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    assert (await told(market, world.workerpool))["name"] == "Lab <b>"
    await world.scheduler.drains.ask(DrainOrder(drains=True))
    await passes(world, market)
    assert await told(market, world.workerpool), "a drain for a while does not hide the pool"
    await world.scheduler.drains.ask(DrainOrder(drains=True, cancels=True))
    await passes(world, market)
    gone = await market.http.get(f"/pools/{world.workerpool}", params=CHAIN)
    assert gone.status_code == 404
    assert (await market.http.get("/pools", params=CHAIN)).json()["count"] == 0
    await world.scheduler.drains.ask(DrainOrder(drains=False))
    await passes(world, market)
    assert (await told(market, world.workerpool))["name"] == "Lab <b>"


async def test_nobody_but_the_owner_has_a_pool_forgotten(stage):
    world, market = stage
    await passes(world, market)
    with pytest.raises(MarketRefused, match="only the owner"):
        await market.client.unregister(world.workerpool, world.requester)
    unsigned = await market.http.delete(f"/pools/{world.workerpool}", params=CHAIN)
    assert unsigned.status_code == 403
    assert await told(market, world.workerpool)
    for _ in range(2):
        await market.client.unregister(world.workerpool, world.owner)
    gone = await market.http.get(f"/pools/{world.workerpool}", params=CHAIN)
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 81}, "name"),
        ({"name": "\x1b[31mred"}, "name"),
        ({"name": "\u202eback"}, "name"),
        ({"description": "a" * 1001}, "description"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "http://user:secret@pool.test"}, "url"),
        ({"url": "http://pool.test/?x=1"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"results_url": "ftp://r.test"}, "resultsUrl"),
    ],
)
async def test_what_no_person_should_be_shown_is_refused(stage, changes, word):
    world, market = stage
    known = {"name": "Lab", "description": "", "url": POOL_URL, "results_url": "http://r.test"}
    profile = PoolProfile(world.workerpool, world.owner.address, **(known | changes))
    with pytest.raises(MarketRefused, match=word):
        await market.client.register(profile, world.owner)
