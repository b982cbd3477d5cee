"""``make clean`` leaves nothing, also where a task had a file system mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from poolhand.containers import mounts

ROOT = Path(__file__).parents[2]
KEPT = ["scripts", "src"]


@pytest.fixture
def checkout(tmp_path):
    """A checkout of its scripts and sources, where a task was at work."""
    for name in KEPT:
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / ".poolhand" / "workers" / "the first" / "output").mkdir(parents=True)
    (tmp_path / ".venv").mkdir()
    yield tmp_path
    mounts.release(tmp_path)


def clean(checkout: Path) -> subprocess.CompletedProcess[str]:
    program = checkout / "scripts" / "clean"
    return subprocess.run([program], check=False, capture_output=True, text=True)


def test_clean_removes_what_commands_made(checkout):
    done = clean(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(each.name for each in checkout.iterdir()) == KEPT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_clean_removes_folders_in_which_a_task_had_a_file_system_mounted(checkout):
    output = checkout / ".poolhand" / "workers" / "the first" / "output"
    mounts.mount("tmpfs", output, "-t", "tmpfs")
    (output / "half").write_text("a result")
    done = clean(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(each.name for each in checkout.iterdir()) == KEPT
    assert mounts.mounted_below(checkout) == []
