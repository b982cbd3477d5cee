"""The long story that the SDK's JavaScript library is told, and what it must have seen."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from sdk_project import HERE, Project
from sdk_trade import Trade, checksum_of, key_of

from poolhand.devnet.accounts import POOL_ACCOUNT


def tells_story(trade: Trade, **known: str) -> None:
    """Let the library sell, look, buy, watch, debug, download and take back.

    Args:
        trade: Whose app's image and buyer it uses.
        known: What else the library is told, the hub's address if it does not know it.
    """
    info, seller = trade.network.info, trade.holding("librarian", trade.fresh_key())
    trade.give(seller)
    told = trade.library(
        HERE / "scenario.mjs",
        host=info.rpc_url,
        market=info.market_url,
        results=info.results_url,
        seller=key_in(seller),
        buyer=key_in(trade.buyer),
        poolOwner=key_of(POOL_ACCOUNT),
        pool=info.workerpool,
        image=trade.image,
        checksum=checksum_of(trade.image),
        generation=trade.generation,
        **known,
    )
    assert told["apps"] == [told["appOrder"]]
    assert told["poolOrder"] in told["pools"]
    assert told["poolRemaining"] == 10
    assert told["wish"] in told["wishes"]
    assert told["unwished"] == told["wish"]
    assert (told["volume"], told["statuses"]) == ("2", ["COMPLETED"] * 2)
    assert told["updates"][-1] == "DEAL_COMPLETED 2"
    assert told["paid"] == str(2 * (2 + 60))
    assert told["replicates"].count("COMPLETED") == 1
    assert {each["stdout"] for each in told["logs"]} == {"args: from the library\n"}
    assert result_of(base64.b64decode(told["archive"]))["args"] == ["from", "the", "library"]
    assert told["deals"] == {by: [told["deal"]] for by in ("requester", "request", "app")}
    assert told["appRemaining"] == 8
    assert "only order signer" in told["refused"]
    assert told["unpublished"] == told["poolOrder"]
    assert told["appStatus"] == "canceled"


def key_in(project: Project) -> str:
    """Return the key of a project's wallet."""
    return str(project.get("wallet.json")["privateKey"])


def result_of(archive: Path | bytes) -> dict[str, Any]:
    """Return what the tests' app has told in a result."""
    with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as found:
        told: dict[str, Any] = json.loads(found.read("result.json"))
    return told
