"""How a worker is, in the words that its page and the terminal share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from poolhand.transport.page.words import NOT_KNOWN, amount, coin

ToldStatus: TypeAlias = Mapping[str, Any]
"""What ``GET /v1/live`` tells, or a part of it."""
FEW_GAS_DAYS: Final = 3
MANY_GAS_DAYS: Final = 3_650


@dataclass(frozen=True, slots=True)
class GasLeft:
    """How long gas lasts (how much there is where that is not known), and whether that is short.

    ``more`` says what that is worked out from, ``brief`` the same in few words.
    """

    value: str
    more: str
    brief: str
    is_few: bool


def state(told: ToldStatus) -> tuple[str, str]:
    """Tell in a word how the worker is, and whether that is good, a warning (warn) or bad."""
    if told["draining"]:
        return "finishing, then it stops", "warn"
    if told["paused"]:
        return "paused", "warn"
    if not told["connected"]:
        return "no pool", "bad"
    if any(told["progress"][each["task_id"]]["next_step"] for each in told["replicates"]):
        return "working", "good"
    stuck = any(each["code"] not in ("no-task", "busy") for each in told["idle_causes"])
    return ("idle", "warn") if stuck else ("ready", "good")


def earned(row: ToldStatus | None) -> tuple[str, str]:
    """Tell what was earned, and by how many tasks; None: it is not known yet."""
    if row is None:
        return NOT_KNOWN, "the chain is being read"
    lost = f", lost {amount(row['lost_nrlc'])}" if row["lost_nrlc"] else ""
    won = row["won"]
    return amount(row["earned_nrlc"]), f"{won} task{'' if won == 1 else 's'} paid{lost}"


def gas_left(days: float | None, balance: int | None) -> GasLeft:
    """Tell how long gas (wei) lasts; ``days`` None: nothing was spent of late."""
    coins = coin(balance)
    if days is None:
        return GasLeft(coins, "nothing spent in 7 days", "none spent", is_few=False)
    lasts = f"{days:g} days" if days <= MANY_GAS_DAYS else "over 10 years"
    more = f"{coins}, at the pace of the last 7 days"
    return GasLeft(lasts, more, coins, days < FEW_GAS_DAYS)
