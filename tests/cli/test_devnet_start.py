"""A devnet in the background that is not ready in time."""

from __future__ import annotations

import psutil
import pytest

from poolhand.cli.devnet import DevnetFailed, start_in_background
from poolhand.devnet.info import INFO_FILE


def test_a_devnet_that_is_not_ready_in_time_is_ended_and_says_so(tmp_path):
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(DevnetFailed, match=r"was not ready in 0 s, and was ended"):
        start_in_background(tmp_path, 1, 1, seconds=0)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (tmp_path / INFO_FILE).exists()
