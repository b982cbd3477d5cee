"""What is measured of a pool for its owner's alerts, besides what ``metrics`` has."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from poolhand.chain.earnings_watch import EarningsRead
from poolhand.scheduler.chain_feed import ChainFeed
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.transactions import Transactions
from poolhand.scheduler.waiting_tasks import WaitingTasks
from poolhand.scheduler.worker_tallies import WorkerTallies


class _Judged(Collector):
    """Replicates that ended, by whose merit or fault; what is the app's fault is not counted."""

    def __init__(self, tallies: WorkerTallies) -> None:
        self._tallies = tallies

    def describe(self) -> Iterable[Metric]:
        yield self._counter()

    def collect(self) -> Iterable[Metric]:
        counter = self._counter()
        counter.add_metric(["settled"], self._tallies.settled)
        counter.add_metric(["fault"], self._tallies.failed)
        yield counter

    @staticmethod
    def _counter() -> CounterMetricFamily:
        meaning = "Replicates that were settled on chain, or ended by their worker's fault"
        return CounterMetricFamily("poolhand_replicates_judged", meaning, labels=["judgement"])


class _FreeDisk(Collector):
    """What is free on the database's disk; nothing where that is another machine's."""

    def __init__(self, read: Callable[[], int | None]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        yield self._gauge()

    def collect(self) -> Iterable[Metric]:
        gauge, free = self._gauge(), self._read()
        if free is not None:
            gauge.add_metric([], free)
        yield gauge

    @staticmethod
    def _gauge() -> GaugeMetricFamily:
        return GaugeMetricFamily("poolhand_disk_free_bytes", "Free on the database's disk")


class _Earned(Collector):
    """What the owner's account earned and lost; nothing before the chain was read."""

    def __init__(self, read: Callable[[], EarningsRead | None]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        yield from self._gauges()

    def collect(self) -> Iterable[Metric]:
        found, (earned, lost) = self._read(), self._gauges()
        if found is not None:
            total = found.book.total()
            earned.add_metric([], total.earned)
            lost.add_metric([], total.lost)
        yield from (earned, lost)

    @staticmethod
    def _gauges() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        earned, lost = "What the owner's account earned", "Stake that failed tasks cost it"
        return (
            GaugeMetricFamily("poolhand_earned_nrlc", earned),
            GaugeMetricFamily("poolhand_lost_nrlc", lost),
        )


def measure_for_owner(
    registry: CollectorRegistry,
    feed: ChainFeed,
    collateral: Collateral,
    transactions: Transactions,
    waiting: WaitingTasks,
    exclusions: Exclusions,
    tallies: WorkerTallies,
    disk: Callable[[], int | None],
    slots: Callable[[], int],
    busy: Callable[[], int],
    earnings: Callable[[], EarningsRead | None],
) -> None:
    """Have it shown in a registry: each gauge is read when it is asked for."""
    account = collateral
    for name, meaning, read in (
        ("chain_away", "1 while the chain cannot be read", lambda: bool(feed.trouble)),
        ("deposit_missing_nrlc", "What the owner must deposit", lambda: account.missing),
        ("deposit_free_nrlc", "The owner's free stake", lambda: _free(account)),
        ("transactions_under_way", "Transactions", lambda: transactions.under_way),
        ("transaction_oldest_seconds", "For how long", lambda: transactions.oldest() or 0),
        ("task_waits_seconds", "How long the longest wait is", lambda: waiting.longest() or 0),
        ("slots", "Slots of workers that take tasks", slots),
        ("slots_busy", "Slots of workers that compute", busy),
        ("workers_excluded", "Workers drained or banned", lambda: len(exclusions)),
    ):
        Gauge(f"poolhand_{name}", meaning, registry=registry).set_function(_as_float(read))
    registry.register(_Judged(tallies))
    registry.register(_FreeDisk(disk))
    registry.register(_Earned(earnings))


def _free(collateral: Collateral) -> int:
    return 0 if collateral.account is None else collateral.account.stake


def _as_float(read: Callable[[], float]) -> Callable[[], float]:
    return lambda: float(read())
