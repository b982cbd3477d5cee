"""Pictures in the terminal: two pixels per character, and a sentence where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from poolhand.cli.picture import NoPicture, draw

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def png(path: Path, size, colours) -> Path:
    image = Image.new("RGB", size)
    image.putdata(colours)
    image.save(path)
    return path


def test_a_character_shows_the_pixel_above_and_the_pixel_below(tmp_path):
    drawn = draw(png(tmp_path / "a.png", (2, 2), [RED, GREEN, BLUE, WHITE]), 72)
    assert drawn.plain == "▀▀\n"
    first, second = (span.style for span in drawn.spans)
    assert [first.color.triplet, first.bgcolor.triplet] == [RED, BLUE]
    assert [second.color.triplet, second.bgcolor.triplet] == [GREEN, WHITE]


def test_a_wide_picture_is_scaled_to_the_columns(tmp_path):
    drawn = draw(png(tmp_path / "a.png", (480, 320), [RED] * 480 * 320), 60)
    assert [len(line) for line in drawn.plain.splitlines()] == [60] * 20


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_told(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(NoPicture, match=r"a\.png is no picture"):
        draw(tmp_path / "a.png", 72)


def test_a_picture_that_is_cut_off_is_told(tmp_path):
    file = png(tmp_path / "a.png", (64, 64), [(i % 256, i % 7, i % 5) for i in range(64 * 64)])
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(NoPicture):
        draw(file, 72)


def test_an_installation_without_pillow_names_the_extra_that_has_it():
    ask = (
        "import sys; sys.modules['PIL'] = None; from pathlib import Path\n"
        "from poolhand.cli.picture import NothingToDrawWith, draw\n"
        "try: draw(Path('a.png'), 72)\n"
        "except NothingToDrawWith as fault: print(fault)"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert "pip install 'poolhand[devnet]'" in done.stdout
