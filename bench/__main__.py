"""``make bench``: overhead per task, container overhead, latencies of assignment and replacement, memory.

Takes about ten minutes. Floors are one block per transaction on the path; the figures of iExec's
own Java stack are computed from its timers (27 s at 1 s blocks), not measured here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from bench import containers, lost, overhead
from bench.figures import Sample
from poolhand import observe

KINDS = ({"caf": 1, "trust100": 100}, {"standard": 1})
ROUNDS = {1: 10, 5: 3}
TRANSACTIONS = {"caf": 2, "standard": 4, "trust100": 4}
GOALS = {"caf": 3.0, "standard": 5.0, "trust100": 6.0}
JAVA = {
    ("caf", 1): 17.6, ("caf", 5): 25.6, ("standard", 1): 27.1, ("standard", 5): 39.8,
    ("trust100", 1): 28.1, ("trust100", 5): 41.1,
}  # fmt: skip
PATIENCE = 30.0
"""Seconds within which a lost worker must be replaced."""
LATEST = Path(__file__).parent / "latest.json"


async def run() -> None:
    observe.configure(level="error")
    seconds: dict[str, dict[str, Sample]] = {kind: {} for kind in TRANSACTIONS}
    assignment: list[float] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for block_time, rounds in ROUNDS.items():
            for number, kinds in enumerate(KINDS):
                home = Path(folder) / f"{block_time}-{number}"
                found = await overhead.measure(home, block_time, kinds, rounds, progress)
                for kind, values in found.seconds.items():
                    seconds[kind][str(block_time)] = Sample.of(values)
                assignment += found.assignment_ms
                memory += found.worker_rss_mb
        silent = await lost.measure(Path(folder) / "lost", progress)
    replaced = Sample.of(each.replaced_s for each in silent)
    ours, bare = await containers.measure()
    report = {
        "overhead_s": {
            kind: {block: sample.dump() for block, sample in by_block.items()}
            for kind, by_block in seconds.items()
        },
        "container_overhead_ms": round(ours.p50 - bare.p50, 1),
        "assignment_ms": Sample.of(assignment).dump(),
        "lost_worker_replaced_s": replaced.dump(),
        "worker_rss_mb": round(max(memory), 1),
    }
    LATEST.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(seconds, ours, bare, Sample.of(assignment), max(memory), replaced)


def progress(line: str) -> None:
    print(f"· {line}", file=sys.stderr)


def show(
    seconds: dict[str, dict[str, Sample]],
    ours: Sample,
    bare: Sample,
    assignment: Sample,
    memory: float,
    replaced: Sample,
) -> None:
    table = Table(
        Column("flow", no_wrap=True), "blocks", "p50", "p95", "floor", "p50 / floor", "goal", "Java (calc.)",
        "times faster", title="Overhead per task (s), deal mined to finalized",
    )  # fmt: skip
    for kind, by_block in seconds.items():
        for block, sample in by_block.items():
            floor = TRANSACTIONS[kind] * int(block)
            java = JAVA[kind, int(block)]
            table.add_row(
                kind, f"{block} s", f"{sample.p50:.2f}", f"{sample.p95:.2f}", f"{floor}",
                f"{sample.p50 / floor:.2f}", f"{GOALS[kind]:.0f}" if block == "1" else "",
                f"{java}", f"{java / sample.p50:.1f}",
            )  # fmt: skip
    console = Console()
    console.print(table)
    ratio = ours.p50 / bare.p50
    console.print(
        f"container: ours {ours.p50:.0f} ms, bare run of the same sandbox {bare.p50:.0f} ms, "
        f"ratio {ratio:.2f}, overhead {ours.p50 - bare.p50:+.0f} ms (goal under 50)"
    )
    console.print(
        f"assignment to an idle worker: p50 {assignment.p50:.0f} ms, p95 {assignment.p95:.0f} ms "
        "(goal under 100)"
    )
    console.print(
        f"lost worker replaced: p50 {replaced.p50:.1f} s, longest {max(replaced.values):.1f} s "
        f"(goal under {PATIENCE:.0f}, ratio {max(replaced.values) / PATIENCE:.2f})"
    )
    console.print(f"worker memory: {memory:.0f} MB at most (goal under 150)")
    console.print(f"written to {LATEST}")


if __name__ == "__main__":
    asyncio.run(run())
