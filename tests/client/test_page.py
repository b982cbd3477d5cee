"""The page that shows how to compute from Python says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poolhand import Client
from requester_market import IMAGE
from typed_lines import ran

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "buy-from-python.md"
PART = PAGE.read_text(encoding="utf-8").partition("## What lies below")[0]
(CODE,) = re.findall(r"```python\n(.*?)```", PART, re.DOTALL)


def typed() -> dict:
    """Return the names of the page's program, which is typed as it stands there."""
    names: dict = {"__name__": "typed"}
    exec(compile(CODE, str(PAGE), "exec"), names)
    return names


@pytest.mark.executes("docs/how-to/buy-from-python.md", "from poolhand import Client")
def test_the_program_of_the_page_does_what_it_says(named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    with Client(**named) as client:
        typed()["word_count"](client, IMAGE)
    told = capsys.readouterr().out
    assert "for 4 RLC for 2 task(s) at 2" in told
    assert "task 1: COMPLETED" in told
    assert "task 0 wrote ('words.txt', 'computed.json')" in told
    assert (tmp_path / "results" / "1" / "words.txt").read_bytes() == b"whale 42\n"
    ran(CODE)


def test_the_settings_of_the_page_are_settings():
    names, found = typed(), []
    names["Client"] = lambda **settings: found.append(Client(**settings).budget.limit)
    names["word_count"] = lambda *_: None
    names["main"]()
    assert found == [10 * 10**9]


@pytest.mark.parametrize("word", sorted(set(re.findall(r"\b((?:client|deal|result)\.\w+)", PART))))
def test_every_word_of_the_page_exists(named, word):
    whose, name = word.split(".")
    with Client(**named) as client:
        things = {"client": client}
        if whose != "client":
            things["deal"] = client.run(IMAGE)
        if whose == "result":
            things["result"] = things["deal"].result()
        assert hasattr(things[whose], name)
