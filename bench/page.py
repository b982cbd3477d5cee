"""The table of figures that a person reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rich.box import SIMPLE
from rich.table import Column, Table

from bench.frame import at
from bench.registry import FIGURES, Figure

JAVA = {
    ("caf", "1"): 17.6, ("caf", "5"): 25.6, ("standard", "1"): 27.1, ("standard", "5"): 39.8,
    ("trust100", "1"): 28.1, ("trust100", "5"): 41.1,
}  # fmt: skip
"""Seconds that iExec's own Java stack needs, computed from its timers."""
TRANSACTIONS = {"caf": 2, "standard": 4, "trust100": 4}
MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}


def figures(keys: Mapping[str, Any], names: Collection[str]) -> Table:
    """Return the figures of some measurements."""
    table = Table(
        Column("figure, key", no_wrap=True), Column("at first", no_wrap=True),
        Column("now", justify="right", no_wrap=True), Column("goal", no_wrap=True),
        Column("/ goal", justify="right", no_wrap=True), Column("met?", no_wrap=True),
        box=SIMPLE, padding=(0, 1, 0, 0), title="What Poolhand reaches on this machine",
    )  # fmt: skip
    for figure in FIGURES:
        if figure.of in names:
            table.add_row(*_row(figure, at(keys, figure.key)))
    return table


def _row(figure: Figure, found: float | None) -> tuple[str, ...]:
    name = f"{figure.name}\n  [dim]{figure.key}[/]"
    if found is None:
        return name, figure.first, "-", figure.goal, "", ""
    ratio = figure.ratio(found)
    share = "" if ratio is None else f"{ratio:.2f}"
    now = f"{found:,.4g} {figure.unit}".rstrip()
    return name, figure.first, now, figure.goal, share, MARKS[figure.is_met(found)]


def slowness(keys: Mapping[str, Any], names: Collection[str]) -> str:
    """Return how slow the machine was beside each measurement."""
    known = keys.get("calibration_s", {})
    each = ", ".join(f"{name} {known[name] * 1000:.0f}" for name in names if name in known)
    return f"milliseconds of this machine for a million turns of a bare loop: {each}"


def overhead(keys: Mapping[str, Any]) -> Table | None:
    """Return overhead beside its floor and beside the Java stack, if it was measured."""
    found = keys.get("overhead_s")
    if found is None:
        return None
    table = Table(
        Column("flow", no_wrap=True), "blocks", "p50", "p95", "floor", "p50 / floor",
        "Java (calc.)", "times faster", title="Overhead per task (s), deal mined to finalized",
    )  # fmt: skip
    for kind, by_block in found.items():
        for block, sample in by_block.items():
            if not block.isdigit():
                continue  # by signature alone: the Java stack has no such way
            floor, java = TRANSACTIONS[kind] * int(block), JAVA[kind, block]
            table.add_row(
                kind, f"{block} s", f"{sample['p50']:.2f}", f"{sample['p95']:.2f}", f"{floor}",
                f"{sample['p50'] / floor:.2f}", f"{java}", f"{java / sample['p50']:.1f}",
            )  # fmt: skip
    return table
