"""How a worker is, in the words that its page and the terminal share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from poolhand.domain.release import UpgradeState
from poolhand.domain.units import MIB
from poolhand.transport.page import words
from poolhand.transport.page.words import EARNED_NOT_READ, NOT_KNOWN, coin, span

ToldStatus: TypeAlias = Mapping[str, Any]
"""What ``GET /v1/live`` tells, or a part of it."""
FEW_GAS_DAYS: Final = 3
MANY_GAS_DAYS: Final = 3_650
MOST_LINE_SHOWN: Final = 500
"""Characters of one line of an app that are shown."""
NO_TASK_HELD: Final = "It holds no task."
NOTHING_PRINTED: Final = "It has printed nothing yet."
SIMULATED_SAID: Final = "SIMULATED: nothing is kept secret there"
"""What is said wherever a framework is simulated."""
ORDERS_DONE: Final[Mapping[str, str]] = {
    "pause": "Paused: nothing new is taken; what is held goes on.",
    "resume": "The worker takes tasks again.",
    "drain": "It finishes what it holds, then it stops. Resume takes that back.",
}
"""What has become of an order."""


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


def at_work(told: ToldStatus) -> str:
    """Tell how many slots and GPUs are at work, and how far the chain is."""
    gpus = [each["task_id"] is not None for each in told.get("gpus", ())]
    given = f" and {sum(gpus)} of {len(gpus)} GPUs" if gpus else ""
    block = told["chain"]["block"]
    seen = NOT_KNOWN if block is None else f"block {block:,}"
    return f"{told['working']} of {told['slots']} slots{given} at work, {seen}"


def computing(progress: ToldStatus, moment: Callable[[int], str]) -> str:
    """Tell since when a task is computed, or for how long it was; empty before that.

    Args:
        progress: Of the task.
        moment: Writes a moment (Unix seconds).
    """
    since, ended = progress["computing_since"], progress["computed_at"]
    if since is None:
        return ""
    if ended is not None:
        return f"computed in {span(ended - since)}"
    by = progress["contribute_by"]
    until = f", to be contributed before {moment(by)}" if by else ""
    return f"computing since {moment(since)}{until}"


def used(output: ToldStatus) -> str:
    """Tell what an app uses."""
    return (
        f"The app uses {output['memory'] / MIB:,.0f} MiB, {output['processes']} processes, "
        f"{output['cpu_seconds']:,.1f} s of CPU so far"
    )


def says(output: ToldStatus) -> str:
    """Tell how far an app says that it is; empty where it says nothing."""
    found = output.get("says")  # a worker of an older version tells none
    if not found:
        return ""
    part = [] if found["fraction"] is None else [f"{found['fraction']:.0%} done"]
    return f"The app says: {', '.join([*part, *filter(None, [found['words']])])}"


def passed_over(sandbox: ToldStatus) -> str:
    """Tell which runtimes of a higher level are not taken, and why; empty where all are."""
    return "; ".join(f"{each['runtime']}: {each['cause']}" for each in sandbox["passed_over"])


def tee_told(each: ToldStatus) -> tuple[str, str, str]:
    """Tell of a framework (one of ``told["tee"]``) whether the pool has found it proved.

    Returns: That in two words, whether it is good (``bad``, ``warn``), and what more is known.
    """
    if each["problem"]:
        return "not proved", "bad", str(each["problem"])
    if not each["proved"]:
        return "not proved", "warn", "the pool has asked for no proof yet, or has not judged it"
    return "proved", "good", f"the pool found its firmware {each['tcb_status']}"


def tee_lines(told: ToldStatus, moment: Callable[[int], str]) -> list[str]:
    """Tell it of each framework in a line, for a terminal.

    Args:
        told: The status; a worker of an older version tells no framework.
        moment: Writes a moment (Unix seconds).
    """
    lines = []
    for each in told.get("tee", ()):
        word, _, more = tee_told(each)
        since = "" if each["at"] is None else f" at {moment(each['at'])}"
        warned = f" ({SIMULATED_SAID})" if each["simulated"] else ""
        lines.append(f"{each['framework']}{warned}: {word}{since}, {more}")
    return lines


def hosts_told(told: ToldStatus) -> str:
    """Tell which hosts apps may reach, and why they reach none; empty where none is allowed."""
    found = told.get("hosts")  # a worker of an older version tells none
    if not found or not found["allowed"]:
        return ""
    allowed = ", ".join(found["allowed"])
    if found["problem"]:
        return f"none of {allowed}: {found['problem']}"
    if not found["reached"]:
        return f"{allowed}: not known yet whether apps reach them"
    return f"{allowed}, where an order asks for them"


def newer(told: ToldStatus) -> str:
    """Tell of a newer version, and how far it is; empty where none is known."""
    found = told.get("upgrade")  # a worker of an older version tells none
    if not found:
        return ""
    state = found["state"]
    if state == UpgradeState.INSTALLING:
        how = "it is being installed"
    elif state == UpgradeState.FINISHING:
        how = "it takes over once nothing is held"
    elif state == UpgradeState.FAILED:
        how = f"it did not take over: {found['failure']}"
    elif found["obstacle"]:
        how = str(found["obstacle"])
    else:
        by_hand = "`poolhand worker upgrade` shows and installs it"
        how = "it takes over between tasks" if found["by_itself"] else by_hand
    return f"version {found['version']} is there, signed by {found['signed_by']}: {how}"


def payout_told(told: ToldStatus, moment: Callable[[int], str]) -> str:
    """Tell what is paid out to whom, and when next; empty where nothing is.

    Args:
        told: What the worker tells.
        moment: Writes a moment (Unix seconds).
    """
    found = told.get("payout")  # a worker of an older version tells none
    if not found:
        return ""
    parts = [f"{words.amount(found['paid_nrlc'])} to {found['to']}"]
    if last := found["last"]:
        parts.append(f"last {words.amount(last['nrlc'])} {moment(last['at'])}")
    if found["under_way_nrlc"]:
        parts.append(f"{words.amount(found['under_way_nrlc'])} under way")
    if found["problem"]:
        parts.append(found["problem"])
    else:
        parts.append(
            f"what is above {words.amount(found['keep_nrlc'])} of stake, every "
            f"{span(found['every_seconds'])} at most, "
            f"{words.amount(found['least_nrlc'])} at least"
        )
    return "; ".join(parts)


def gas_worth_told(told: ToldStatus, moment: Callable[[int], str]) -> str:
    """Tell at what price gas is counted against rewards, or that it is not.

    Args:
        told: What the worker tells.
        moment: Writes a moment (Unix seconds).
    """
    found = told.get("gas_worth")  # a worker of an older version tells none
    if not found:
        return ""
    price, problem = found["coin_price_nrlc"], found["problem"]
    more = f"; not read: {problem}" if problem else ""
    if price is None:
        return f"not counted: set coin-price or coin-price-from{more}"
    since = f", read {moment(found['read_at'])}" if found["read_at"] else ", as was set"
    return f"counted at {words.amount(price)} for a coin{since}{more}"


def earned(row: ToldStatus | None) -> tuple[str, str]:
    """Tell what was earned, and by how many tasks; None: it is not known yet."""
    if row is None:
        return EARNED_NOT_READ
    return words.earned(row["won"], row["earned_nrlc"], row["lost_nrlc"])


def gas_left(days: float | None, balance: int | None) -> GasLeft:
    """Tell how long gas (wei) lasts; ``days`` None: nothing was spent of late."""
    coins = coin(balance)
    if days is None:
        return GasLeft(coins, "nothing spent in 7 days", "none spent", is_few=False)
    lasts = f"{days:g} days" if days <= MANY_GAS_DAYS else "over 10 years"
    more = f"{coins}, at the pace of the last 7 days"
    return GasLeft(lasts, more, coins, days < FEW_GAS_DAYS)
