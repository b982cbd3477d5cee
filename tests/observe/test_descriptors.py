"""The soft limit of open files is raised to what the system allows."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

RAISE = """
import resource, sys
from poolhand.observe.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.case("A4")
def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one():
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 512)
    told = subprocess.run(
        [sys.executable, "-c", RAISE, str(hard)], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [str(hard)] * 3
