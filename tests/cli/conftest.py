"""A devnet's folder and a command line in it."""

from __future__ import annotations

import asyncio
import logging

import pytest
import structlog
from cli_world import Cli, write_devnet
from worker_operator import Operator

from lonely_worker import LonelyProgram
from market_stall import make_stall
from requester_market import open_market

VARIABLES = (
    "POOLHAND_MARKET_URL POOLHAND_CHAIN POOLHAND_RPC POOLHAND_HUB POOLHAND_POOL_URL POOLHAND_WALLET "
    "POOLHAND_WALLET_PASSWORD POOLHAND_WALLET_PASSWORD_FILE POOLHAND_CONFIG POOLHAND_RESULTS_URL"
)


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    for name in VARIABLES.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path))
    monkeypatch.setenv("POOLHAND_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("POOLHAND_KEYSTORE", str(tmp_path / "keystore"))
    market = asyncio.run(open_market(tmp_path))
    write_devnet(tmp_path, market, bytes([1] * 32))
    yield Cli(capsys, market, tmp_path)
    asyncio.run(market.http.aclose())


@pytest.fixture
def shop(cli, tmp_path):
    """The devnet's market."""
    made = asyncio.run(make_stall(cli.market, tmp_path))
    yield made
    made.database.close()


@pytest.fixture
async def program(tmp_path, monkeypatch):
    """A worker that runs, of no pool."""
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.delenv("POOLHAND_WORKER_TOKEN", raising=False)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    made = LonelyProgram(tmp_path)
    yield made
    structlog.reset_defaults()
    await made.close()


@pytest.fixture
def operator(program, capsys):
    return Operator(program, capsys)
