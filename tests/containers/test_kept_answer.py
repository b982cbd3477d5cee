"""An answer that many ask for: one question at a time, none kept over a change."""

from __future__ import annotations

import asyncio

import pytest

from poolhand.containers.kept_answer import KeptAnswer


class Question:
    """Answered when a test lets it be; each answer has its number."""

    def __init__(self):
        self.now, self.asked, self.open = 0.0, 0, asyncio.Event()
        self.open.set()
        self.kept = KeptAnswer(self.ask, 1.0, lambda: self.now)

    async def ask(self):
        self.asked += 1
        number = self.asked
        await self.open.wait()
        return number

    async def begun(self):
        """Ask in a task of its own, until the question is on its way."""
        before = self.asked
        task = asyncio.create_task(self.kept.get())
        while self.asked == before:  # noqa: ASYNC110 - one turn of the loop
            await asyncio.sleep(0)
        return task


async def test_who_asks_at_a_time_or_soon_after_shares_one_question():
    question = Question()
    assert await asyncio.gather(*(question.kept.get() for _ in range(3))) == [1, 1, 1]
    question.now = 0.9
    assert await question.kept.get() == 1
    question.now = 1.1
    assert await question.kept.get() == 2


async def test_an_answer_is_as_old_as_its_question():
    question = Question()
    question.open.clear()
    task = await question.begun()
    question.now = 0.9
    question.open.set()
    assert await task == 1
    question.now = 1.1
    assert await question.kept.get() == 2


async def test_what_was_asked_before_a_change_or_during_it_is_not_kept():
    question = Question()
    await question.kept.get()
    with question.kept.changing():
        assert [await question.kept.get(), await question.kept.get()] == [2, 2]
    assert await question.kept.get() == 3


async def test_who_asks_after_a_change_waits_for_a_question_after_it():
    question = Question()
    question.open.clear()
    before = await question.begun()
    with question.kept.changing():
        pass
    after = [asyncio.create_task(question.kept.get()) for _ in range(3)]
    await asyncio.sleep(0)
    assert question.asked == 1
    question.open.set()
    assert await before == 1
    assert await asyncio.gather(*after) == [2, 2, 2]


async def test_a_question_that_fails_is_asked_again():
    question, faults = Question(), [RuntimeError("down")]

    async def ask():
        if faults:
            raise faults.pop()
        return await question.ask()

    kept = KeptAnswer(ask, 1.0, lambda: 0.0)
    with pytest.raises(RuntimeError):
        await kept.get()
    assert await kept.get() == 1
