"""The page on iExec's SDK says what is so: it is fresh, and a test shows each command."""

from __future__ import annotations

import sdkpage


def test_the_page_is_fresh():
    assert sdkpage.PAGE.read_text(encoding="utf-8") == sdkpage.page(), "run `make docs`"


def test_every_command_has_a_test():
    assert sdkpage.commands().keys() == sdkpage.shown_by().keys()
