"""The page that shows how to run functions says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client, Image
from poolhand.appimage.composing import PublishedImage
from typed_lines import ran

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "functions.md"
CODE, IMAGE, PARALLEL, _ = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def client(named, bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    with Client(**named, functions=FUNCTIONS_IMAGE) as made:
        yield made


@pytest.mark.executes("docs/how-to/functions.md", "from poolhand import Client\n")
def test_the_program_of_the_page_does_what_it_says(client, bazaar, capsys):
    names: dict = {"__name__": "__main__typed"}
    exec(compile(CODE, str(PAGE), "exec"), names)
    names["estimate"].__module__ = "__main__"
    names["main"](client)
    told = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"pi is about 3\.1\d, for 12000000000 nRLC", told[0])
    assert told[1:] == [str(2**100), "3 6 [1, 2, 3]"]
    assert bazaar.market.deals == 4
    ran(CODE)


@pytest.mark.executes("docs/how-to/functions.md", "from concurrent")
def test_what_is_parallel_already_runs_as_the_page_says(client, bazaar, capsys):
    names: dict = {"__name__": "typed"}
    exec(compile(PARALLEL, str(PAGE), "exec"), names)
    names["main"](client)
    assert capsys.readouterr().out.splitlines() == [
        "[(5, 2), (8, 1), (17, 0)]",
        "[0, 1, 2, 3, 4]",
        "[1, 2, 3]",
    ]
    ran(PARALLEL)


@pytest.mark.executes("docs/how-to/functions.md", "from poolhand import Client, Image")
def test_an_image_with_packages_is_made_as_the_page_says():
    names: dict = {"__name__": "typed"}
    exec(compile(IMAGE, str(PAGE), "exec"), names)
    pushed = []

    class Registry:
        """Takes images."""

        def push_image(self, image, to):
            pushed.append((image, to))
            return PublishedImage(to, "0" * 64)

    assert names["with_packages"](Registry(), "ghcr.io/you/f:1") == "ghcr.io/you/f:1"
    assert pushed == [(Image.python().pip("numpy>=2").functions(), "ghcr.io/you/f:1")]
    ran(IMAGE)
