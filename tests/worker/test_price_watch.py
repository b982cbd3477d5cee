"""A task that pays less than its gas is not taken: at a price that is read, and is not too old."""

from __future__ import annotations

import pytest

from local_http import Handler, serving
from poolhand.domain.coin_price import PriceFeed
from poolhand.domain.errors import Malformed
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.transport.price_client import NoPriceTold, read_price
from poolhand.worker.idle import idle_causes
from poolhand.worker.live_words import gas_worth_told

RLC = NANO_PER_RLC
FEED = "https://prices.example/v1 /coin"


class Teller:
    """Tells a price, or why not."""

    def __init__(self):
        self.price, self.asked = NanoRlc(1000 * RLC), 0

    async def __call__(self, _feed):
        self.asked += 1
        if isinstance(self.price, Exception):
            raise self.price
        return self.price


@pytest.fixture
def teller(pool):
    made = Teller()
    pool.node.worker.prices._read = made
    return made


@pytest.fixture
def worker(pool):
    return pool.node.worker


async def test_gas_is_counted_at_the_price_that_was_read(pool, teller, worker):
    assert worker.prices.price == 0
    assert "not counted" in gas_worth_told({"gas_worth": worker.prices.show()}, str)
    worker.live.set({"coin-price-from": FEED, "coin-price": "5"})
    await pool.world.settle()
    assert (teller.asked, worker.prices.price) == (1, 1000 * RLC)
    told = worker.prices.show()
    assert (told["coin_price_nrlc"], told["told_by"]) == (1000 * RLC, "prices.example")
    assert "counted at 1,000" in gas_worth_told({"gas_worth": told}, str)
    assert worker.choice._wanted().coin_price == 1000 * RLC
    worker.live.set({"coin-price": "5"})
    await pool.world.settle()
    assert worker.prices.price == 5 * RLC


async def test_the_pool_is_told_anew_when_the_price_has_changed(pool, teller, worker):
    pool.chain.gas_price = 10**9
    await pool.blocks(1)
    worker.live.set({"coin-price-from": FEED})
    await pool.world.settle()
    before = pool.member.standing.least_reward
    teller.price = NanoRlc(3000 * RLC)
    await pool.world.step(900)
    assert before > 0
    assert pool.member.standing.least_reward > 2 * before


async def test_a_price_that_is_too_old_is_none_and_nothing_is_taken_until_one_is_read(
    pool, teller, worker
):
    worker.live.set({"coin-price-from": FEED, "coin-price-age": "1h"})
    await pool.world.settle()
    assert pool.member.standing.paused is None
    teller.price = NoPriceTold("prices.example answers 503")
    for _ in range(4):
        await pool.world.step(1000)
    assert worker.prices.price == 0
    assert "prices.example (coin-price-from) told no price within 3600 s" in (
        pool.member.standing.paused
    )
    (cause, *_) = idle_causes(pool.teller().idle_facts())
    assert cause.code == "coin-price"
    feed = {"coin-price-from": FEED, "coin-price-age": "1h"}
    worker.live.set({**feed, "coin-price": "7"})
    await pool.world.settle()
    assert (worker.prices.price, pool.member.standing.paused) == (7 * RLC, None)
    assert worker.prices.show()["problem"] == "prices.example answers 503"
    worker.live.set(feed)
    teller.price = NanoRlc(2 * RLC)
    await pool.world.step(1000)
    assert (worker.prices.price, pool.member.standing.paused) == (2 * RLC, None)


async def test_a_price_is_read_over_http_and_what_is_none_is_told():
    class Prices(Handler):
        def do_GET(self):  # noqa: N802 - the name that http.server calls
            said = {"/well": b'{"coin": 12.5}', "/odd": b"<html>", "/large": b" " * 2**21}
            content = said.get(self.path)
            self.send_response(200 if content else 503)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

    with serving(Prices) as url:
        assert await read_price(PriceFeed(f"{url}/well", "/coin")) == 12.5 * RLC
        for path, kind in (("odd", Malformed), ("busy", NoPriceTold), ("large", NoPriceTold)):
            with pytest.raises(kind):
                await read_price(PriceFeed(f"{url}/{path}", "/coin"))
    with pytest.raises(NoPriceTold):
        await read_price(PriceFeed("http://127.0.0.1:1/", "/coin"))
