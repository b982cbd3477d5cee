"""Pools in a market: what their owners say of them, and what they answered last of them and tasks.

Member names are spelled as the market's others. Amounts are nRLC, durations seconds, moments ISO
8601 in UTC; null is what the pool does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from poolhand.domain.market.book import LARGEST_SAFE_NUMBER
from poolhand.domain.units import NanoRlc
from poolhand.wire.join_api import Sha256Text
from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words
from poolhand.wire.pool_causes import causes_of

if TYPE_CHECKING:
    from poolhand.wire.pool_api import TaskNews

MOST_PRICES_TOLD: Final = 100
"""Categories of which a pool tells a price: more are no pool's."""
MOST_ENCLAVES_TOLD: Final = 10
"""Frameworks of a pool that are told: there are three."""
MOST_CAUSES_TOLD: Final = 10
"""Different causes of one task's failures that are told."""
MOST_WORKERS_NAMED: Final = 10
"""Workers that are named of one cause; all are counted."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_SAFE_NUMBER)]
"""A number that JavaScript writes exactly."""
Price: TypeAlias = Annotated[NanoRlc, Field(ge=0, le=LARGEST_SAFE_NUMBER)]


class _Camel(Told):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class PoolEnclaves(_Camel):
    """How many of a pool's ``workers`` have proved a framework, and of these ``simulated``."""

    framework: Words
    workers: Count
    simulated: Count = 0


class LivePool(_Camel):
    """What a pool answered when the market asked it last.

    ``busy`` of ``slots`` are the load, ``openTasks`` the queue; ``successRate`` is of the tasks
    that have settled here, 0 to 1; ``medianSeconds`` from deal to end of the latest of them.
    ``schedulerPercent`` of the price the pool keeps, ``workerStakePercent`` workers lock.
    ``latestEarned`` is what the ``latestTasks`` completed last brought their workers together,
    ``gasPrice`` what the pool pays now (wei). ``joinScriptSha256`` is of the script by which
    computers join it, as its owner signed it; null where it has none. ``enclaves``: which
    frameworks of confidential tasks its workers have proved to it; ``simulatedTee``: it takes
    enclaves that keep nothing secret.
    """

    version: Sentence
    workers: Count
    slots: Count | None = None
    busy: Count | None = None
    open_tasks: Count | None = None
    prices: Annotated[Mapping[Count, Price], Field(max_length=MOST_PRICES_TOLD)]
    highest_trust: Count
    sells: bool | None = None
    sells_nothing_because: Sentence | None = None
    completed: Count | None = None
    failed: Count | None = None
    success_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    median_seconds: Count | None = None
    scheduler_percent: Count | None = None
    worker_stake_percent: Count | None = None
    latest_tasks: Count | None = None
    latest_earned: Price | None = None
    gas_price: Count | None = None
    join_script_sha256: Sha256Text | None = None
    enclaves: Annotated[tuple[PoolEnclaves, ...], Field(max_length=MOST_ENCLAVES_TOLD)] = ()
    simulated_tee: bool = False


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


class FailureCause(_Camel):
    """Why ``workers`` of a pool did not do a task, the first of them ``named``; who must act, how.

    ``status`` is the one that tells.
    """

    workers: int
    named: tuple[JsonAddress, ...]
    status: Words
    why: Sentence
    acts: Words
    next_step: Sentence


class PoolsConfidential(_Camel):
    """What a pool says of a confidential task: its framework, and the address of its enclave.

    ``enclave`` is null until the pool has asked for it; ``simulated``: the pool takes enclaves that
    keep nothing secret.
    """

    framework: Words
    enclave: JsonAddress | None = None
    simulated: bool = False


class PoolSays(_Camel):
    """What a pool says of a task: its own words, which the chain does not bear out.

    ``obstacle`` is why no worker that is there can go on with it, null where one can; ``trouble``
    is what the work on it raised and nobody expected. ``confidential`` is null for a usual task.
    """

    meaning: Sentence
    obstacle: Sentence | None
    trouble: Sentence | None
    causes: tuple[FailureCause, ...]
    confidential: PoolsConfidential | None = None


def pool_says(news: TaskNews) -> PoolSays:
    """Return what of a pool's answer is told to everybody, bounded whatever it answered."""
    return PoolSays(
        meaning=news.meaning,
        obstacle=news.obstacle,
        trouble=news.trouble,
        causes=tuple(
            FailureCause(
                workers=len(each.workers),
                named=each.workers[:MOST_WORKERS_NAMED],
                status=each.status,
                why=each.why,
                acts=each.acts,
                next_step=each.next_step,
            )
            for each in causes_of(news.replicates)[:MOST_CAUSES_TOLD]
        ),
        confidential=None
        if news.confidential is None
        else PoolsConfidential(**news.confidential.model_dump()),
    )


class PoolSaysAnswer(_Camel):
    """``GET /tasks/{taskid}/pool``: ``seen`` is when it said so, ``trouble`` why it says nothing.

    All are null while the pool is asked for the first time: ask again in a second.
    """

    ok: bool = True
    taskid: str
    seen: str | None = None
    trouble: Sentence | None = None
    says: PoolSays | None = None


class PoolAddress(_Camel):
    """``GET /{chainId}/workerpools/{address}``: where a pool's API is, as iExec's Compass says."""

    address: JsonAddress
    name: Words
    api_url: Words
