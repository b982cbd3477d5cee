"""Pools in a market: what their owners say of them, and what they answered last.

Member names are spelled as the market's others. Amounts are nRLC, durations seconds, moments ISO
8601 in UTC; null is what the pool does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from poolhand.domain.market.book import SAFE
from poolhand.domain.units import NanoRlc
from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words

MOST_PRICES: Final = 100
"""Categories of which a pool tells a price: more are no pool's."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=SAFE)]
"""A number that JavaScript writes exactly."""
Price: TypeAlias = Annotated[NanoRlc, Field(ge=0, le=SAFE)]


class _Camel(Told):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class LivePool(_Camel):
    """What a pool answered when the market asked it last.

    ``busy`` of ``slots`` are the load, ``openTasks`` the queue; ``successRate`` is of the tasks
    that have settled here, 0 to 1; ``medianSeconds`` from deal to end of the latest of them.
    ``schedulerPercent`` of the price the pool keeps, ``workerStakePercent`` workers lock.
    """

    version: Sentence
    workers: Count
    slots: Count | None = None
    busy: Count | None = None
    open_tasks: Count | None = None
    prices: Annotated[Mapping[Count, Price], Field(max_length=MOST_PRICES)]
    highest_trust: Count
    sells: bool | None = None
    sells_nothing_because: Sentence | None = None
    completed: Count | None = None
    failed: Count | None = None
    success_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    median_seconds: Count | None = None
    scheduler_percent: Count | None = None
    worker_stake_percent: Count | None = None


class MarketPool(_Camel):
    """A pool that is registered; ``trouble`` says why it is not reachable."""

    workerpool: JsonAddress
    owner: JsonAddress
    name: Words
    description: Words
    url: Words
    results_url: Words
    registered: str
    reachable: bool
    last_seen: str | None = None
    trouble: Sentence | None = None
    live: LivePool | None = None


class PoolAnswer(_Camel):
    """``GET`` and ``PUT /pools/{address}``."""

    ok: bool = True
    pool: MarketPool


class PoolForgotten(_Camel):
    """``DELETE /pools/{address}``."""

    ok: bool = True
    workerpool: JsonAddress


class PoolList(_Camel):
    """``GET /pools``: those that answered last first."""

    ok: bool = True
    pools: tuple[MarketPool, ...]
    count: int
    next_page: int | None = None


class PoolRegistration(_Camel):
    """Body of ``PUT /pools/{address}``."""

    name: str
    description: str = ""
    url: str = Field(description="of the pool's public API")
    results_url: str


class PoolAddress(_Camel):
    """``GET /{chainId}/workerpools/{address}``: where a pool's API is, as iExec's Compass says."""

    address: JsonAddress
    name: Words
    api_url: Words
