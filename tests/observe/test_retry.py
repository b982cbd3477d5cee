"""Who has retry gets an answer in the end, and says once that it waits."""

from __future__ import annotations

import pytest
import structlog

from poolhand.domain.errors import ChainUnreachable
from poolhand.observe.retry import PAUSE_BETWEEN_RETRIES, ChainRetry, chain_outage


class Passing:
    """A clock on which time passes at once."""

    def __init__(self):
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


def silent(times):
    """Return a question that a chain answers after so many failures."""
    left = [times]

    async def ask():
        left[0] -= 1
        if left[0] >= 0:
            raise ChainUnreachable("no endpoint answers")
        return "here"

    return ask


@pytest.fixture
def lines():
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        yield told


async def test_the_answer_comes_however_long_it_takes(lines):
    clock = Passing()
    assert await ChainRetry(clock, chain_outage("the worker")).ask(silent(40)) == "here"
    assert clock.slept == [PAUSE_BETWEEN_RETRIES] * 40
    assert [line["event"] for line in lines] == ["chain_unreachable", "chain_reached"]
    assert "the worker goes on by itself" in lines[0]["next_step"]


async def test_without_retries_the_first_silence_is_raised(lines):
    clock = Passing()
    retry = ChainRetry(clock, chain_outage("the worker"), lasts=False)
    with pytest.raises(ChainUnreachable):
        await retry.ask(silent(1))
    assert await retry.ask(silent(0)) == "here"
    assert not clock.slept
    assert not lines
