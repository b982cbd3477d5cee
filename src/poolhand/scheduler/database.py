"""How a pool comes by its database: alone, or as one of several processes of which one leads."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from poolhand.keys.lock import WalletLock
from poolhand.ports.lead import UNFENCED
from poolhand.scheduler.followed_tasks import FollowedTasks
from poolhand.scheduler.front import Front
from poolhand.scheduler.standby_api import StandbyOffice, StandingBy, standby_routes
from poolhand.scheduler.standing_by import Lead, Standby
from poolhand.scheduler.task_history import TaskHistories
from poolhand.scheduler.whose_database import IDENTITY_STREAM, check_database, claim_database
from poolhand.settings.pool import PoolSettings
from poolhand.store.lead import this_process
from poolhand.store.section import Section
from poolhand.store.sql import SqlJournal
from poolhand.store.sql_reader import SqlReader
from poolhand.transport.asgi import application, hosts_of
from poolhand.transport.standby_door import standby_door
from poolhand.wire.pool_api import PoolConfig


class SoleDatabase:
    """A file, which one process has open: whoever comes second is refused.

    Attributes:
        has_past: Whether the pool was served before.
    """

    def __init__(self, settings: PoolSettings, wallet: WalletLock) -> None:
        self._settings, self._wallet = settings, wallet
        self._journal: SqlJournal | None = None
        self.has_past = False

    async def open(self, stack: AsyncExitStack) -> None:
        """Take wallet and database; raises WalletInUse, JournalLocked, …."""
        self._wallet.acquire()
        self._journal = SqlJournal(self._settings.database)
        stack.callback(self._journal.close)
        self.has_past = any(True for _ in Section(self._journal, "task").read())

    async def lead(
        self, stack: AsyncExitStack, front: Front, config: PoolConfig, histories: TaskHistories
    ) -> Lead:
        """Return what was taken: nobody else could lead; raises AnotherPoolsDatabase."""
        del stack, front, histories
        assert self._journal is not None
        claim_database(config, self._journal)
        return Lead(self._journal, UNFENCED)


class SharedDatabase:
    """A server's, which others of the pool may have open: one leads, the others stand by.

    Attributes:
        has_past: Whether the pool was served before.
    """

    def __init__(self, settings: PoolSettings, wallet: WalletLock) -> None:
        self._settings, self._wallet = settings, wallet
        self._reader = SqlReader(settings.database)
        self._sight = SqlReader(settings.database)  # whoever reads much takes no connection of it
        self.has_past = False

    async def open(self, stack: AsyncExitStack) -> None:
        """Look at the database; raises JournalUnreadable where it does not answer."""
        stack.callback(self._reader.close)
        stack.callback(self._sight.close)
        leader = self._sight.sight().leader
        self.has_past = leader is not None and leader.epoch > 0

    async def lead(
        self, stack: AsyncExitStack, front: Front, config: PoolConfig, histories: TaskHistories
    ) -> Lead:
        """Stand by as long as another leads, answering at the port; then take the lead.

        The lead is kept until the end of the stack, and given up there. Raises
        AnotherPoolsDatabase: nobody stands by for another pool.
        """
        if self.has_past:
            check_database(config, self._reader.stream(IDENTITY_STREAM))
        claim = this_process(config.url)
        standby = Standby(
            self._sight, self._wallet, lambda: SqlJournal(self._settings.database, claim=claim)
        )
        tasks = FollowedTasks(self._reader)
        office = StandbyOffice(
            config,
            self._reader.archive,
            tasks,
            histories,
            lambda: standby.leader,
            lambda: standby.trouble,
        )
        app = application(
            "Poolhand pool, standing by",
            [standby_routes(office), standby_door(lambda: StandingBy(standby.leader))],
            hosts=hosts_of(self._settings.host, config.url),
        )

        async with AsyncExitStack() as waiting:

            async def waits() -> None:
                await waiting.enter_async_context(tasks.following())
                await stack.enter_async_context(front.answers(app))

            journal, lease = await standby.lead(waits)
        stack.push_async_callback(asyncio.to_thread, journal.close)  # its server may not answer
        stack.enter_context(lease.kept())
        claim_database(config, journal)
        return Lead(journal, lease)
