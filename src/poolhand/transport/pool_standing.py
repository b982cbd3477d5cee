"""How a workerpool is, as it tells everybody at ``/health`` and ``/v1/config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poolhand.domain.ids import Address
from poolhand.domain.text import shown
from poolhand.domain.units import BlockNumber, NanoRlc, Wei

MOST: int = 500
"""Characters of one sentence of the pool's."""


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """What a pool says of itself; None where it does not tell.

    Attributes:
        workerpool: Its contract.
        owner: Who must deposit and pay for gas.
        version: Of its program.
        block: How far it is with the chain.
        workers: Connected.
        open_tasks: Not ended yet.
        prices: Per task by category (nRLC).
        sells: Whether anything is for sale now.
        why_nothing: Why not, and who must act.
        gas: Of its wallet (wei).
        gas_message: What its wallet lacks.
    """

    workerpool: Address
    owner: Address
    version: str
    block: BlockNumber | None
    workers: int
    open_tasks: int
    prices: Mapping[int, NanoRlc]
    sells: bool | None
    why_nothing: str | None
    gas: Wei | None
    gas_message: str | None


def read_standing(health: Mapping[str, Any], config: Mapping[str, Any]) -> PoolStanding:
    """Read both answers; raises what a wrong form makes it raise (KeyError, TypeError, …)."""
    gas, sells = health.get("gas") or {}, health.get("sells")
    return PoolStanding(
        workerpool=Address.parse(config["workerpool"]),
        owner=Address.parse(config["owner"]),
        version=_sentence(config.get("version")) or "unknown",
        block=None if health.get("block") is None else BlockNumber(int(health["block"])),
        workers=int(health["workers"]),
        open_tasks=int(health["open_tasks"]),
        prices={int(each): NanoRlc(int(n)) for each, n in (config.get("prices") or {}).items()},
        sells=None if sells is None else bool(sells),
        why_nothing=_sentence(health.get("sells_nothing_because")),
        gas=None if gas.get("balance") is None else Wei(int(gas["balance"])),
        gas_message=_sentence(gas.get("message")),
    )


def _sentence(raw: object) -> str | None:
    return None if raw is None else shown(str(raw), MOST)
