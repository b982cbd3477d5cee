"""How long the network itself takes: from the block of the deal to the block of the end.

What is bought by signature alone is also timed from the moment when the signed orders are handed in.

The app computes nothing, so nothing is subtracted: its container counts as overhead, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.figures import Sample, read_log
from bench.frame import Job, Keys
from bench.signed import buy_signed, following
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.trust import Trust
from poolhand.requester.main import open_requester
from poolhand.requester.requester import Requester
from poolhand.requester.wish import Wish

NOOP = Path(__file__).parent / "noop"
WORKERS = 7
"""As many as trust 100 needs of newcomers."""
KINDS = ({"caf": 1, "trust100": 100}, {"standard": 1})
"""Of a devnet each."""
SIGNED = ("from_hand_in", "from_deal")
"""What is timed of a task that is bought by signature alone."""
ROUNDS = {1: 10, 5: 3}
"""Of each kind, by the seconds of a block."""


async def keys(job: Job) -> Keys:
    """Measure every kind at every block time; takes about eight minutes in full size."""
    seconds: dict[str, dict[str, Any]] = {}
    assignment: list[float] = []
    memory: list[float] = []
    for block_time, full in ROUNDS.items():
        for number, kinds in enumerate(KINDS):
            home = job.home / f"{block_time}-{number}"
            found = await measure(home, block_time, kinds, job.scaled(full), job.say)
            for kind, values in found.seconds.items():
                seconds.setdefault(kind, {})[str(block_time)] = Sample.of(values).dump()
            for kind, pairs in found.signed.items():
                told = seconds[kind].setdefault("signed", {})
                told[str(block_time)] = {
                    name: Sample.of(values).dump()
                    for name, values in zip(SIGNED, zip(*pairs, strict=True), strict=True)
                }
            assignment += found.assignment_ms
            memory += found.worker_rss_mb
    return {
        "overhead_s": seconds,
        "assignment_ms": Sample.of(assignment).dump(),
        "worker_rss_mb": round(max(memory), 1),
    }


@dataclass
class Found:
    """What one devnet taught."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    signed: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    assignment_ms: list[float] = field(default_factory=list)
    worker_rss_mb: list[float] = field(default_factory=list)


async def measure(
    home: Path, block_time: int, kinds: dict[str, int], rounds: int, say: Callable[[str], None]
) -> Found:
    """Run ``rounds`` tasks of each kind (name to trust) one after the other on a fresh devnet.

    A kind named ``standard`` wants the slow flow for trust 1, so it needs a devnet of its own.
    """
    quick = "standard" not in kinds
    plan = DevnetPlan(
        home, WORKERS, block_time, environment={"POOLHAND_QUICK_FINISH": str(quick).lower()}
    )
    found = Found({kind: [] for kind in kinds})
    async with devnet(plan, lambda _: None) as running:
        await publish(NOOP, "poolhand/noop:1.0", running.info.registry)
        async with open_requester(requester_settings(running.info, home)) as requester:
            image = f"{running.info.registry}/poolhand/noop:1.0"
            app = (await requester.deploy_app(image, "noop")).address
            await took(requester, Wish(app, trust=Trust(100), args="warm-up"))
            for turn in range(rounds):
                for kind, trust in kinds.items():
                    wish = Wish(app, trust=Trust(trust), args=f"{kind} {turn}")
                    taken = await took(requester, wish)
                    found.seconds[kind].append(taken)
                    say(f"{block_time} s blocks, {kind:>8}: {taken:.2f} s")
                    if trust == 1:
                        wish = Wish(app, trust=Trust(1), args=f"{kind} signed {turn}")
                        both = await buy_signed(requester, wish)
                        found.signed.setdefault(kind, []).append(both)
                        say(f"{block_time} s blocks, {kind:>8} signed: {both[0]:.2f} s")
        found.worker_rss_mb = [_rss(running, name) for name in running.children if "worker" in name]
    found.assignment_ms = _assignments(home / "logs")
    return found


async def took(requester: Requester, wish: Wish) -> float:
    """Buy one task; return seconds from seeing its deal mined to seeing it finalized."""
    async with following(requester) as seen:
        deal = (await requester.buy(wish)).deal
        (_, name) = next(deal.tasks())
        return await seen.ended(name) - seen.deals[deal.deal_id]


def _rss(running: Devnet, name: str) -> float:
    pid = running.children[name].pid
    return psutil.Process(pid).memory_info().rss / 2**20 if pid else 0.0


def _assignments(logs: Path) -> list[float]:
    """Return milliseconds from the pool's hearing of a deal to a worker's having begun with it."""
    pool = read_log(logs / "pool.log")
    first: dict[str, float] = {}
    for file in logs.glob("worker-*.log"):
        for line in read_log(file):
            if line.event == "replicate_moved":
                task = _member(line.rest, "task_id")
                first[task] = min(line.at, first.get(task, line.at))
    created = {
        _member(line.rest, "task_id"): line.at
        for line in reversed(pool)
        if line.event == "replicate_created"
    }
    deals = [line.at for line in pool if line.event == "deal_received"]
    found = []
    for task, at in created.items():
        deal = max((moment for moment in deals if moment <= at), default=None)
        if deal is not None and task in first:
            found.append((first[task] - deal) * 1000)
    return found


def _member(rest: str, name: str) -> str:
    return next(part.partition("=")[2] for part in rest.split() if part.startswith(f"{name}="))
