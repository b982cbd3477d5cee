"""A drain of a workerpool on the wire: how it stands, and what its owner asks for.

Members are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, Field

from poolhand.domain.task.stuck import Rescue
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.json_models import JsonDealId, JsonTaskId, Sentence, Told, Words


class StuckTask(Told):
    """An open task that none of the workers that are there can go on with.

    ``rescue`` is who can do something: the pool's owner, the operator of a worker that is away, or
    nobody; ``advice`` what. It is over ``until`` that block time, whatever happens: ``remaining``
    seconds from now.
    """

    task_id: JsonTaskId
    deal_id: JsonDealId
    why: Sentence
    rescue: Rescue
    advice: Sentence
    until: UnixSeconds
    remaining: Seconds


class DrainStanding(Told):
    """``GET /v1/drain``: whether the pool sells nothing new and finishes what is open.

    ``shown`` are its own orders that a market still shows, ``valid`` those that can be bought on
    chain by whoever has them; ``cancels``: the pool cancels these. ``done``: it drains, and nothing
    is left to be done. ``markets`` says of each that does not answer why. ``stuck`` are those of
    the 100 oldest open tasks that nobody can go on with.
    """

    draining: bool
    cancels: bool
    open_tasks: int
    shown: int
    valid: int
    done: bool
    markets: Mapping[Words, Sentence] = Field(default_factory=dict)
    stuck: tuple[StuckTask, ...] = ()


class DrainOrder(Told):
    """``POST /v1/drain``, by the owner: drain or sell; ``cancels`` orders on chain, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    drains: bool
    cancels: bool = False
