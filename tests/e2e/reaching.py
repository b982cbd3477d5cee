"""What a test claims to have reached, and the check that it did: a claim cannot lie.

A test says ``@reaches(S.COMPUTE_FAILED, how="out of memory")`` and stages the histories that it was
told to ``saw``. When it ends well and a claimed status was in none of them, it fails after all.
``docs/statuses-tested.md`` is made of these claims by reading the source (``scripts/reached.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from poolhand.domain.replicate.status import FAILURES, Status

MARK = "reaches"
EXPLAINED = FAILURES | {
    Status.REVEAL_FAILED,
    Status.OUT_OF_GAS,
    Status.RESULT_UPLOAD_FAILED,
    Status.RESULT_UPLOAD_REQUEST_FAILED,
}
"""Statuses that are worth nothing without a cause in words."""

_seen: dict[Status, bool] = {}
"""What this test was told: each status, and whether with its cause."""


def reaches(*statuses: Status, how: str = "") -> pytest.MarkDecorator:
    """Claim that a test provokes these statuses for real; ``how`` names one of several ways."""
    assert statuses, "a claim names a status"
    return getattr(pytest.mark, MARK)(*statuses, how=how)


def saw(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take what the pool tells of a task, or a worker of itself, as evidence; returns it."""
    for replicate in told.get("replicates", ()):
        for entry in replicate.get("history", ()):
            status = Status(entry["status"])
            _seen[status] = _seen.get(status, False) or bool(entry["detail"])
    return told


def _unproved(item: pytest.Item) -> Iterator[str]:
    for claim in item.iter_markers(MARK):
        for status in claim.args:
            if status not in _seen:
                yield f"{status} was in no history that was told"
            elif status in EXPLAINED and not _seen[status]:
                yield f"{status} came without a cause"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that ended well and did not see what it claims."""
    _seen.clear()
    ended = yield
    unproved = tuple(_unproved(item))
    if unproved:
        pytest.fail(f"a claim is false: {'; '.join(unproved)}")
    return ended
