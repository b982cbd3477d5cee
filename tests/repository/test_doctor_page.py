"""The table of newcomers' mistakes says what the doctor says, and each mistake is made by a test."""

from __future__ import annotations

import doctorpage

from poolhand.domain.doctor.findings import Check


def test_the_page_is_fresh():
    assert doctorpage.PAGE.read_text(encoding="utf-8") == doctorpage.page(), "run `make docs`"


def test_every_check_is_described():
    assert list(doctorpage.ABOUT) == list(Check)


def test_every_mistake_has_a_sentence_a_fix_and_a_test():
    told, proved = doctorpage.mistakes(), doctorpage.places()
    assert set(proved) == set(told)
    for name, each in told.items():
        assert each.finding.found, name
        assert each.finding.fix, name
