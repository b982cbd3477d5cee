"""The page on iExec's SDK says what is so: it is fresh, and each command has a test or a reason."""

from __future__ import annotations

import sdkpage


def test_the_page_is_fresh():
    assert sdkpage.PAGE.read_text(encoding="utf-8") == sdkpage.page(), "run `make docs`"


def test_tests_name_only_commands_that_are_on_the_page():
    assert set(sdkpage.shown_by()) <= set(sdkpage.commands())


def test_every_command_has_a_test_or_a_reason_why_not_and_never_both():
    shown = sdkpage.shown_by()
    untold = [
        name for name, each in sdkpage.commands().items() if bool(each.needs) == (name in shown)
    ]
    assert untold == []
