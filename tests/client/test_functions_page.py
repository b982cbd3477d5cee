"""The page that shows how to run functions says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "functions.md"
CODE = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def client(named, bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    with Client(**named, functions=FUNCTIONS_IMAGE) as made:
        yield made


def test_the_program_of_the_page_does_what_it_says(client, bazaar, capsys):
    names: dict = {"__name__": "__main__typed"}
    exec(compile(CODE[0], str(PAGE), "exec"), names)
    names["estimate"].__module__ = "__main__"
    names["main"](client)
    told = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"pi is about 3\.1\d, for 12000000000 nRLC", told[0])
    assert told[1:] == [str(2**100), "3 6 [1, 2, 3]"]
    assert bazaar.market.deals == 4


def test_what_is_parallel_already_runs_as_the_page_says(client, bazaar, capsys):
    names: dict = {"__name__": "typed"}
    exec(compile(CODE[1], str(PAGE), "exec"), names)
    names["main"](client)
    assert capsys.readouterr().out.splitlines() == [
        "[(5, 2), (8, 1), (17, 0)]",
        "[0, 1, 2, 3, 4]",
        "[1, 2, 3]",
    ]
