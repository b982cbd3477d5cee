"""Reading a running task: signed in once, on where it was, no line twice."""

from __future__ import annotations

import pytest

from poolhand.domain.ids import Address, TaskId
from poolhand.keys.wallet import Wallet
from poolhand.requester.output import (
    MOST_SILENT_TRIES,
    OtherPoolSigns,
    OutputNotYours,
    OutputReader,
)
from poolhand.transport.clock import ManualClock
from poolhand.transport.pool_client import PoolClient, PoolDown, PoolRefused
from poolhand.wire.output_api import NewsKind, OutputLine, OutputNews

ANN = Address(bytes([3] * 20))
TASK = TaskId(bytes([1] * 32))
END = OutputNews(kind=NewsKind.END)


class Impatient(ManualClock):
    """A clock whose sleepers wake at once."""

    def __init__(self):
        super().__init__(0)
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


def lines(first, *texts, left_out=0):
    told = tuple(OutputLine(is_error=False, text=each) for each in texts)
    return OutputNews(kind=NewsKind.LINES, worker=ANN, first=first, lines=told, left_out=left_out)


@pytest.fixture
def reader(market):
    def made(wallet=market.wallet, url="http://pool.test"):
        pool, facts = PoolClient(market.http, url), market.chain.facts
        return OutputReader(pool, market.pool.workerpool, facts, wallet, Impatient())

    return made


async def read(reader):
    return [each async for each in reader.follow(TASK)]


def numbered(news):
    return [(n, line.text) for each in news for n, line in enumerate(each.lines, each.first)]


async def test_what_breaks_off_goes_on_and_no_line_comes_twice(market, reader):
    market.pool.logs = {}
    market.pool.outputs = [
        [lines(0, "a", "b"), lines(2, "c")],
        [lines(1, "b", "c", "d")],
        [lines(9, "j"), END],
    ]
    news = await read(reader())
    assert numbered(news) == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (9, "j")]
    assert sum(each.left_out for each in news) == 5
    assert market.pool.followed == [(), (f"{ANN}:3",), (f"{ANN}:4",)]


async def test_who_may_read_is_signed_in_once_and_again_after_the_pool_forgot(market, reader):
    market.pool.outputs = [[lines(0, "a")], [lines(1, "b"), END]]
    reading = reader().follow(TASK)
    assert (await anext(reading)).first == 0
    sessions = market.pool.reader_sessions
    assert len(sessions) == 1
    sessions._readers.clear()  # as a pool that was killed
    assert numbered([each async for each in reading]) == [(1, "b")]


async def test_without_a_wallet_the_requester_is_told_to_name_it(reader):
    with pytest.raises(OutputNotYours, match="--wallet"):
        await read(reader(wallet=None))


async def test_nothing_is_signed_for_a_pool_of_another_address(market, reader):
    signed = []

    class Watched:
        address = market.wallet.address

        def sign_message(self, message):
            signed.append(message)

    market.pool.reader_sessions._url = "http://another.example"
    with pytest.raises(OtherPoolSigns, match=r"another\.example"):
        await read(reader(wallet=Watched()))
    assert signed == []


async def test_a_pool_that_does_not_answer_is_given_up_in_the_end(market, reader):
    away = reader(url="http://nobody.test")
    with pytest.raises(PoolDown):
        await read(away)
    assert len(away.clock.slept) == MOST_SILENT_TRIES
    assert max(away.clock.slept) == 5.0


async def test_what_commands_a_terminal_is_not_taken_of_a_pool(market, reader):
    from poolhand.domain.errors import Malformed

    market.pool.logs = {}
    bad = lines(0, "fine").model_copy(
        update={"lines": (OutputLine.model_construct(is_error=False, text="\x1b[2J"),)}
    )
    market.pool.outputs = [[bad]]
    with pytest.raises(Malformed):
        await read(reader())


async def test_a_refusal_is_one(market, reader):
    other = OutputReader(
        PoolClient(market.http, "http://pool.test/x"),
        market.pool.workerpool,
        market.chain.facts,
        Wallet.from_key(bytes([9] * 32)),
        Impatient(),
    )
    with pytest.raises(PoolRefused):
        await read(other)
