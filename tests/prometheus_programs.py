"""Debian's Prometheus and its promtool: those on PATH, else unpacked from Debian's package into a cache.

Nothing is installed and no service is started: the package is fetched by ``apt-get download``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from poolhand.devnet.artifacts import DEFAULT_CACHE

PACKAGE = "prometheus"
MISSING = (
    "these tests need Prometheus and promtool, and this machine has neither them nor apt-get to "
    "fetch Debian's package with: put both on PATH, or name their folder by PROMETHEUS=/path; "
    '-m "not prometheus" leaves these tests out'
)


class NoPrometheus(Exception):
    """The machine has no Prometheus."""


def program(name: str) -> str:
    """Return a program of the package: ``prometheus`` or ``promtool``."""
    folder = os.environ.get("PROMETHEUS")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    return found or str(_unpacked() / "usr" / "bin" / name)


def _unpacked() -> Path:
    """Return where the package is unpacked; it is fetched once."""
    there = DEFAULT_CACHE / "debian-prometheus"
    if there.is_dir():
        return there
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPrometheus(MISSING)
    DEFAULT_CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DEFAULT_CACHE) as made:
        done = subprocess.run(
            ["apt-get", "download", PACKAGE], cwd=made, capture_output=True, text=True, check=False
        )
        files = list(Path(made).glob("*.deb"))
        if done.returncode or not files:
            raise NoPrometheus(f"{MISSING} ({done.stderr.strip()[-300:]})")
        whole = Path(made) / "whole"
        subprocess.run(["dpkg-deb", "-x", str(files[0]), str(whole)], check=True)
        try:
            whole.rename(there)
        except OSError:  # another test was faster
            if not there.is_dir():
                raise
    return there
