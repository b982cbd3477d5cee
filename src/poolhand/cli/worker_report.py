"""Showing what a running worker says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolhand.cli.render import coin, coloured, grid, moment, pairs, rlc
from poolhand.worker.live_words import (
    gas_worth_told,
    hosts_told,
    newer,
    passed_over,
    payout_told,
    tee_lines,
)

if TYPE_CHECKING:
    from rich.console import RenderableType


def worker_report(told: Mapping[str, Any]) -> RenderableType:
    """Show all that a worker says of itself."""
    from rich.console import Group

    parts: list[RenderableType] = [pairs(_rows(told), told["worker"])]
    if told.get("owner_messages"):
        says = [(moment(each["at"]), each["text"]) for each in told["owner_messages"]]
        parts.append(grid(("when", "what the pool's owner says"), says))
    if told["idle_causes"]:
        parts.append(_causes(told["idle_causes"]))
    if told["replicates"]:
        parts.append(held_table(told["replicates"]))
    if told.get("unread"):
        rows = list(told["unread"].items())
        parts.append(grid(("journal does not read", "why"), rows))
    return Group(*parts)


def _rows(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    gas, stake, offers = told["gas"], told["stake"], told["offers"]
    declined = ", ".join(f"{n} {reason}" for reason, n in offers["declined"].items())
    seen = f"{offers['seen']} seen, {offers['accepted']} accepted"
    return [
        ("workerpool", told["workerpool"]),
        ("session", "connected" if told["connected"] else f"none: {told['problem']}"),
        ("takes tasks", "no: " + told["paused"] if told["paused"] else "yes"),
        ("hours", _hours(told.get("schedule"))),
        ("this computer", _machine(told.get("machine"))),
        ("chain", _chain(told.get("chain", {}))),
        ("slots", told["slots"]),
        ("task disks", "{kind}: {promise}".format(**told["disk"])),
        ("sandbox", _sandbox(told.get("sandbox"))),
        ("hosts that apps reach", hosts_told(told) or None),
        ("enclaves", "\n".join(tee_lines(told, moment)) or None),
        ("newer version", newer(told) or None),
        ("GPUs", gpus_told(told.get("gpus", ()))),
        ("gas", _gas(gas)),
        ("stake", None if stake["free_nrlc"] is None else
         f"{rlc(stake['free_nrlc'])} free, {rlc(stake['locked_nrlc'])} locked"),
        ("gas against rewards", gas_worth_told(told, moment) or None),
        ("paid out", payout_told(told, moment) or None),
        ("offers", f"{seen}; declined: {declined or 'none'}"),
        ("tasks seen by the pool", told["tasks_seen"] or None),
    ]  # fmt: skip


def _hours(schedule: Mapping[str, Any] | None) -> str | None:
    """Say when tasks are taken; a worker of an older version takes them at all hours."""
    if schedule is None:
        return None
    changes = schedule["changes_at"]
    if changes is None:
        return str(schedule["hours"])
    state = "open" if schedule["open"] else "closed"
    return f"{schedule['hours']}: {state} until {moment(changes)}"


def _machine(machine: Mapping[str, Any] | None) -> str | None:
    """Say who uses it and what feeds it, where a setting depends on that."""
    if machine is None:
        return None
    told = []
    if machine["told_by"] is not None:
        use = "in use" if machine["in_use"] else f"idle for {machine['idle_seconds']} s"
        told.append(f"{use}, says {machine['told_by']}")
    if machine["on_battery"] is not None:
        told.append("on its battery" if machine["on_battery"] else "plugged in")
    if machine.get("program"):
        told.append(f"{machine['program']} runs")
    if machine.get("celsius") is not None:
        told.append(f"{machine['celsius']:g} °C")
    return "; ".join(told) or None


def _chain(chain: Mapping[str, Any]) -> str | None:
    """Say how far the chain is; a worker of an older version does not tell."""
    if chain.get("block") is None:
        return None
    since, block = chain["stalled_since"], f"block {chain['block']}"
    return f"{block}, and nothing new since {moment(since)}" if since else block


def gpus_told(gpus: Sequence[Mapping[str, Any]]) -> str | None:
    """Say which GPUs tasks are given, and which task has which; None: a worker without any."""
    rows = (
        f"{each['number']}: {each['maker']} {each['model']} "
        + (f"(task {each['task_id'][:10]}…)" if each["task_id"] else "(free)")
        for each in gpus
    )
    return ", ".join(rows) or None


def _sandbox(sandbox: Mapping[str, Any] | None) -> str | None:
    """Say what apps run in; a worker of an older version, or without its engine, does not tell."""
    if sandbox is None:
        return None
    left = passed_over(sandbox)
    return "{level}: {promise}".format(**sandbox) + (f" (not taken: {left})" if left else "")


def _gas(gas: Mapping[str, Any]) -> str | None:
    if gas["balance_wei"] is None:
        return None
    shown = f"{coin(gas['balance_wei'])}, {coin(gas['reserve_wei'])} kept for reveals owed"
    return f"{shown}; {coin(gas['missing_wei'])} missing" if gas["missing_wei"] else shown


def _causes(causes: list[Mapping[str, Any]]) -> RenderableType:
    rows = [(each["sentence"], each["acts"], each["change"]) for each in causes]
    return grid(("why nothing new runs", "who acts", "what would change it"), rows)


def held_table(replicates: list[Mapping[str, Any]]) -> RenderableType:
    """Show what a worker holds: status, cause, who acts and what comes next, and the stake."""
    columns = ("task", "status", "since", "cause", "who acts", "next", "stake locked", "until")
    return grid(columns, [_held(each) for each in replicates])


def _held(each: Mapping[str, Any]) -> tuple[Any, ...]:
    last, locked = each["history"][-1], each["stake_locked_nrlc"]
    until = f"reveal by {moment(each['reveal_by'])}" if each["reveal_by"] else None
    if until is None and each["unlocks_at"]:
        until = f"{moment(each['unlocks_at'])} at the latest"
    return (
        each["task_id"][:10] + "…",
        coloured(each["status"]),
        moment(last["at"]),
        _cause(each),
        each["acts"],
        each["next_step"],
        rlc(locked) if locked else "none",
        until or "",
    )


def _cause(each: Mapping[str, Any]) -> str:
    """Say why a replicate stands where it does: its quarantine, its last words, or the usual."""
    if each.get("quarantined"):
        return str(each["trouble"])
    return str(each["history"][-1]["detail"] or each["meaning"])


def stakes(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what would be at stake if the worker were stopped now."""
    return [
        {
            "task_id": each["task_id"],
            "status": each["status"],
            "stake_locked_nrlc": each["stake_locked_nrlc"],
            "reveal_owed": each["reveal_owed"],
            "reveal_by": each["reveal_by"],
            "unlocks_at": each["unlocks_at"],
        }
        for each in told["replicates"]
    ]


def stakes_table(rows: list[dict[str, Any]]) -> RenderableType:
    """Show what would be at stake."""
    columns = ("task", "status", "stake locked", "reveal owed", "until")
    return grid(columns, [_stake_row(each) for each in rows], "at stake")


def _stake_row(each: Mapping[str, Any]) -> tuple[str, ...]:
    if not each["reveal_owed"]:
        owed, until = "no", "" if each["unlocks_at"] is None else moment(each["unlocks_at"])
    elif each["reveal_by"]:
        owed, until = "yes", moment(each["reveal_by"])
    else:
        owed, until = "once others agree", "the consensus starts the time to reveal"
    locked = each["stake_locked_nrlc"]
    return each["task_id"], each["status"], rlc(locked) if locked else "none", owed, until
