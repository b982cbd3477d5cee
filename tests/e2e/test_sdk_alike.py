"""A devnet like a public chain: iExec's SDK knows chain and hub by heart, and is told URLs alone.

Both generations know Arbitrum Sepolia. One buys after the other: side by side they would want some
stake of the pool's owner locked all the while (``Trades.begin``).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_world import Network
from sdk_project import VERSIONS, Project
from sdk_story import result_of, tells_story
from sdk_trade import Trade

from poolhand.settings.chains import KNOWN_CHAINS

ALIKE = "arbitrum-sepolia"
ITS_NAME = "arbitrum-sepolia-testnet"
"""How the SDK calls that chain; of its entry in ``chain.json`` the id follows, too."""
KNOWN_BY_HEART = ("id", "hub")


class UrlsAlone(Trade):
    """Has taken from the devnet's ``chain.json`` what the SDK knows of the chain."""

    def project(self, name: str, *, described: bool = False) -> Project:
        """Begin a project folder without a wallet, chain id and hub."""
        made = super().project(name, described=described)
        (entry,) = made.get("chain.json")["chains"].values()
        for known in KNOWN_BY_HEART:
            del entry[known]
        made.put("chain.json", {"default": ITS_NAME, "chains": {ITS_NAME: entry}})
        return made


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """A devnet that is taken for that chain, with one worker."""
    network = Network(tmp_path_factory.mktemp("alike"))
    try:
        network.ok("devnet", "up", "--detach", "--workers", "1", "--like", ALIKE, seconds=200)
        yield network
    finally:
        network.stop()


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def trade(request, alike, tmp_path_factory):
    return UrlsAlone(alike, request.param, tmp_path_factory.mktemp("sdk"))


def test_the_command_line_buys_from_the_pool_that_sells_itself(trade):
    chain, buyer = KNOWN_CHAINS[ALIKE], trade.buyer
    assert buyer.ok("info")["hubAddress"] == str(chain.hub)
    assert trade.app_order
    bought = buyer.ok(
        *(
            "app",
            "run",
            trade.app.address,
            "--trust",
            "1",
            "--args",
            "one two",
            "--watch",
            "--force",
        )
    )
    (task,) = bought["tasks"]
    assert task["statusName"] == "COMPLETED"
    buyer.ok("task", "show", task["taskid"], "--download", "result.zip")
    assert result_of(buyer.folder / "result.zip") == {"args": ["one", "two"], "read": []}
    deployed = json.loads(Path(trade.seller.folder, "deployed.json").read_text(encoding="utf-8"))
    assert deployed["app"] == {str(chain.chain_id): trade.app.address}


def test_the_library_needs_no_address_of_the_hub(trade):
    tells_story(trade)
