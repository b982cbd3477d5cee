"""Figures on pages are those that were measured last."""

from __future__ import annotations

import figurepages
import pytest

FOUND = {"bag.paid_s": 1190, "load.bag": "0 to 1", "idle.core_share": 0.045}
SENTENCE = "paid after {bag.paid_s} s at a load of {load.bag}"


def test_the_figures_of_every_page_are_the_newest():
    for page, wanted in figurepages.pages().items():
        assert page.read_text(encoding="utf-8") == wanted, f"{page.name}: run `make docs`"


def test_older_figures_of_a_sentence_are_replaced_wherever_its_lines_break():
    page = "Two 10 s. All paid after 1,296 s\nat a load of 15 to 22, and 3 s.\n"
    assert figurepages.kept(page, SENTENCE, FOUND) == (
        "Two 10 s. All paid after 1,190 s\nat a load of 0 to 1, and 3 s.\n"
    )


def test_a_figure_is_written_as_its_place_says():
    wanted = "for 0.045 of a core"
    assert figurepages.kept("for 1 of a core", "for {idle.core_share:.3f} of", FOUND) == wanted


@pytest.mark.parametrize(
    "page", ["", "paid after 1 s at a load of 2; paid after 3 s at a load of 4"]
)
def test_a_sentence_that_its_page_has_not_once_is_named(page):
    with pytest.raises(LookupError, match="paid after"):
        figurepages.kept(page, SENTENCE, FOUND)
