"""Each program of examples/ is a notebook, too, is short, and is shown with its picture."""

from __future__ import annotations

import re

import nbformat
import notebooks
import pytest
from sources import ROOT

SCRIPTS = notebooks.scripts()
PAGE = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
TABLE = (notebooks.EXAMPLES / "README.md").read_text(encoding="utf-8")
LONGEST = 100


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_is_its_script_and_one_that_is_read(script):
    made = notebooks.notebook(script.read_text(encoding="utf-8"))
    assert script.with_suffix(".ipynb").read_text(encoding="utf-8") == made, "run `make docs`"
    book = nbformat.reads(made, as_version=4)
    nbformat.validate(book)
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith("# ")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_program_is_short_tells_its_cost_and_is_shown(script):
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    assert re.search(r"print\(f?\".*cost", text)
    (picture,) = set(re.findall(rf'"({script.stem}\.(?:png|gif))"', text))
    assert f"](examples/{picture})" in PAGE
    assert (ROOT / "docs" / "examples" / picture).stat().st_size < 250_000
    assert f"({script.name}), [.ipynb]({script.stem}.ipynb)" in TABLE
    assert f"`{picture}`" in TABLE


def test_every_notebook_has_its_script_and_every_picture_its_program():
    stems = {each.stem for each in SCRIPTS}
    assert {each.stem for each in notebooks.EXAMPLES.glob("*.ipynb")} == stems
    assert {each.stem for each in (ROOT / "docs" / "examples").iterdir()} == stems


def test_what_stands_before_the_first_cell_is_refused():
    with pytest.raises(notebooks.NotCells):
        notebooks.notebook("import sys\n# %%\n")


def test_text_and_code_become_cells():
    told = list(notebooks.cells("# %% [markdown]\n# # A\n#\n# b\n\n# %%\nx = 1\n\n\n# %%\nx\n"))
    assert told == [("markdown", "# A\n\nb"), ("code", "x = 1"), ("code", "x")]
