"""How a worker is put together, where a test of its surroundings needs another part.

The product always works with ``WorkerParts()``. The devnet's adversaries and the chaos runs replace
a part and leave the rest of the program as it is, so that what they show is true of the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from poolhand.domain.ids import Address
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.files import ResultsClient
from poolhand.ports.journal import Journal
from poolhand.transport.addresses import Resolver, resolve
from poolhand.transport.listener import ClientRules
from poolhand.wire.messages import Capabilities
from poolhand.worker.reports import PoolLink
from poolhand.worker.shell import StageRunner
from poolhand.worker.upgrading.takeover import Takeover


class StageWrapper(Protocol):
    """Wraps the honest stages of a worker."""

    def __call__(
        self, honest: StageRunner, worker: Address, hub: Hub, watcher: Watcher, clock: Clock, /
    ) -> StageRunner:
        """Return what carries out the stages; it may look at the chain as the worker does."""


def _stages_as_they_are(
    honest: StageRunner, _worker: Address, _hub: Hub, _watcher: Watcher, _clock: Clock
) -> StageRunner:
    return honest


def _sender_as_it_is(sender: TransactionSender) -> TransactionSender:
    return sender


def _results_as_they_are(service: ResultsClient) -> ResultsClient:
    return service


def _journal_as_it_is(journal: Journal) -> Journal:
    return journal


def _link_as_it_is(link: PoolLink) -> PoolLink:
    return link


def _claims_as_they_are(can: Capabilities) -> Capabilities:
    return can


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """Parts of a worker.

    Attributes:
        stages: Wraps what carries out the stages.
        sender: Wraps the wallet's transactions.
        results: Wraps the results service.
        journal: Wraps the journal of the replicates.
        link: Wraps the session to the pool.
        rules: Limits that the session keeps to.
        claims: What the worker tells of itself.
        takeover: How another version takes over; told which one is to once the worker has ended.
        files: Below which the files of this computer's GPUs are.
        resolver: Looks up names, for downloads and for hosts that apps reach.
    """

    stages: StageWrapper = _stages_as_they_are
    sender: Callable[[TransactionSender], TransactionSender] = _sender_as_it_is
    results: Callable[[ResultsClient], ResultsClient] = _results_as_they_are
    journal: Callable[[Journal], Journal] = _journal_as_it_is
    link: Callable[[PoolLink], PoolLink] = _link_as_it_is
    rules: ClientRules = ClientRules()
    claims: Callable[[Capabilities], Capabilities] = _claims_as_they_are
    takeover: Takeover = field(default_factory=Takeover)
    files: Path = Path("/")
    resolver: Resolver = resolve
