"""Puts this folder on the path of every test; what needs a chain asks ``chain_fixtures`` for it."""

from __future__ import annotations

import gc
import logging
import os
import sys

import pytest
import structlog
from hypothesis import HealthCheck, settings

from many import examples
from poolhand.containers.mounts import release
from poolhand.observe.libraries import LibraryHandler
from typed_lines import hold

pytest_plugins = ["side_by_side"]

# A property is not a benchmark: how long an example takes on a busy machine proves nothing.
settings.register_profile(
    "poolhand",
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("poolhand")


@pytest.fixture(autouse=True)
def what_it_claims_to_execute(request):
    """Hold a test that types a page to what it says that it types (``typed_lines``)."""
    claims = [mark.args for mark in request.node.iter_markers("executes")]
    yield from hold(claims) if claims else iter([None])


@pytest.fixture(autouse=True)
def process_as_it_was():
    """Take back what programs that begin inside of a test do to the process (``begin_program``)."""
    umask, limit = os.umask(0o022), sys.getrecursionlimit()
    yield
    handlers = logging.getLogger().handlers
    handlers[:] = [each for each in handlers if not isinstance(each, LibraryHandler)]
    os.umask(umask)
    sys.setrecursionlimit(limit)
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def nothing_stays_mounted(tmp_path_factory):
    """Let go of what tasks still had mounted when their devnet ended."""
    yield
    release(tmp_path_factory.getbasetemp())


def pytest_collection_finish():
    """Spare every later collection of garbage a look at all the tests, which none of it is."""
    gc.collect()
    gc.freeze()
