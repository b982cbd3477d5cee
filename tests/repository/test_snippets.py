"""Whatever a page prints to be typed is run by a test that says so, or says why none runs it."""

from __future__ import annotations

import ast
import re

import docsite
import marked
import pytest
from sources import ROOT, TESTS

from typed_lines import claimed, snippets

PAGES = sorted(docsite.all_pages())
LEAST_OF_A_REASON = 20
NAMED = re.compile(r"\b(?:tests|scripts|docs)/[\w./-]+\w")


def claims():
    """Return what tests claim to execute, by place."""
    for call, place in marked.marked(TESTS, "executes"):
        yield place, tuple(ast.literal_eval(each) for each in call.args)


def test_every_snippet_is_run_by_a_test_or_says_why_it_is_not():
    run = {(each.page, each.line): place for place, claim in claims() for each in claimed(*claim)}
    told = [each for page in PAGES for each in snippets(page)]
    silent = [
        f"{each.page}:{each.line}" for each in told
        if not each.reason and (each.page, each.line) not in run
    ]  # fmt: skip
    assert silent == [], "mark the test that runs it, or put <!-- not run: reason --> before it"
    assert len(told) > 80
    assert len(run) > 40


def test_a_reason_is_one_and_what_it_names_is_there():
    for each in (each for page in PAGES for each in snippets(page) if each.reason):
        assert len(each.reason) >= LEAST_OF_A_REASON, (each.page, each.line)
        for name in NAMED.findall(each.reason):
            assert (ROOT / name).is_file(), (each.page, each.line, name)


def test_a_claim_to_execute_what_no_page_prints_is_refused():
    with pytest.raises(AssertionError, match="has no snippet"):
        claimed("README.md", "poolhand nothing of the kind")
