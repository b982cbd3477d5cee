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
from typed_lines import claimed, ran

ROOT = Path(__file__).parents[2]
(SNIPPET,) = claimed("docs/how-to/make-an-app-image.md", "cat > count.py")
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


@pytest.mark.executes("docs/how-to/make-an-app-image.md", "cat > count.py")
def test_the_page_does_what_it_says_and_python_gives_the_same_image(network, shell):
    done = subprocess.run(
        ["bash", "-e", "-c", SNIPPET.text],
        cwd=shell,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in SNIPPET.lines:
        ran(line)
    assert done.stdout.splitlines()[-1] == "1,234,567"
    app = re.search(r"^app\s+(0x[0-9a-fA-F]{40})", done.stdout, re.MULTILINE)[1]
    digest = re.search(r"^digest\s+sha256:([0-9a-f]{64})", done.stdout, re.MULTILINE)[1]
    assert network.ok("app", "show", app)["checksum"] == f"0x{digest}"
    image = Image.python().from_requirements("requirements.txt").copy("count.py")
    with Client(account="requester") as client:
        again = image.deploy(client, "devnet/you/count:1.0")
    assert again.image.digest == digest
    assert (str(again.app.address), again.app.is_new) == (app, False)
