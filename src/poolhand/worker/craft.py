"""How a worker is put together, where a test of its surroundings needs another part.

The product always works with ``Craft()``. The devnet's adversaries and the chaos runs replace a
part and leave the rest of the program as it is, so that what they show is true of the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolhand.ports.journal import Journal
from poolhand.transport.listener import ClientRules
from poolhand.wire.messages import Capabilities
from poolhand.worker.agent import Link
from poolhand.worker.bench import Bench
from poolhand.worker.hands import BenchHands
from poolhand.worker.shell import Hands


def _journal_as_it_is(journal: Journal) -> Journal:
    return journal


def _link_as_it_is(link: Link) -> Link:
    return link


def _claims_as_they_are(can: Capabilities) -> Capabilities:
    return can


@dataclass(frozen=True, slots=True)
class Craft:
    """Parts of a worker.

    Attributes:
        hands: Makes what carries out the stages, of the bench and the number of slots.
        journal: Wraps the journal of the replicates.
        link: Wraps the session to the pool.
        rules: Limits that the session keeps to.
        claims: What the worker tells of itself.
    """

    hands: Callable[[Bench, int], Hands] = BenchHands
    journal: Callable[[Journal], Journal] = _journal_as_it_is
    link: Callable[[Link], Link] = _link_as_it_is
    rules: ClientRules = ClientRules()
    claims: Callable[[Capabilities], Capabilities] = _claims_as_they_are
