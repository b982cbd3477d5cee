"""What a workerpool's owner is told and may order, beyond what everybody may know.

Moments are Unix seconds, amounts nRLC. Members are added, never renamed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from poolhand.domain.exclusion import MOST_REASON, ExclusionKind
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.wire.json_models import JsonAddress, Told, Words
from poolhand.wire.pool_api import PoolWorker


class ExclusionTold(Told):
    """That the owner keeps a worker from work: ``drain`` nothing new, ``ban`` not let in."""

    kind: ExclusionKind
    reason: Words
    since: UnixSeconds


class OwnedWorker(PoolWorker):
    """A connected worker as the pool's owner sees it.

    ``source`` is where it connects from, as far as that tells one owner from another, empty where
    it does not. It ``settled`` so many tasks and ``failed`` at so many by its own fault, over
    restarts of the pool; a task took it ``mean_seconds`` by its own clock. ``faults`` are those in
    a row; until ``rests_until`` (block time) others come first.
    ``can_be_told``: its program takes messages. ``sandbox`` is in what its apps run as it says,
    empty where it has not told; ``gpus`` is how many GPUs it says that it has for them.
    """

    sandbox: Words = ""
    gpu: bool
    gpus: int = 0
    locked: NanoRlc | None = None
    source: Words = ""
    settled: int = 0
    failed: int = 0
    mean_seconds: float | None = None
    faults: int = 0
    rests_until: UnixSeconds | None = None
    can_be_told: bool = False
    exclusion: ExclusionTold | None = None


class OwnedWorkers(Told):
    """``GET /v1/owner/workers``: a page of the connected ones, in order of their addresses.

    ``after`` is what to ask for the next page with, null where this is the last.
    """

    workers: tuple[OwnedWorker, ...]
    connected: int
    after: JsonAddress | None = None


class ExcludedWorker(ExclusionTold):
    """One of those that the owner keeps from work."""

    worker: JsonAddress
    connected: bool


class ExcludedWorkers(Told):
    """``GET /v1/owner/excluded``: a page of them, in order of their addresses."""

    workers: tuple[ExcludedWorker, ...]
    excluded: int
    after: JsonAddress | None = None


class Decided(Told):
    """What holds for a worker from now on; ``exclusion`` is null where it works like any other.

    ``changed`` is false where that was so before.
    """

    worker: JsonAddress
    exclusion: ExclusionTold | None = None
    changed: bool = True
    connected: bool = False


class Said(Told):
    """What a worker's operator is told."""

    worker: JsonAddress
    text: Words
    at: UnixSeconds


_EXACT = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExclusionOrder(Told):
    """``POST /v1/owner/workers/{address}/drain`` and ``…/ban``: why."""

    model_config = _EXACT

    reason: Annotated[str, Field(max_length=MOST_REASON)] = ""


class MessageOrder(Told):
    """``POST /v1/owner/workers/{address}/message``: what its operator is told."""

    model_config = _EXACT

    text: Annotated[str, Field(min_length=1, max_length=300)]
