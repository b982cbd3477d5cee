"""An image without a Dockerfile on a whole network: built, sold, computed by workers, as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "appimage"))

from wheelhouse import wheel

from poolhand import Client, Image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "make-an-app-image.md"
TYPED = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
PACKAGE = """
def intcomma(number):
    return f"{number:,}"
"""


@pytest.fixture
def shell(network, tmp_path, monkeypatch):
    """What a user's shell has; the package comes from a folder and from no index."""
    for name in [name for name in os.environ if name.startswith(("POOLHAND_", "IEXEC_", "PIP_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "humanize", "4.9.0", files={"humanize.py": PACKAGE})
    monkeypatch.setenv("POOLHAND_HOME", str(network.home))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    place = tmp_path / "typed"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_the_page_does_what_it_says_and_python_gives_the_same_image(network, shell):
    ran = subprocess.run(
        ["bash", "-e", "-c", TYPED],
        cwd=shell,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == "1,234,567"
    app = re.search(r"^app\s+(0x[0-9a-fA-F]{40})", ran.stdout, re.MULTILINE)[1]
    digest = re.search(r"^digest\s+sha256:([0-9a-f]{64})", ran.stdout, re.MULTILINE)[1]
    assert network.ok("app", "show", app)["checksum"] == f"0x{digest}"
    image = Image.python().from_requirements("requirements.txt").copy("count.py")
    with Client(account="requester") as client:
        again = image.deploy(client, "devnet/you/count:1.0")
    assert again.image.digest == digest
    assert (str(again.app.address), again.app.is_new) == (app, False)
