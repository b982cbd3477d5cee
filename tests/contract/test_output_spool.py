"""One suite over every spool of what apps print: by number, bounded, for a while, faults lose lines."""

from __future__ import annotations

import pytest

from poolhand.domain.app_lines import AppLine
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.line_window import LineRun
from poolhand.domain.units import KIB, UnixSeconds
from poolhand.ports.output_spool import BYTES_PER_ENTRY, KEPT_BYTES_AT_ONCE, SpoolBounds
from poolhand.store.output_memory import MemoryOutputSpool
from poolhand.store.output_spool import SqlOutputSpool

TASK, OTHER = TaskId(bytes([1] * 32)), TaskId(bytes([2] * 32))
ANN, BOB = Address(bytes([3] * 20)), Address(bytes([4] * 20))
BOUNDS = SpoolBounds(per_output=2_000, in_all=5_000)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def spool(request, tmp_path):
    match request.param:
        case "memory":
            made = MemoryOutputSpool(BOUNDS)
        case "sqlite":
            made = SqlOutputSpool(f"sqlite:///{tmp_path}/output.db", BOUNDS)
        case _:
            made = SqlOutputSpool(request.getfixturevalue("postgres"), BOUNDS)
    yield made
    made.close()


def lines(first, *texts):
    return LineRun(first, tuple(AppLine(is_error=False, text=each) for each in texts))


async def every(spool, task, worker, after=0):
    """Read on until nothing comes; return (number, text)."""
    found = []
    while (run := await spool.run(task, worker, after)) is not None:
        found += [(number, line.text) for number, line in enumerate(run.lines, run.first)]
        after = run.end
    return found


async def test_lines_come_back_by_their_numbers(spool):
    spool.keep(TASK, ANN, lines(0, "a", "b\x1b[1mB\x1b[0m"), UnixSeconds(1))
    spool.keep(TASK, ANN, lines(2, "c"), UnixSeconds(1))
    spool.keep(TASK, ANN, lines(7, "h \N{GRINNING FACE}"), UnixSeconds(1))
    spool.keep(TASK, BOB, lines(0, "x"), UnixSeconds(1))
    whole = [(0, "a"), (1, "b\x1b[1mB\x1b[0m"), (2, "c"), (7, "h \N{GRINNING FACE}")]
    assert await every(spool, TASK, ANN) == whole
    assert await every(spool, TASK, ANN, 1) == whole[1:]
    assert await every(spool, TASK, ANN, 8) == []
    assert await spool.numbers(TASK) == {ANN: 8, BOB: 1}
    assert await spool.numbers(OTHER) == {}


@pytest.mark.parametrize("kind", [MemoryOutputSpool, SqlOutputSpool])
async def test_lines_that_came_one_by_one_are_read_many_at_once(tmp_path, kind):
    where = [f"sqlite:///{tmp_path}/output.db"] if kind is SqlOutputSpool else []
    spool = kind(*where)
    for number in [*range(150), *range(200, 230)]:
        spool.keep(TASK, ANN, lines(number, f"line {number}"), UnixSeconds(1))
    first = await spool.run(TASK, ANN, 0)
    assert (first.first, first.end) == (0, 150)
    assert first.lines[149].text == "line 149"
    rest = await spool.run(TASK, ANN, 150)
    assert (rest.first, rest.end) == (200, 230)
    for number in range(300, 340):
        spool.keep(TASK, ANN, lines(number, "x" * KIB * 8), UnixSeconds(1))
    large = await spool.run(TASK, ANN, 300)
    assert 1 <= len(large.lines) * 8 * KIB <= KEPT_BYTES_AT_ONCE
    spool.keep(OTHER, ANN, lines(0, "x" * 2 * KEPT_BYTES_AT_ONCE), UnixSeconds(1))
    assert (await spool.run(OTHER, ANN, 0)).end == 1  # one is read whatever its size
    spool.close()


async def test_what_is_told_again_is_not_kept_twice(spool):
    spool.keep(TASK, ANN, lines(0, "a", "b"), UnixSeconds(1))
    spool.keep(TASK, ANN, lines(0, "a", "b"), UnixSeconds(2))
    spool.keep(TASK, ANN, lines(1, "b", "c"), UnixSeconds(2))
    assert await every(spool, TASK, ANN) == [(0, "a"), (1, "b")]


async def test_the_end_of_an_output_is_the_last_that_was_told(spool):
    spool.keep_end(TASK, ANN, "out", "err\0", UnixSeconds(1))
    spool.keep_end(TASK, ANN, "later", "", UnixSeconds(1))
    spool.keep_end(TASK, BOB, "bob", "", UnixSeconds(1))
    assert await spool.ends(TASK) == {ANN: ("later", ""), BOB: ("bob", "")}
    assert await spool.ends(OTHER) == {}


async def test_one_output_has_its_room_and_no_more(spool):
    for number in range(0, 90, 10):
        spool.keep(TASK, ANN, lines(number, *["x" * 30] * 10), UnixSeconds(1))
    spool.keep(TASK, BOB, lines(0, "still here"), UnixSeconds(1))
    assert 10 <= len(await every(spool, TASK, ANN)) <= 66
    assert await every(spool, TASK, BOB) == [(0, "still here")]


async def test_what_is_written_counts_and_not_its_characters(spool):
    for number in range(9):
        spool.keep(TASK, ANN, lines(number, "\N{GRINNING FACE}" * 100), UnixSeconds(1))
    kept = await every(spool, TASK, ANN)
    assert len(kept) == BOUNDS.per_output // (400 + BYTES_PER_ENTRY)


async def test_what_is_short_counts_too(spool):
    for number in range(20):
        spool.keep(TASK, ANN, lines(number, "x"), UnixSeconds(1))
    assert len(await every(spool, TASK, ANN)) <= BOUNDS.per_output // BYTES_PER_ENTRY


async def test_what_is_old_goes(spool):
    spool.keep(TASK, ANN, lines(0, "old"), UnixSeconds(1))
    spool.keep_end(TASK, ANN, "old", "", UnixSeconds(1))
    spool.keep(OTHER, ANN, lines(0, "new"), UnixSeconds(9))
    spool.keep_end(OTHER, ANN, "new", "", UnixSeconds(9))
    await spool.prune(UnixSeconds(5))
    assert await every(spool, TASK, ANN) == []
    assert await spool.ends(TASK) == {}
    assert await every(spool, OTHER, ANN) == [(0, "new")]
    assert await spool.ends(OTHER) == {ANN: ("new", "")}


async def test_all_together_have_their_room_too(spool):
    for number in range(9):
        name = TaskId(bytes([number] * 32))
        spool.keep_end(name, ANN, "x" * 900, "", UnixSeconds(number))
    await spool.prune(UnixSeconds(0))
    held = [await spool.ends(TaskId(bytes([number] * 32))) for number in range(9)]
    assert sum(len(ends[ANN][0]) for ends in held if ends) <= BOUNDS.in_all


async def test_what_waits_is_counted_whoever_reads_meanwhile(tmp_path):
    spool = SqlOutputSpool(f"sqlite:///{tmp_path}/output.db")
    for number in range(300):
        spool.keep(TASK, ANN, lines(number, "x"), UnixSeconds(1))
        if number % 50 == 0:
            await spool.numbers(TASK)
    assert await spool.numbers(TASK) == {ANN: 300}
    assert spool._held == 0
    spool.close()


async def test_a_number_that_no_database_has_room_for_costs_its_lines_and_no_more(tmp_path):
    spool = SqlOutputSpool(f"sqlite:///{tmp_path}/output.db")
    spool.keep(TASK, ANN, lines(2**63 - 1, "a"), UnixSeconds(1))
    assert await spool.run(TASK, ANN, 0) is None
    assert await spool.run(TASK, ANN, 2**63) is None
    spool.keep(TASK, ANN, lines(0, "b"), UnixSeconds(1))
    assert await every(spool, TASK, ANN) == [(0, "b")]
    spool.close()


async def test_what_was_kept_is_there_after_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/output.db"
    spool = SqlOutputSpool(url)
    spool.keep(TASK, ANN, lines(0, "a"), UnixSeconds(1))
    spool.close()
    spool.close()
    again = SqlOutputSpool(url)
    assert await every(again, TASK, ANN) == [(0, "a")]
    again.close()


async def test_a_database_that_cannot_be_had_costs_lines_and_nothing_else(tmp_path):
    (tmp_path / "output.db").write_bytes(b"this is no database" * 100)
    spool = SqlOutputSpool(f"sqlite:///{tmp_path}/output.db")
    spool.keep(TASK, ANN, lines(0, "a"), UnixSeconds(1))
    spool.keep_end(TASK, ANN, "a", "", UnixSeconds(1))
    assert await spool.run(TASK, ANN, 0) is None
    assert await spool.ends(TASK) == await spool.numbers(TASK) == {}
    await spool.prune(UnixSeconds(1))
    spool.close()
