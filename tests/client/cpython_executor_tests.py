"""CPython's own tests of executors: of the Python that runs, else from Debian's package into a cache.

Some builds of Python come without them. Nothing is installed: the package is fetched by ``apt-get
download``.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from poolhand.devnet.artifacts import DEFAULT_CACHE

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGE = f"libpython{VERSION}-testsuite"
HOMES = {
    "ExecutorTest": "executor",
    "WaitTests": "test_wait",
    "AsCompletedTests": "test_as_completed",
    "ExecutorShutdownTest": "test_shutdown",
}
"""Modules of the mixins, where the tests are a package."""


class NoTestsOfPython(Exception):
    """Neither this Python nor Debian has them."""


def mixin(name: str) -> tuple[type, ModuleType]:
    """Return a mixin of tests, and the module that has the functions which it calls."""
    whole = "test.test_concurrent_futures"
    found = importlib.util.find_spec(whole)
    if found is not None and found.submodule_search_locations is not None:
        module = importlib.import_module(f"{whole}.{HOMES[name]}")
    elif found is not None:
        module = importlib.import_module(whole)
    else:
        module = _of_debian()
    return getattr(module, name), module


def _of_debian() -> ModuleType:
    name = "test_concurrent_futures_of_debian"
    if name not in sys.modules:
        file = _unpacked() / f"usr/lib/python{VERSION}/test/test_concurrent_futures.py"
        if not file.exists():
            raise NoTestsOfPython(f"{PACKAGE} has no {file.name}")
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _unpacked() -> Path:
    """Return where the package is unpacked; it is fetched once."""
    there = DEFAULT_CACHE / f"debian-{PACKAGE}"
    if there.is_dir():
        return there
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoTestsOfPython("this Python has no tests, and there is no apt-get")
    DEFAULT_CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DEFAULT_CACHE) as made:
        done = subprocess.run(
            ["apt-get", "download", PACKAGE], cwd=made, capture_output=True, text=True, check=False
        )
        files = list(Path(made).glob("*.deb"))
        if done.returncode or not files:
            raise NoTestsOfPython(f"{PACKAGE} cannot be had: {done.stderr.strip()[-300:]}")
        whole = Path(made) / "whole"
        subprocess.run(["dpkg-deb", "-x", str(files[0]), str(whole)], check=True)
        try:
            whole.rename(there)
        except OSError:  # another test was faster
            if not there.is_dir():
                raise
    return there
