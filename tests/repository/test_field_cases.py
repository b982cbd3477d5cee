"""The table of cases says what is so: its page is fresh, and every test names a case that exists."""

from __future__ import annotations

import fieldcases


def test_the_page_is_fresh():
    assert fieldcases.PAGE.read_text(encoding="utf-8") == fieldcases.page(), "run `make docs`"


def test_tests_name_only_cases_that_exist():
    assert set(fieldcases.places()) <= set(fieldcases.cases())


def test_every_case_has_an_answer_and_a_test():
    told, proved = fieldcases.cases(), fieldcases.places()
    assert [name for name, case in told.items() if not case.answer] == []
    assert [name for name in told if name not in proved] == []
