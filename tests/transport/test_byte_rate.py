"""A rate is kept by all who share it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.transport.byte_rate import BURST_SECONDS, PACED_BYTES, ByteRate


class Time:
    """Passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    async def pause(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.integers(1, 10_000), min_size=1), st.integers(100, 10**6))
async def test_no_more_passes_than_the_rate_and_a_moments_worth(counts, rate):
    time = Time()
    pace = ByteRate(lambda: rate, lambda: time.now, time.pause)
    done = 0
    for count in counts:
        await pace.passed(count)
        done += count
        assert done <= rate * (time.now - 100.0 + BURST_SECONDS) + 1e-6
    assert time.now - 100.0 <= done / rate


async def test_without_a_rate_nobody_waits_and_a_new_rate_holds_at_once():
    time, rate = Time(), [0]
    pace = ByteRate(lambda: rate[0], lambda: time.now, time.pause)
    await pace.passed(10**9)
    assert time.now == 100.0
    rate[0] = 1_000
    await pace.passed(1_000)
    assert time.now == 100.0 + 1 - BURST_SECONDS


async def test_a_stream_is_paced_whole():
    time = Time()
    pace = ByteRate(lambda: 1_000, lambda: time.now, time.pause)

    async def pieces():
        for _ in range(4):
            yield b"x" * 500

    assert [piece async for piece in pace.paced(pieces())] == [b"x" * 500] * 4
    assert time.now == 100.0 + 2 - BURST_SECONDS


async def test_a_large_piece_is_not_followed_by_a_long_pause():
    time, rate, pauses = Time(), [1_024], []

    async def pause(seconds):
        pauses.append(seconds)
        await time.pause(seconds)

    async def pieces():
        yield b"x" * (4 * PACED_BYTES + 1)

    pace = ByteRate(lambda: rate[0], lambda: time.now, pause)
    sizes = [len(piece) async for piece in pace.paced(pieces())]
    assert sizes == [PACED_BYTES] * 4 + [1]
    assert max(pauses) <= PACED_BYTES / 1_024
    rate[0] = 0
    assert [len(piece) async for piece in pace.paced(pieces())] == [4 * PACED_BYTES + 1]
