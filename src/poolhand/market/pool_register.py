"""Pools in the market: registered by their owners, and asked now and then how they are.

Strangers name the addresses: they are asked by the one rule of the project for such, few at a time,
for little time and little text, and never because somebody asks the market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

import httpx
import structlog

from poolhand.domain.errors import EndsProgram, PoolhandError, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.market.profiles import NotOwnPool, PoolProfile, checked_profile
from poolhand.market.pool_words import PoolWords
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock
from poolhand.ports.market_chain import MarketChain
from poolhand.store.market import pools
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.pool_client import PoolClient, PoolDown, PoolRefused, PoolStanding
from poolhand.wire.json_models import read_model
from poolhand.wire.market_pools import LivePool
from poolhand.wire.pool_api import PoolSummary

PAUSE_BETWEEN_POOL_ROUNDS: Final = 5
"""Seconds between two rounds."""
POOL_ASKED_EVERY: Final = 20_000
"""Milliseconds after which a pool is asked again."""
ANSWERED_LATELY: Final = 600_000
"""Milliseconds since a pool has answered for which its turn does not wait for those that do not."""
POOLS_ASKED_AT_ONCE: Final = 8
"""Pools that are asked in one round, all at the same time."""
LONGEST_POOL_ANSWER: Final = 5.0
"""Seconds that one may take to answer."""
LONGEST_JOIN_ANSWER: Final = 2.0
"""Seconds of these in which it tells by which files workers join: the first time it makes them."""
log = structlog.get_logger()


class OtherPoolThere(Unavailable):
    """Who answers at a pool's address is another pool, or one of another chain."""


class PoolRegister:
    """The pools; ``words`` are theirs, of single tasks.

    Args:
        chain: Tells who owns a pool.
        facts: Of its hub.
        database: Of the market.
        http: Minds where it connects: strangers name the addresses.
        now: Milliseconds since 1970.
        boundary: Takes what nobody expected of one pool.
    """

    def __init__(
        self,
        chain: MarketChain,
        facts: HubFacts,
        database: MarketDatabase,
        http: httpx.AsyncClient,
        now: Callable[[], int],
        boundary: FaultBoundary | None = None,
    ) -> None:
        self._boundary = boundary or FaultBoundary()
        self._chain, self._facts, self._database = chain, facts, database
        self._http, self.now = http, now
        self._last: int | None = None
        self.words = PoolWords(http, now, self._boundary)

    async def register(self, profile: PoolProfile) -> pools.PoolRow:
        """Take what a pool's owner says of it.

        Raises:
            BadParameter: A text that no person could be shown, or no URL.
            NotOwnPool: It is somebody else's, or no pool.
            ChainUnreachable: Whose it is could not be read.
        """
        checked_profile(profile)
        await self._check_owner(profile.workerpool, profile.owner)
        await self._database.write(partial(pools.put, profile=profile, now=self.now()))
        found = await self._database.read(partial(pools.find, workerpool=profile.workerpool))
        assert found is not None
        return found

    async def unregister(self, workerpool: Address, by: Address) -> None:
        """Forget a pool, for its owner; repeatable.

        Raises:
            NotOwnPool: It is somebody else's, or no pool.
            ChainUnreachable: Whose it is could not be read.
        """
        await self._check_owner(workerpool, by)
        await self._database.write(partial(pools.remove, workerpool=workerpool))

    async def _check_owner(self, workerpool: Address, by: Address) -> None:
        owners = await self._chain.owners([workerpool], await self._chain.head())
        if (owner := owners.get(workerpool)) != by:
            raise NotOwnPool(owner)

    async def keep_asking(self, clock: Clock) -> NoReturn:
        """Ask pools how they are, for ever."""
        while True:
            try:
                await self.ask_some()
            except EndsProgram:
                raise
            except Unavailable as fault:
                log.warning("pools_not_asked", cause=str(fault))
            await clock.sleep(PAUSE_BETWEEN_POOL_ROUNDS)

    async def ask_some(self) -> None:
        """Ask those that were not asked for longest."""
        now = await self._moment()
        work = partial(
            pools.longest_unasked,
            before=now - POOL_ASKED_EVERY,
            most=POOLS_ASKED_AT_ONCE,
            seen_since=now - ANSWERED_LATELY,
        )
        found = await self._database.read(work)
        if found:
            names = [each.workerpool for each in found]
            await self._database.write(partial(pools.begin, workerpools=names, now=now))
        await asyncio.gather(*map(self._ask, found))

    async def _moment(self) -> int:
        """Return now; what is noted of pools is earlier, or the clock was set back meanwhile."""
        now, last = self.now(), self._last
        if last is None or now < last:
            await self._database.write(partial(pools.set_back, now=now))
        self._last = now
        return now

    async def _ask(self, profile: PoolProfile) -> None:
        with self._boundary.around("asking a pool", workerpool=str(profile.workerpool)):
            await self._note(profile)

    async def _note(self, profile: PoolProfile) -> None:
        try:
            async with asyncio.timeout(LONGEST_POOL_ANSWER):
                live = await self._live(profile)
        except TimeoutError:
            note = partial(
                pools.failed, trouble=f"it did not answer within {LONGEST_POOL_ANSWER:.0f} s"
            )
        except EndsProgram:
            raise
        except PoolhandError as fault:
            note = partial(pools.failed, trouble=str(fault))
        else:
            note = partial(pools.answered, live=live.model_dump_json())
        pool = profile.workerpool
        await self._database.write(partial(note, workerpool=pool, now=self.now()))

    async def _live(self, profile: PoolProfile) -> LivePool:
        client = PoolClient(self._http, profile.url)
        told = await client.standing()
        config = told.config
        if (config.workerpool, config.chain_id, config.hub) != (
            profile.workerpool, self._facts.chain_id, self._facts.hub,
        ):  # fmt: skip
            raise OtherPoolThere(
                f"at {profile.url} answers workerpool {config.workerpool} of chain "
                f"{config.chain_id}: the pool's owner must register the right URL"
            )
        return live_pool(told, await _summary(client), await _script(client, profile))


async def _summary(client: PoolClient) -> PoolSummary:
    try:
        return await client.summary()
    except PoolRefused:
        return PoolSummary()  # of a version that does not tell


async def _script(client: PoolClient, profile: PoolProfile) -> str | None:
    """Return the SHA-256 of the script by which computers join, if the pool's owner signed it.

    Raises:
        NotTheOwnersFiles: Somebody else did, so that nobody should join by it.
    """
    try:
        async with asyncio.timeout(LONGEST_JOIN_ANSWER):
            manifest = await client.join_manifest()
    except (TimeoutError, PoolDown, PoolRefused):
        return None  # of a version that has none, or it is made just now
    if (manifest.owner, manifest.workerpool) != (profile.owner, profile.workerpool):
        return None
    return manifest.script.sha256


def live_pool(told: PoolStanding, summary: PoolSummary, script: str | None) -> LivePool:
    """Return what is told of a pool.

    Args:
        told: How it is.
        summary: How it does.
        script: SHA-256 of the script by which computers join it.

    Raises:
        Malformed: A number that nobody could mean, or more of them than a page has room for.
    """
    config, health = told.config, told.health
    members = {
        "version": config.version,
        "workers": health.workers,
        "slots": summary.slots,
        "busy": summary.busy,
        "open_tasks": health.open_tasks,
        "prices": config.prices,
        "highest_trust": config.highest_trust,
        "sells": health.sells,
        "sells_nothing_because": health.sells_nothing_because,
        "completed": summary.completed,
        "failed": summary.failed,
        "success_rate": summary.success_rate,
        "median_seconds": summary.median_seconds,
        "scheduler_percent": summary.scheduler_percent,
        "worker_stake_percent": summary.worker_stake_percent,
        "latest_tasks": summary.latest_tasks,
        "latest_earned": summary.latest_earned,
        "gas_price": summary.gas_price,
        "join_script_sha256": script,
        "enclaves": [each.model_dump() for each in summary.enclaves],
        "simulated_tee": config.simulated_tee,
    }
    return read_model(LivePool, members, "the pool")
