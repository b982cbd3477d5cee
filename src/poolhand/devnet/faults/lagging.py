"""What a node says that is some blocks behind: pure rewriting of JSON-RPC questions and answers.

``view`` is the number of the newest block it admits to. Transactions reach it as always, and
``pending`` counts them: a node that lags still hears what is broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

JsonObject = dict[str, Any]

BLOCK_AT: Final[Mapping[str, int]] = {
    "eth_getBlockByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
}
"""Where a method names its block; left out, it is the newest."""
NEWEST_TAGS: Final = ("latest", "safe", "finalized")
UNKNOWN_BLOCK: Final = {"code": -32000, "message": "unknown block (the node lags; simulated)"}


def asked(call: JsonObject, view: int) -> JsonObject:
    """Return a question as it concerns the chain up to ``view`` alone."""
    method, params = call.get("method"), list(call.get("params") or ())
    place = BLOCK_AT.get(str(method))
    if place is not None and len(params) >= place:
        params[place : place + 1] = [_block(params[place] if len(params) > place else None, view)]
    if method == "eth_getLogs" and params and "blockHash" not in params[0]:
        params[0] = {**params[0], "toBlock": _least(params[0].get("toBlock"), view)}
    return {**call, "params": params}


def is_beyond(call: JsonObject, view: int) -> bool:
    """Tell whether a question names a block by a number that the node does not have yet."""
    method, params = call.get("method"), call.get("params") or ()
    if method == "eth_getLogs":
        start = params[0].get("fromBlock") if params else None
        return _number(start, 0) > view
    place = BLOCK_AT.get(str(method))
    return place is not None and len(params) > place and _number(params[place], 0) > view


def beyond(call: JsonObject) -> JsonObject:
    """Answer a question about a block that the node does not have yet."""
    found: JsonObject = {"jsonrpc": "2.0", "id": call.get("id")}
    if call.get("method") == "eth_getBlockByNumber":
        return {**found, "result": None}
    if call.get("method") == "eth_getLogs" and "blockHash" not in call["params"][0]:
        return {**found, "result": []}
    return {**found, "error": UNKNOWN_BLOCK}


def answered(call: JsonObject, answer: JsonObject, view: int) -> JsonObject:
    """Return an answer without what the node does not have yet."""
    method, result = call.get("method"), answer.get("result")
    if method == "eth_blockNumber" and isinstance(result, str):
        return {**answer, "result": hex(min(int(result, 16), view))}
    if not isinstance(result, dict):
        return answer
    if method in ("eth_getTransactionReceipt", "eth_getBlockByHash"):
        field = "number" if method == "eth_getBlockByHash" else "blockNumber"
        return {**answer, "result": None} if _number(result.get(field), 0) > view else answer
    if method == "eth_getTransactionByHash" and _number(result.get("blockNumber"), 0) > view:
        unmined = dict.fromkeys(("blockHash", "blockNumber", "transactionIndex"))
        return {**answer, "result": {**result, **unmined}}
    return answer


def told_block(message: JsonObject) -> int | None:
    """Return the block that a subscription's message is about: a head's, or a log's."""
    result = message.get("params", {}).get("result")
    if not isinstance(result, dict):
        return None
    text = result.get("blockNumber", result.get("number"))
    return int(text, 16) if isinstance(text, str) else None


def _block(named: Any, view: int) -> Any:
    return hex(view) if named is None or named in NEWEST_TAGS else named


def _least(named: Any, view: int) -> Any:
    return hex(min(_number(named, view), view))


def _number(named: Any, other: int) -> int:
    """Read a block number; what is none (a tag, nothing) is ``other``."""
    return int(named, 16) if isinstance(named, str) and named.startswith("0x") else other
