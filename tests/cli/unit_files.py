"""What systemd says of unit files."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def faults_of_unit(text, folder):
    """Return what `systemd-analyze verify` finds wrong with a unit; its program must be here."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not here")
    unit = folder / "poolhand-tried.service"
    unit.write_text(text, encoding="utf-8")
    words = (program, "verify", "--man=no", str(unit))
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr
