"""The market of tests/contract serves here too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from sms_world import SmsScene


@pytest.fixture
async def scene(tmp_path):
    async with SmsScene(tmp_path).open() as made:
        yield made
