"""Every measurement, every figure, and what each figure must reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Measurement:
    """A module of this package with a function ``keys``; ``needs_engine`` if it runs containers."""

    told: str
    needs_engine: bool = False


MEASUREMENTS: Final[Mapping[str, Measurement]] = {
    "start": Measurement("what a command line costs before it does anything"),
    "join": Measurement("joining a pool: what it installs, and for how long", needs_engine=True),
    "fleet": Measurement("64 workers behind one address: their wallets, and until all are in"),
    "placement": Measurement("choosing workers for tasks"),
    "pages": Measurement("the market's pages: a long book, and a thousand that are open"),
    "owner_page": Measurement("the page of a pool's owner, 100 workers"),
    "transitions": Measurement("replicates that move, durably, under simulated workers"),
    "assignment": Measurement("assignment while 1,000 others are connected and a bag runs"),
    "market": Measurement("a market of 100,000 open orders"),
    "tee": Measurement("quotes of simulated machines with enclaves"),
    "sms": Measurement("a secret management service of 10,000 secrets"),
    "recovery": Measurement("starting on a journal with a long past"),
    "failover": Measurement("a standby that takes over"),
    "idle": Measurement("10,000 idle workers on one process"),
    "restart": Measurement("a pool restarted under 10,000 workers"),
    "bag": Measurement("a bag of tasks from the deal to the last payment"),
    "worker_memory": Measurement("a worker after 1,000 tasks", needs_engine=True),
    "live": Measurement("what watching a worker costs it", needs_engine=True),
    "logs": Measurement("lines of a running app at their reader", needs_engine=True),
    "overhead": Measurement("overhead per task on a real network", needs_engine=True),
    "confidential": Measurement("what simulated enclaves add to a task", needs_engine=True),
    "functions": Measurement(
        "200 calls of a second by client.map, beside containers by hand", needs_engine=True
    ),
    "buying": Measurement("buying in the market, beside a pool that is known", needs_engine=True),
    "lost": Measurement("a frozen worker replaced", needs_engine=True),
    "containers": Measurement("our care for a container", needs_engine=True),
}
"""In the order in which they run: the quick ones first."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: For a person.
        key: Dotted path in ``bench/latest.json``; its measurement is ``of``.
        of: Name of the measurement that finds it.
        goal: ``< 5`` or ``>= 2000``; empty where a figure only stands beside another.
        first: What was measured on 2026-11-28, before issue 10 (idle: at 4,000; placement: at 1,000
            workers; the bag: with 4 workers; memory: after 250 tasks); ``none`` where it could not;
            of joining, on 2026-11-29.
        unit: Of both.
    """

    name: str
    key: str
    of: str
    goal: str = ""
    first: str = ""
    unit: str = ""

    def is_met(self, found: float) -> bool | None:
        """Tell whether a value reaches the goal; None without a goal."""
        if not self.goal:
            return None
        sign, number = self.goal.split()
        return found >= float(number) if sign == ">=" else found < float(number)

    def ratio(self, found: float) -> float | None:
        """Return a value as a share of its goal; None where that says nothing."""
        number = float(self.goal.split()[1]) if self.goal else 0.0
        return found / number if number else None


FIGURES: Final = (
    Figure("placement, 10,000 tasks × workers", "placement_ms.p99", "placement",
           "< 5", "135,000", "ms"),
    Figure("page of 100,000 orders, p95", "pages.orderbook_ms_p95", "pages",
           "< 100", "none", "ms"),
    Figure("  1,000 open pages: share of a core", "pages.live_core_share", "pages",
           "< 1", "none"),
    Figure("owner's page, 100 workers, p95", "owner_page.ms_p95", "owner_page",
           "< 100", "none", "ms"),
    Figure("idle workers connected", "idle.workers", "idle", ">= 10000", "4000"),
    Figure("  until all are", "idle.connect_s", "idle", "< 60", "51", "s"),
    Figure("  share of a core", "idle.core_share", "idle", "< 0.25", "0.22"),
    Figure("  memory of the pool", "idle.rss_mb", "idle", "< 1000", "288", "MB"),
    Figure("pool restarted under 10,000: whole", "restart.seconds", "restart",
           "< 60", "none", "s"),
    Figure("  replicates lost, of 1,000", "restart.lost", "restart", "< 1", "none"),
    Figure("durable transitions a second", "transitions.per_s", "transitions", ">= 2000", "650"),
    Figure("  longest stall of the loop", "transitions.stall_ms", "transitions",
           "< 50", "1,000s", "ms"),
    Figure("bag of 1,000: initialized", "bag.1000.initialized_s", "bag", "< 60",
           "", "s"),
    Figure("  all paid", "bag.1000.paid_s", "bag", "< 150", "300", "s"),
    Figure("bag of 10,000: initialized", "bag.10000.initialized_s", "bag", "< 600", "", "s"),
    Figure("  all paid", "bag.10000.paid_s", "bag", "< 1500", "", "s"),
    Figure("  share of block gas used", "bag.gas_share", "bag", ">= 0.8", "0.4"),
    Figure("recovery, 1,000,000 settled tasks", "recovery_s", "recovery",
           "< 3", "180", "s"),
    Figure("standby takes over", "failover_s", "failover", "< 10", "none", "s"),
    Figure("overhead at 1 s blocks: trust 1", "overhead_s.caf.1.p50", "overhead",
           "< 3", "2.0", "s"),
    Figure("  trust 1, standard", "overhead_s.standard.1.p50", "overhead", "< 5", "4.0", "s"),
    Figure("  trust 100", "overhead_s.trust100.1.p50", "overhead", "< 6", "4.0", "s"),
    Figure("  signed alone, trust 1: to the end", "overhead_s.caf.signed.1.from_hand_in.p50",
           "overhead", "< 2.2", "none", "s"),
    Figure("    from the deal's block", "overhead_s.caf.signed.1.from_deal.p50", "overhead",
           "< 1.2", "2.0", "s"),
    Figure("  signed alone, standard: to the end",
           "overhead_s.standard.signed.1.from_hand_in.p50", "overhead", "< 4.2", "none", "s"),
    Figure("    from the deal's block", "overhead_s.standard.signed.1.from_deal.p50", "overhead",
           "< 3.2", "4.0", "s"),
    Figure("assignment, real workers, p95", "assignment_ms.p95", "overhead", "< 100", "39", "ms"),
    Figure("  beside 1,000 others and a bag, p95", "assignment_ms.p95_busy", "assignment",
           "< 100", "none", "ms"),
    Figure("worker's memory", "worker_rss_mb", "overhead", "< 90", "110", "MB"),
    Figure("  after 1,000 tasks", "worker_rss_mb_after", "worker_memory",
           "< 120", "245", "MB"),
    Figure("worker watched by a page, more of a core", "live.page_share", "live", "< 0.02", "none"),
    Figure("  by `worker top`", "live.terminal_share", "live", "< 0.02", "none"),
    Figure("a line of a running app at its reader, p50", "logs.alone.p50", "logs", "< 1000",
           "none", "ms"),
    Figure("  p95", "logs.alone.p95", "logs", "< 1000", "none", "ms"),
    Figure("  p95 beside an app that floods the same worker", "logs.beside_flood.p95", "logs",
           "< 1000", "none", "ms"),
    Figure("  a reader's share of a core of the pool", "logs.reader_share", "logs", "< 0.01",
           "none"),
    Figure("list of 100,000 orders, p95", "market.list_ms_p95", "market", "< 30", "561", "ms"),
    Figure("  processor of each", "market.list_cpu_ms", "market", unit="ms"),
    Figure("signed orders published a second", "market.publish_per_s", "market", ">= 200", "31"),
    Figure("  processor of each", "market.publish_cpu_ms", "market", "< 5", unit="ms"),
    Figure("matched order leaves the book, p95", "market.leaves_book_s", "market", "< 1",
           "none", "s"),
    Figure("a quote verified, processor at p95", "tee.verify_ms", "tee", "< 5", unit="ms"),
    Figure("simulated enclaves add to a task, blocks of 1 s", "tee.overhead_s", "confidential",
           "< 2", "none", "s"),
    Figure("questions after secrets answered a second", "sms.head_per_s", "sms", ">= 1000", "none"),
    Figure("  processor of each", "sms.head_cpu_ms", "sms", unit="ms"),
    Figure("buying in the market: more than of a pool", "buying.more_s", "buying",
           "< 0.3", "none", "s"),
    Figure("  bought of a known pool, until it is sent", "buying.pool_s", "buying", unit="s"),
    Figure("  more of the buyer's processor", "buying.more_cpu_ms", "buying", unit="ms"),
    Figure("import of the command line", "start.import_s", "start", "< 0.15", "0.24", "s"),
    Figure("`poolhand wallet list`", "start.list_s", "start", "< 0.4", "1.0", "s"),
    Figure("joining a pool: the worker's environment", "join.env_mb", "join", "< 120", "179", "MB"),
    Figure("  installed by its script, packages cached", "join.install_s", "join",
           "< 60", "none", "s"),
    Figure("  from the script's start to all set, packages cached", "join.join_s", "join",
           "< 60", "none", "s"),
    Figure("  a joined worker's start, until it is all set", "join.all_set_s", "join",
           "< 5", "none", "s"),
    Figure("64 workers behind one address are let in", "fleet.join_64_s", "fleet",
           "< 30", "none", "s"),
    Figure("  their wallets are made", "fleet.wallets_64_s", "fleet", unit="s"),
    Figure("lost worker replaced, p50", "lost_worker_replaced_s.p50", "lost", "< 30", "17", "s"),
    Figure("200 calls of 1 s by map on 4 workers: throughput of bare containers'",
           "functions.throughput_of_containers", "functions", ">= 0.8"),
    Figure("  a task each", "functions.map_s", "functions", unit="s"),
    Figure("  five to a task", "functions.chunked_s", "functions", unit="s"),
    Figure("  the same containers by hand", "functions.containers_s", "functions", unit="s"),
    Figure("  a process pool of four", "functions.processes_s", "functions", unit="s"),
    Figure("  a Dask cluster of four", "functions.dask_s", "functions", unit="s"),
    Figure("  five to a task, of the Dask cluster's throughput", "functions.chunked_of_dask",
           "functions"),
    Figure("  overhead of a call that is a task", "functions.overhead_per_item_s", "functions", unit="s"),
    Figure("container overhead", "container_overhead_ms", "containers", "< 50", "", "ms"),
)  # fmt: skip
