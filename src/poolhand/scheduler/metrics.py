"""What the scheduler measures, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.status import TaskStatus
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.worker_directory import WorkerDirectory


class _IdleWorkers(Collector):
    """A gauge of all reasons at once; reasons that hold for nobody are 0."""

    def __init__(self, read: Callable[[], Mapping[IdleReason, int]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        yield self._gauge()

    def collect(self) -> Iterable[Metric]:
        gauge, counts = self._gauge(), self._read()
        for reason in IdleReason:
            if reason is not IdleReason.STAKE_MISSING:
                gauge.add_metric([reason], counts.get(reason, 0))
        yield gauge

    @staticmethod
    def _gauge() -> GaugeMetricFamily:
        meaning = "Connected workers by why they are given nothing more"
        return GaugeMetricFamily("poolhand_workers_idle", meaning, labels=["reason"])


class Metrics:
    """Gauges are read when they are asked for; nothing is counted twice."""

    def __init__(
        self,
        engine: Engine,
        workers: WorkerDirectory,
        gas_budget: GasBudget,
        settled: SettledTasks,
    ) -> None:
        self.registry = CollectorRegistry()
        self.assignments = Counter(
            "poolhand_replicates_created_total", "Replicates created", registry=self.registry
        )
        self.assignment_seconds = Histogram(
            "poolhand_assignment_seconds",
            "From a task's arrival to its first offer",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
            registry=self.registry,
        )
        self._tasks = Gauge("poolhand_tasks", "Tasks by status", ["status"], registry=self.registry)
        for status in TaskStatus:
            self._tasks.labels(status).set_function(partial(_count, engine, settled, status))
        Gauge("poolhand_leads", "1 while this process leads its pool", registry=self.registry).set(
            1
        )
        Gauge(
            "poolhand_workers_connected", "Connected workers", registry=self.registry
        ).set_function(lambda: len(workers))
        self._gas(gas_budget)

    def show_idle(self, read: Callable[[], Mapping[IdleReason, int]]) -> None:
        """Have the connected workers shown by why they are given nothing more."""
        self.registry.register(_IdleWorkers(read))

    def _gas(self, gas_budget: GasBudget) -> None:
        for name, meaning, read in (
            ("balance_wei", "Coins of the pool's wallet", lambda: float(gas_budget.balance or 0)),
            (
                "missing_wei",
                "Coins that what is owed still lacks",
                lambda: float(gas_budget.missing),
            ),
            (
                "spent_wei",
                "Paid for transactions since the start",
                lambda: float(gas_budget.spent),
            ),
            (
                "short",
                "1 while nothing new is sold for lack of gas",
                lambda: float(gas_budget.is_short),
            ),
        ):
            gauge = Gauge(f"poolhand_gas_{name}", meaning, registry=self.registry)
            gauge.set_function(read)


def _count(engine: Engine, settled: SettledTasks, status: TaskStatus) -> float:
    return engine.index.statuses[status] + settled.count(status)
