"""A joined worker of an older version is replaced by the one that its pool gives, between tasks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e_world import WEB, others_paused, wait_until

from poolhand import __version__

OLD = "0.0.9"
"""What the version before calls itself."""
OLDER = "version-0000000000000000"
"""Where it stands."""
BREAKS = """
import sys
if "--trial" in sys.argv:
    sys.exit("no such wallet format")
"""
LIMIT = 300
"""Seconds for pip, and for a worker to be let in."""


def becomes(folder, before, version, more=""):
    """Have a version that was installed elsewhere stand in this folder, and say that it is one."""
    for file in (folder / "env/bin").iterdir():
        if not file.is_symlink() and str(before) in (text := file.read_text()):
            file.write_text(text.replace(str(before), str(folder)))
    (init,) = folder.glob("env/lib/python*/site-packages/poolhand/__init__.py")
    told = re.sub(
        r'__version__ = ".*"', f'__version__ = "{version}"', init.read_text().replace(BREAKS, "")
    )
    init.write_text(told + more)


class Computer:
    """One that has joined by the pool's script; its program says that it is an older version."""

    def __init__(self, home: Path, network) -> None:
        self.home, self.network = home, network
        self.place = home / ".local/share/poolhand"
        self.secret = home / "secret"
        self.secret.write_text("sesame open\n")

    def runs(self, *words, check=True):
        known = {k: v for k, v in os.environ.items() if not k.startswith(("POOLHAND_", "IEXEC_"))}
        own = {
            "HOME": str(self.home),
            "POOLHAND_HOME": str(self.home / "no-devnet"),
            "POOLHAND_COMMAND": str(self.program),
        }
        return subprocess.run(
            words, env=known | own, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=check, timeout=LIMIT, cwd=self.home,
        )  # fmt: skip

    @property
    def program(self):
        return self.place / "current/env/bin/poolhand"

    def tells(self, *words):
        return json.loads(self.runs(str(self.program), *words, "--json").stdout)

    def installs(self):
        """Install the pool's version, and make of it one that came before."""
        script = self.home / "join.sh"
        script.write_bytes(WEB.get(f"{self.network.info.pool_url}/join.sh").content)
        self.runs("sh", str(script), "--install")
        (self.new,) = self.place.glob("version-*")
        old = self.place / OLDER
        self.new.rename(old)
        becomes(old, self.new, OLD)
        (self.place / "current").symlink_to(old)

    def breaks_whatever_comes(self):
        """Have what the pool gives stand there already, and be such that it does not come up."""
        old = self.place / OLDER
        shutil.copytree(old, self.new, symlinks=True)
        becomes(self.new, old, __version__, BREAKS)

    def mends_it(self):
        """Have it be as the pool gives it; whoever orders it once more does not install it anew."""
        becomes(self.new, self.new, __version__)

    @property
    def worker(self):
        """What the worker's pid file tells, and its wallet."""
        (file,) = self.home.glob(".poolhand/workers/*/worker.json")
        told = json.loads(file.read_text())
        return {**told, "worker": WEB.get(f"{told['url']}/v1/status").json()["worker"]}

    def status(self):
        return WEB.get(f"{self.worker['url']}/v1/status").json()

    def joins(self):
        words = ("join", self.network.info.pool_url, "--yes", "--password-file", str(self.secret))
        return self.tells(*words)


@pytest.fixture
def computer(network, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    made = Computer(home, network)
    made.installs()
    try:
        made.joins()
        yield made
    finally:
        words = ("join", network.info.pool_url, "--yes", "--uninstall")
        made.runs(str(made.program), *words, check=False)


def test_a_version_takes_over_once_it_came_up_and_the_task_is_done_that_was_held(network, computer):
    before = computer.worker
    assert computer.status()["version"] == OLD
    computer.breaks_whatever_comes()
    done = computer.runs(str(computer.program), "worker", "upgrade", "--yes", check=False)
    assert done.returncode == 4
    assert "did not take over, and the worker works on as before" in done.stderr
    assert "no such wallet format" in done.stderr
    wait_until(lambda: computer.status()["connected"])
    assert computer.status()["version"] == OLD
    assert (computer.place / "current").resolve().name == OLDER
    computer.mends_it()
    assert computer.tells("worker", "upgrade", "--check")["newer"]["version"] == __version__
    with others_paused(network), ThreadPoolExecutor(1) as beside:
        buying = beside.submit(network.ok, "run", network.image("fractal"), "--args", "--seed 7")
        wait_until(lambda: computer.status()["replicates"])
        told = computer.tells("worker", "upgrade", "--yes")
        assert (told["version"], told["upgraded"]) == (__version__, True)
        (replicate,) = buying.result()["tasks"][0]["replicates"]
    assert (replicate["worker"], replicate["status"]) == (before["worker"], "COMPLETED")
    assert computer.status()["version"] == __version__
    assert computer.worker["pid"] == before["pid"], "whatever keeps it running noticed nothing"
    assert (computer.place / "current").resolve() == computer.new
