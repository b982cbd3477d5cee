"""An app's output while it runs, as the engine's frames bring it."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from fake_engine import FakeEngine, frame, serving
from hypothesis import given
from hypothesis import strategies as st

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.live import LineSplitter
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import MOST_APP_LINE, ContainerUse


def told(pieces):
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.add(piece, is_error=False)]
    return [line.text for line in [*lines, *splitter.end()]]


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_lines_are_the_same_however_the_engine_cuts_them(printed, cuts):
    places = [0, *sorted(min(cut, len(printed)) for cut in cuts), len(printed)]
    pieces = [printed[a:b] for a, b in itertools.pairwise(places)]
    lines = printed.split(b"\n")
    assert told(pieces) == (lines if lines[-1] else lines[:-1])


def test_a_line_without_an_end_is_told_in_parts_and_never_held_whole():
    splitter = LineSplitter()
    for _ in range(10):
        for line in splitter.add(b"x" * MOST_APP_LINE * 3, is_error=True):
            assert (line.is_error, len(line.text)) == (True, MOST_APP_LINE)
        assert all(len(rest) <= MOST_APP_LINE for rest in splitter._open.values())


def test_the_two_streams_are_not_mixed_up():
    splitter = LineSplitter()
    assert list(splitter.add(b"out", is_error=False)) == []
    (line,) = splitter.add(b"err\n", is_error=True)
    assert (line.is_error, line.text) == (True, b"err")
    assert [line.text for line in splitter.end()] == [b"out"]


async def test_a_container_is_followed_to_its_end_and_a_broken_engine_is_told_as_down():
    engine = FakeEngine()
    engine.add("app")
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        lines = runtime.follow("app", 10, live=True)
        assert (await anext(lines)).text == b"out"
        assert (await anext(lines)).text == b"err"
        coming = asyncio.ensure_future(anext(lines, None))
        engine.printing.put_nowait(frame(1, b"more\n"))
        assert (await coming).text == b"more"
        engine.printing.put_nowait(None)
        assert await anext(lines, None) is None
        assert await runtime.usage("app") == ContainerUse(7, 1.5, 2)
        engine.stats = {"memory_stats": {}}
        assert await runtime.usage("app") is None
        engine.refusals["logs"] = 500, "broken"
        with pytest.raises(RuntimeDown):
            await anext(runtime.follow("app", 10, live=True))


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 4097, 8192, 10_000])
@pytest.mark.parametrize("piece", [1, 1000, 4096, 5000, 100_000])
def test_a_line_is_cut_into_the_same_parts_however_it_arrives(length, piece):
    """Lines are numbered: a reader that comes later must count as one that was there."""
    printed = b"x" * length + b"\nnext\n"
    splitter, told = LineSplitter(), []
    for start in range(0, len(printed), piece):
        told += splitter.add(printed[start : start + piece], is_error=False)
    told += splitter.end()
    assert told == [*LineSplitter().add(printed, is_error=False)]
