"""A command that a page prints can be copied: whatever the width, it stands on one line, whole."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.cli.render import grid, pairs
from poolhand.cli.tables import indented
from poolhand.cli.terminal import Console

COMMAND = "`poolhand account deposit 25 --wallet 0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1`"
PROSE = f"the pool's owner has no free stake: the owner deposits it ({COMMAND}), and asks again"
PAGES = {
    "pairs": lambda words: pairs([("why", words), ("status", "none")]),
    "a grid": lambda words: grid(("task", "why"), [("0", words), ("1", "short")]),
    "a sentence": lambda words: indented(words, 4, name="next"),
}


def printed(page, words, width):
    out = io.StringIO()
    Console(file=out, width=width).print(PAGES[page](words))
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_a_command_is_not_broken_and_prose_around_it_is(page, width):
    lines = printed(page, PROSE, width).splitlines()
    assert sum(COMMAND in line for line in lines) == 1
    assert all(len(line) <= max(width, 4 + len(f"({COMMAND}),")) for line in lines)
    assert " ".join(" ".join(lines).split()).count("the pool's owner has no free stake") == 1


@given(st.lists(st.sampled_from(["a", "bc", "`x y z`", "`", "``", "`q", "(`r s`)"]), max_size=30),
       st.sampled_from(sorted(PAGES)), st.integers(20, 60))  # fmt: skip
def test_every_word_is_there_in_order_whatever_stands_in_backticks(words, page, width):
    told = " ".join(["begin", *words, "end"])
    assert told in re.sub(r"\s+", " ", printed(page, told, width))
