"""The page on iExec's SDK says what is so: it is fresh, and a test shows each command."""

from __future__ import annotations

import re

import sdkpage


def test_the_page_is_fresh():
    assert sdkpage.PAGE.read_text(encoding="utf-8") == sdkpage.page(), "run `make docs`"


def test_every_command_has_a_test():
    assert sdkpage.commands().keys() == sdkpage.shown_by().keys()


def test_every_method_of_a_package_is_tried():
    script = (sdkpage.TESTS / "sdk" / "dataprotector.mjs").read_text(encoding="utf-8")
    tried = set(re.findall(r"tries\(\s*'(\w+)'", script))
    assert {name for methods in sdkpage.packages().values() for name in methods} == tried
