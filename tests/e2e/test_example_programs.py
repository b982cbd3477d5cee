"""The programs of examples/ on a whole network: small, and compared with what is computed here."""

from __future__ import annotations

import ast
import base64
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import notebooks
import pytest
from PIL import Image as Picture
from sklearn.model_selection import validation_curve

from poolhand.devnet.examples import example_apps

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = example_apps() / "word-statistics" / "data" / "lincoln.txt"


@pytest.fixture
async def place(network, tmp_path, monkeypatch):
    """A copy of the examples, in the shell of somebody with a devnet; no RLC comes or goes."""
    for name in [name for name in os.environ if name.startswith(("POOLHAND_", "IEXEC_", "MPL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POOLHAND_HOME", str(network.home))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "examples")
    before = sum((await network.money()).values())
    yield tmp_path / "examples"
    assert sum((await network.money()).values()) == before


def smaller(script, **values):
    """Give a script other numbers than it has at its top."""
    text = script.read_text(encoding="utf-8")
    for name, value in values.items():
        text, found = re.subn(
            rf"^{name} = [^#\n]+", f"{name} = {value!r}", text, flags=re.MULTILINE
        )
        assert found == 1, f"{script.name} sets no {name}"
    script.write_text(text, encoding="utf-8")
    return script


def run(script):
    """Run a script as ``python`` does; return what its names stand for at its end."""
    names = runpy.run_path(str(script), run_name="__main__")
    names["client"].close()
    return names


def painted(content):
    """Open a picture and make sure that something is on it."""
    picture = Picture.open(io.BytesIO(content))
    assert len(picture.convert("RGB").getcolors(maxcolors=2**24)) > 10
    return picture


def test_a_sweep_is_what_the_same_function_computes_here(place, capsys):
    found = run(smaller(place / "parameter_sweep.py", GRID=4, POINTS_PER_TASK=8))
    assert found["peaks"] == [found["peak"](point) for point in found["points"]]
    assert re.search(r"^16 simulations cost 2 RLC$", capsys.readouterr().out, re.MULTILINE)
    painted((place / "parameter_sweep.png").read_bytes())


def test_a_film_has_the_frames_that_its_app_paints_in_order(place, capsys):
    found = run(smaller(place / "film.py", FRAMES=3, SIZE="24x18"))
    command, out = [sys.executable, str(place / "film_frame.py"), "24x18", "3"], place / "out"
    out.mkdir()
    for number in range(3):
        told = {"IEXEC_TASK_INDEX": str(number), "IEXEC_OUT": str(out)}
        subprocess.run(command, env=told, check=True, capture_output=True)
        assert found["painted"][number] == (out / "frame.png").read_bytes()
    assert re.search(r"3 frames cost 3 RLC", capsys.readouterr().out)
    film = painted((place / "film.gif").read_bytes())
    assert (film.n_frames, film.size, found["strip"].size) == (3, (24, 18), (96, 18))


def test_four_workers_agree_on_what_the_app_finds_here(place, capsys):
    found = run(smaller(place / "text_mining.py", TEXT=str(TEXT)))
    (place / "out").mkdir()
    told = {"IEXEC_IN": str(TEXT.parent), "IEXEC_OUT": str(place / "out")}
    app = [sys.executable, str(example_apps() / "word-statistics" / "main.py"), "--top", "20"]
    subprocess.run(app, env={**told, "IEXEC_DATASET_FILENAME": TEXT.name}, check=True)
    assert found["found"] == json.loads((place / "out" / "result.json").read_bytes())
    assert len(set(found["proof"].workers)) == 4
    assert "4 workers agreed on 0x" in capsys.readouterr().out
    painted((place / "text_mining.png").read_bytes())


def test_scikit_learn_finds_the_same_by_the_network_as_by_itself(place, capsys):
    found = run(smaller(place / "cross_validation.py", WIDTHS=1, FOLDS=2, CATEGORY=1))
    same = validation_curve(
        found["model"],
        *found["flowers"],
        param_name="svc__gamma",
        param_range=found["widths"],
        cv=2,
        n_jobs=1,
    )
    assert found["learnt"].tolist() == same[0].tolist()
    assert found["right"].tolist() == same[1].tolist()
    assert re.search(r"^2 fits cost \d+ RLC$", capsys.readouterr().out, re.MULTILINE)
    painted((place / "cross_validation.png").read_bytes())


async def test_a_notebook_shows_an_estimate_that_gets_better(place, monkeypatch):
    """Executed by a real kernel: it is the script, in cells."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(place / name))
    monkeypatch.delenv("MPLBACKEND")
    script = smaller(place / "monte_carlo.py", NEUTRONS_PER_TASK=200, TASKS=3)
    text = script.read_text(encoding="utf-8")
    book = nbformat.reads(notebooks.notebook(text), as_version=4)
    asked = "print([estimates, sum(got_through.local(seed) for seed in range(TASKS))])"
    book.cells.append(nbformat.v4.new_code_cell(asked))
    runs = nbclient.NotebookClient(book, timeout=200, kernel_name="python3")
    await runs.async_execute(cwd=str(place))
    *_, last, told = [each for each in book.cells if each.cell_type == "code"]
    lines = "".join(each["text"] for each in last.outputs if each.output_type == "stream")
    assert re.fullmatch(r"(\s*\d+ neutrons: 0\.\d{4} ± 0\.\d{4}\n){3}it cost 3 RLC\n", lines)
    (picture,) = [each["data"]["image/png"] for each in last.outputs if "data" in each]
    assert painted(base64.b64decode(picture)).width > 300
    estimates, through = ast.literal_eval(told.outputs[0]["text"])
    assert [each[0] for each in estimates] == [200, 400, 600]
    assert estimates[-1][1] == through / 600
