"""How a worker is put together, where a test of its surroundings needs another part.

The product always works with ``WorkerParts()``. The devnet's adversaries and the chaos runs replace
a part and leave the rest of the program as it is, so that what they show is true of the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolhand.ports.journal import Journal
from poolhand.transport.listener import ClientRules
from poolhand.wire.messages import Capabilities
from poolhand.worker.reports import PoolLink
from poolhand.worker.shell import StageRunner
from poolhand.worker.stages import Stages
from poolhand.worker.toolbox import Toolbox


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
        stages: Makes what carries out the stages, of the toolbox and the number of slots.
        journal: Wraps the journal of the replicates.
        link: Wraps the session to the pool.
        rules: Limits that the session keeps to.
        claims: What the worker tells of itself.
    """

    stages: Callable[[Toolbox, int], StageRunner] = Stages
    journal: Callable[[Journal], Journal] = _journal_as_it_is
    link: Callable[[PoolLink], PoolLink] = _link_as_it_is
    rules: ClientRules = ClientRules()
    claims: Callable[[Capabilities], Capabilities] = _claims_as_they_are
