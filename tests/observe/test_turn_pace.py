"""Much that is due at once is done a part per turn of the loop, in the order of asking."""

from __future__ import annotations

import asyncio

import pytest

from poolhand.observe.turn_pace import TurnPace
from work import Turns


async def pieces(pace, count, done, turns):
    """Do so many pieces of work, as many at a time as the pace allows."""
    for number in range(count):
        await pace.next()
        turns.count()
        done.append(number)


@pytest.mark.parametrize("many", [100, 1000])
@pytest.mark.parametrize("by", [1, 10])
async def test_no_turn_has_more_pieces_however_many_are_due_and_whoever_does_them(many, by):
    pace, done, turns = TurnPace(8), [], Turns()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(by):
            tasks.create_task(pieces(pace, many // by, done, turns))
    assert len(done) == many
    assert 8 <= turns.most <= 16


async def test_a_piece_for_which_there_is_room_does_not_wait():
    pace = TurnPace(2)
    waiting = [pace.next(), pace.next(), pace.next()]
    stepped = []
    for each in waiting:
        try:
            each.send(None)
            stepped.append("waits")
        except StopIteration:
            stepped.append("done")
    assert stepped == ["done", "done", "waits"]
    waiting[-1].close()


async def test_who_asked_first_goes_first_and_who_gave_up_takes_no_room():
    pace, came = TurnPace(1), []

    async def come(name):
        await pace.next()
        came.append(name)

    tasks = [asyncio.create_task(come(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert came == ["a", "c", "d"]


async def test_who_does_a_thousand_pieces_lets_who_has_one_in_between():
    pace, long, short, turns = TurnPace(4), [], [], Turns()
    much = asyncio.create_task(pieces(pace, 1000, long, turns))
    await asyncio.sleep(0)
    await pieces(pace, 1, short, turns)
    assert short
    assert len(long) < 20
    await much
