"""The example apps compute, and compute the same every time."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path

import pytest

APPS = Path(__file__).parents[2] / "apps"
DATA = APPS / "word-statistics" / "data"


@pytest.fixture
def run(tmp_path):
    """Run an app as its container would; returns (exit code, stderr, output folder)."""

    def run(app, *args, into=".", **environment):
        inside, out = tmp_path / "iexec_in", tmp_path / "iexec_out" / into
        inside.mkdir(exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-I", APPS / app / "main.py", *args],
            env={"IEXEC_IN": str(inside), "IEXEC_OUT": str(out), "PATH": os.defpath} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr, out

    run.inside = tmp_path / "iexec_in"
    run.inside.mkdir()
    return run


def result(out):
    computed = json.loads((out / "computed.json").read_text())
    assert computed == {"deterministic-output-path": str(out / "result.json")}
    return json.loads((out / "result.json").read_text())


def test_words_of_a_text_are_counted(run):
    text = "One fish, two fish. Red fish! Don’t stop…\n\nBlue-green élan élan ÉLAN 42 _x_"
    (run.inside / "0xdata").write_text(text, encoding="utf-8")
    code, _, out = run("word-statistics", "--top", "2", IEXEC_DATASET_FILENAME="0xdata")
    assert code == 0
    found = result(out)
    assert found["top_words"] == [{"word": "fish", "count": 3}, {"word": "élan", "count": 3}]
    assert found["words"] == 13
    assert found["distinct_words"] == 9
    assert found["words_used_once"] == 7
    assert found["sentences"] == 4
    assert found["longest_words"][:2] == ["blue-green", "don't"]
    assert found["type_token_ratio"] == round(9 / 13, 4)
    assert "fish" in (out / "result.txt").read_text()


def test_the_shipped_text_always_gives_the_same_bytes(run):
    texts = list(DATA.glob("*.txt"))
    assert len(texts) == 1
    environment = {"IEXEC_IN": str(DATA), "IEXEC_DATASET_FILENAME": texts[0].name}
    outs = [run("word-statistics", into=each, **environment)[2] for each in "ab"]
    first, second = [(out / "result.json").read_bytes() for out in outs]
    assert first == second
    found = json.loads(first)
    assert found["top_words"][0] == {"word": "the", "count": 71}
    assert found["words"] == 983


def test_dataset_and_input_files_are_read_together(run):
    for name, text in {"data": "a b", "one": "c", "two": "d d"}.items():
        (run.inside / name).write_text(text)
    names = {"IEXEC_INPUT_FILE_NAME_1": "one", "IEXEC_INPUT_FILE_NAME_2": "two"}
    files = {"IEXEC_INPUT_FILES_NUMBER": "2", **names}
    _, _, out = run("word-statistics", IEXEC_DATASET_FILENAME="data", **files)
    assert result(out)["words"] == 5
    _, _, out = run("word-statistics", **files, IEXEC_DATASET_FILENAME="")
    assert result(out)["words"] == 3


@pytest.mark.case("E3")
@pytest.mark.parametrize("name", ["", "0x" + "00" * 20])
def test_without_a_text_of_ones_own_there_is_one_to_try(run, name):
    code, stderr, out = run("word-statistics", "--top", "5", IEXEC_DATASET_FILENAME=name)
    assert (code, stderr) == (0, "")
    found = result(out)
    assert found["words"] == 271
    assert found["top_words"][0] == {"word": "that", "count": 13}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"12 34", "no words"),
    ],
)
def test_what_is_no_text_is_told_without_a_trace(run, content, told):
    (run.inside / "data").write_bytes(content)
    code, stderr, out = run("word-statistics", IEXEC_DATASET_FILENAME="data")
    assert code == 1
    assert told in stderr
    assert "Traceback" not in stderr
    assert not (out / "computed.json").exists()


def pixels(png):
    """Decode an 8-bit RGB picture whose rows are unfiltered; returns size and pixels."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        name, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", png[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(name + content)
        chunks[name], at = content, at + 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = zlib.decompress(chunks[b"IDAT"])
    row = 1 + 3 * width
    assert len(raw) == row * height
    assert {raw[line * row] for line in range(height)} == {0}
    found = [raw[y * row + 1 + 3 * x :][:3] for y in range(height) for x in range(width)]
    return (width, height), found


def test_the_default_picture_is_480_by_320_with_many_colours(run):
    code, stderr, out = run("fractal")
    assert (code, stderr) == (0, "")
    size, found = pixels((out / "picture.png").read_bytes())
    assert size == (480, 320)
    assert len(set(found)) > 500
    computed = json.loads((out / "computed.json").read_text())
    assert computed == {"deterministic-output-path": str(out / "picture.png")}


def test_the_whole_mandelbrot_set_is_black_inside_and_symmetric(run):
    view = ("--kind", "mandelbrot", "--centre=-0.5,0", "--zoom", "1")
    _, _, out = run("fractal", *view, "--width", "90", "--height", "60")
    (width, height), found = pixels((out / "picture.png").read_bytes())
    rows = [found[y * width : (y + 1) * width] for y in range(height)]
    assert rows == rows[::-1]
    assert rows[30][width // 2] == b"\0\0\0"
    assert rows[0][0] != b"\0\0\0"
    area = found.count(b"\0\0\0") / len(found) * 4.5 * 3
    assert area == pytest.approx(1.5066, rel=0.05)  # the set's known area


def test_a_picture_depends_on_its_seed_alone(run):
    small = ("--width", "48", "--height", "32")

    def picture(into, seed):
        out = run("fractal", *small, "--seed", str(seed), into=into)[2]
        return sha256((out / "picture.png").read_bytes()).hexdigest()

    assert picture("a", 7) == picture("b", 7)
    assert len({picture(f"s{seed}", seed) for seed in range(8)}) == 8


@pytest.mark.parametrize("args", [("--width", "0"), ("--zoom", "x"), ("--seed", "-1"), ("--no",)])
def test_bad_arguments_are_told_without_a_trace(run, args):
    code, stderr, _ = run("fractal", *args)
    assert code == 2
    assert "error:" in stderr
    assert "Traceback" not in stderr
