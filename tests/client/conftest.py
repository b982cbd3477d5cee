"""A market for clients; helpers of the requester's tests are on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "requester"))

from client_world import NAMED, Bazaar


@pytest.fixture
def bazaar(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "no-devnet"))
    monkeypatch.setenv("POOLHAND_KEYSTORE", str(tmp_path / "no-wallets"))
    for name in (
        "WALLET",
        "WALLET_PASSWORD",
        "WALLET_PASSWORD_FILE",
        "CONFIG",
        "CHAIN",
        "RPC",
        "HUB",
    ):
        monkeypatch.delenv(f"POOLHAND_{name}", raising=False)
    return Bazaar(tmp_path)


@pytest.fixture
def named(bazaar):
    """Settings of a client of the bazaar."""
    return {**NAMED, "opener": bazaar.open}
