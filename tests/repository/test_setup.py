"""`make setup`: a second run ends at once, and an older clone is told what is needed since."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = ("requirements.lock", "pyproject.toml", "README.md")
"""What an installation comes from: the README is in what the package says of itself."""
NEEDS_CURL = "command -v curl"
PYTHON = """\
#!/bin/sh
echo "python $*" >>"$LOG"
case "$*" in
"-m venv --clear .venv")
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    echo "command = python -m venv $PWD/.venv" >.venv/pyvenv.cfg
    ;;
esac
"""
TOLD = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n'


class Clone:
    """A checkout with the real set-up, whose helpers only write down that they were called."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log"
        self.scripts, self.tools = folder / "clone/scripts", folder / "bin"
        self.scripts.mkdir(parents=True)
        for name in INSTALLED:
            shutil.copy(ROOT / name, self.scripts.parent)
        for name in ("setup", "engine.py"):
            shutil.copy(ROOT / "scripts" / name, self.scripts)
        self.has(self.scripts / "apt-install", TOLD)
        self.has(self.scripts / "with-engine", TOLD)
        self.tools.mkdir()
        for tool in (each for place in ("/usr/bin", "/bin") for each in Path(place).iterdir()):
            if tool.name != "curl" and not (self.tools / tool.name).exists():
                (self.tools / tool.name).symlink_to(tool)
        self.has(self.folder / "python", PYTHON)

    def has(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def sets_up(self):
        """Return what was called."""
        self.log.write_text("")
        told = {"PATH": str(self.tools), "LOG": str(self.log), "CHROMIUM": "/bin/true"}
        told["PYTHON"] = str(self.folder / "python")
        subprocess.run(["sh", self.scripts / "setup"], check=True, env=told, capture_output=True)
        return [line for line in self.log.read_text().splitlines() if line != "python -c "]

    @property
    def setup(self):
        return self.scripts / "setup"


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def asks_for_curl(called):
    return any(line.startswith("apt-install") and line.endswith(" curl") for line in called)


def installs(called):
    return any("pip install" in line for line in called)


def test_a_second_run_ends_at_once(clone):
    first = clone.sets_up()
    assert asks_for_curl(first)
    assert installs(first)
    assert clone.sets_up() == []


def test_an_older_clone_gets_the_programs_that_are_needed_since_and_no_package_anew(clone):
    text = clone.setup.read_text()
    before, line, after = text.partition(NEEDS_CURL)
    assert line
    rest = after[after.index("\n\n") :]
    clone.setup.write_text(before + rest)
    assert not asks_for_curl(clone.sets_up())
    clone.setup.write_text(text)
    called = clone.sets_up()
    assert asks_for_curl(called)
    assert not installs(called)
    assert clone.sets_up() == []


@pytest.mark.parametrize("name", INSTALLED)
def test_packages_are_installed_anew_when_they_changed(clone, name):
    clone.sets_up()
    with (clone.scripts.parent / name).open("a") as file:
        file.write("# another\n")
    assert installs(clone.sets_up())
    assert clone.sets_up() == []


def test_a_set_up_that_was_cut_off_is_done_again(clone):
    clone.sets_up()
    (clone.scripts.parent / ".venv/bin/python").unlink()
    assert installs(clone.sets_up())
