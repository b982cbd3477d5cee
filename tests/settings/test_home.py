"""Folders of people: found, or told as missing; one place asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolhand.settings.home import NoSuchHome, at_home

SOURCES = Path(__file__).parents[2] / "src"


def test_a_path_of_ones_own_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert at_home("~/keys") == Path("/somewhere/keys")
    assert at_home("keys/~x") == Path("keys/~x")


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "~nobody-of-this-name"])
def test_the_home_of_nobody_is_told(path):
    with pytest.raises(NoSuchHome, match=f"{path} begins with a home folder"):
        at_home(path)


def test_nobody_else_asks_for_homes():
    asking = [p.name for p in SOURCES.rglob("*.py") if "expanduser" in p.read_text("utf-8")]
    assert asking == ["home.py"], "Path.expanduser raises RuntimeError where nobody has the home"
