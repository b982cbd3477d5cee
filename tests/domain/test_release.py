"""Which version is newer, and when one that failed is tried again."""

from __future__ import annotations

import pytest

from poolhand.domain.release import (
    MOST_UPGRADE_TRIES,
    PAUSE_AFTER_FAILED_UPGRADE,
    UpgradeFailure,
    is_newer,
)


@pytest.mark.parametrize(
    ("version", "is_so"),
    [
        ("1.2.4", True),
        ("1.10.0", True),
        ("2.0.0rc1", True),
        ("1.2.3", False),
        ("1.2.3+2", False),
        ("1.2.3rc1", False),
        ("1.2.2", False),
        ("", False),
        ("newest", False),
        ("9" * 50, False),
        ("2.0a<b>", False),
        ("2.0a\x1b[2J", False),
    ],
)
def test_a_strangers_word_names_a_newer_version_or_none(version, is_so):
    assert is_newer(version, "1.2.3") is is_so


def test_one_that_failed_is_tried_again_after_a_rest_and_not_for_ever():
    failed = UpgradeFailure("no", 1_000)
    assert UpgradeFailure.of(failed.record()) == failed
    assert not failed.may_try(1_000)
    assert not failed.may_try(999 + PAUSE_AFTER_FAILED_UPGRADE)
    assert failed.may_try(1_000 + PAUSE_AFTER_FAILED_UPGRADE)
    assert failed.may_try(10), "a clock that was set back hinders nothing"
    for _ in range(MOST_UPGRADE_TRIES - 1):
        failed = failed.again("no", 2_000)
    assert not failed.may_try(10**9)
