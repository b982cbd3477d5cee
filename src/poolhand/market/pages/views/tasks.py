"""One task: what happened in which block, how it stands, and who must act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from poolhand.domain.params import wants_encryption
from poolhand.domain.reward import KITTY
from poolhand.market.pages.shown import Shown, Visit
from poolhand.market.pages.views.enclaves import enclave_of
from poolhand.market.pages.words import framework

_EVENTS: Final = {
    "OrdersMatched": "Bought",
    "TaskInitialize": "Initialized by the pool",
    "TaskContribute": "A worker contributed",
    "TaskConsensus": "The results agree",
    "TaskReveal": "A worker revealed",
    "TaskReopen": "Opened again",
    "TaskFinalize": "Finalized",
    "TaskClaimed": "Claimed",
}
"""What the hub's events mean to a person."""


async def task(visit: Visit) -> Shown:
    """Show a task, as the chain tells it."""
    name = visit.named["taskid"]
    found = await visit.ask(f"/tasks/{name}")
    deal = found["deal"]
    price = deal["app"]["price"] + deal["dataset"]["price"] + deal["workerpool"]["price"]
    money = [{**each, "words": _moved(each, found)} for each in found["payments"]]
    words, needs = await _pool(visit, found), framework(deal["tag"])
    pools = enclave_of(None, None)
    if needs:
        asked = words or await visit.find(f"/tasks/{name}/pool")
        pools = enclave_of(await visit.find(f"/workerpools/{deal['workerpool']['pointer']}"), asked)
    told = {"lines": lines(found["steps"]), "money": money, "pool": words, "pools": pools}
    encrypted = wants_encryption(deal["params"])
    facts = {"task": found, "deal": deal, "price": price, "encrypted": encrypted, **told}
    return Shown("task.html", f"Task {name[:10]}…", facts)


async def _pool(visit: Visit, task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the pool says of a task; None: nobody asks it, the chain tells how it ended."""
    if task["status"] in ("completed", "claimed") or task["poolUrl"] is None:
        return None
    return await visit.ask(f"/tasks/{task['taskid']}/pool")


def _moved(payment: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Return what a payment is: who pays for a task does so when it completes."""
    who, status = payment["account"], task["status"]
    if payment["change"] == "reward":
        return "got it, as the kitty of what nobody claims" if who == str(KITTY) else "was paid"
    losers = {each["worker"] for each in task["workers"] if not each["agrees"]}
    return "lost stake" if status != "completed" or who in losers else "paid for the task"


def lines(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of a timeline, each with its words and its share of the longest wait."""
    longest = max((step["seconds"] for step in steps), default=0)
    return [
        {
            **step,
            "words": _EVENTS.get(step["event"], step["event"]),
            "share": round(100 * step["seconds"] / longest) if longest else 0,
        }
        for step in steps
    ]
