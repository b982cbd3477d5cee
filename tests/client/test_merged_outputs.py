"""What several tasks print, told as one stream: whoever leaves it leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from poolhand.client.handles import merged
from poolhand.domain.ids import TaskId
from poolhand.wire.output_api import NewsKind, OutputNews

BEAT, END = OutputNews(kind=NewsKind.BEAT), OutputNews(kind=NewsKind.END)
ONE, TWO = TaskId(bytes([1] * 32)), TaskId(bytes([2] * 32))


async def ends():
    yield BEAT
    yield END


async def waits():
    yield BEAT
    await asyncio.Event().wait()


async def fails():
    yield BEAT
    raise ValueError("a bug")


async def test_all_that_is_told_comes_each_with_its_task():
    async with aclosing(merged({ONE: ends, TWO: ends})) as told:
        found = [each async for each in told]
    assert sorted(found, key=lambda each: bytes(each[0])) == [
        (ONE, BEAT), (ONE, END), (TWO, BEAT), (TWO, END),
    ]  # fmt: skip


async def test_whoever_leaves_leaves_nothing_waiting():
    before = asyncio.all_tasks()
    told = merged({ONE: waits, TWO: ends})
    for _ in range(3):
        await anext(told)
    coming = asyncio.create_task(anext(told))
    for _ in range(20):  # until it waits for news
        await asyncio.sleep(0)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    await told.aclose()
    assert asyncio.all_tasks() == before


async def test_one_that_cannot_be_read_ends_it_all():
    before = asyncio.all_tasks()
    async with aclosing(merged({ONE: waits, TWO: fails})) as told:
        with pytest.raises(ValueError, match="a bug"):
            async for _ in told:
                pass
    assert asyncio.all_tasks() == before
