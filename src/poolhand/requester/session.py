"""A buyer's session in Python: buy, follow, claim, download; the command line is a view of it.

>>> async with open_session(settings) as session:
...     deal = await session.buy("docker.io/owner/app:1.0", args="--top 5", trust=Trust(10))
...     async for change in deal.follow():
...         print(change)
...     for task in deal.tasks:
...         result = await task.download(Path("results"))
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import OutOfGas
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.onchain import Receipt
from poolhand.keys.wallet import Wallet
from poolhand.requester.assets import Deployed
from poolhand.requester.changes import Change, Changes
from poolhand.requester.claims import Claimed
from poolhand.requester.history import TaskHistory
from poolhand.requester.precheck import check_wish, input_names
from poolhand.requester.requester import Requester
from poolhand.requester.results import Result
from poolhand.requester.watching import Outcome, Progress, TaskProgress, Watch
from poolhand.requester.wish import Wish
from poolhand.wire.output_api import OutputNews

_NEW_APP: Final = (
    "an image is registered as an app first, by a transaction of yours: without coin buy an app "
    "that is registered, by its address instead of an image"
)


@dataclass(frozen=True, slots=True)
class Wished:
    """A wish that nothing speaks against, and what the app will get.

    Attributes:
        wish: What is wanted.
        arguments: Of the app, one by one.
        inputs: Input files by their names in ``/iexec_in``.
        registered: The app, where its image was named; None where its address was.
    """

    wish: Wish
    arguments: tuple[str, ...]
    inputs: Mapping[str, str]
    registered: Deployed | None = None


class Session:
    """What one buyer does on one chain; opened by ``requester.main.open_session``.

    Attributes:
        requester: Everything else that a buyer can do: accounts, assets, pools, orders.
    """

    def __init__(self, requester: Requester) -> None:
        self.requester = requester

    async def wish(self, target: str | Address, **terms: Any) -> Wished:
        """Make a wish of an image or of an app's address; an image is registered as an app, once.

        Args:
            target: An image (``docker.io/owner/app:1.0``) or the address of an app.
            terms: As ``Wish`` takes them: ``args``, ``inputs``, ``trust``, ``tasks``, …

        Raises:
            BadWish, UnfitParams, LostArguments, UnreadableInput: Nobody could do it.
            WrongPlatform, NoSuchImage, RegistryDown: The image cannot be had, or runs nowhere.
        """
        known = isinstance(target, Address)
        wish = Wish(target if isinstance(target, Address) else ZERO_ADDRESS, **terms)
        wished = Wished(wish, check_wish(wish), input_names(wish))
        if known:
            return wished
        try:
            app = await self.requester.deploy_app(str(target), wish=wish)
        except OutOfGas as fault:
            fault.add_note(_NEW_APP)
            raise
        return replace(wished, wish=replace(wish, app=app.address), registered=app)

    async def buy(
        self,
        target: str | Address | Wish,
        *,
        deposit: bool = False,
        again: bool = True,
        by_signature: bool | None = None,
        sponsor: Wallet | None = None,
        **terms: Any,
    ) -> SessionDeal:
        """Buy a computation; one whose purchase a crash interrupted is finished instead.

        Args:
            target: An image, the address of an app, or a wish ready-made.
            deposit: Move what lacks from the wallet's RLC into its stake first.
            again: Also while the same purchase of this wallet is open.
            by_signature: Have the pool send the purchase where it offers that, so that the wallet
                needs no coin; None: where it takes no fee for it; False: never.
            sponsor: Pays the price and sends the purchase; None: the session's wallet pays.
            terms: As ``Wish`` takes them, where none was made.

        Raises:
            SamePurchaseOpen: It is open, and was not to be bought again.
            OrdersUnfit, StakeTooLow, PriceTooHigh, …: See ``Buyer.buy``; nothing was paid.
        """
        async with self.requester.spending():
            wish = target if isinstance(target, Wish) else (await self.wish(target, **terms)).wish
            bought = await self.requester.buy(
                wish, deposit=deposit, again=again, by_signature=by_signature, sponsor=sponsor
            )
        return SessionDeal(
            self.requester,
            bought.deal,
            bought.receipt,
            resumed=bought.resumed,
            sent_by=bought.sent_by,
            why_not_by_pool=bought.why_not_by_pool,
        )

    async def deal(self, deal_id: DealId) -> SessionDeal:
        """Return a deal that was bought before; raises NoSuchDeal."""
        return SessionDeal(self.requester, await self.requester.deal(deal_id))

    def task(self, task_id: TaskId) -> SessionTask:
        """Return a task, of whichever deal."""
        return SessionTask(self.requester, task_id)


@dataclass(slots=True)
class SessionDeal:
    """A deal of a session.

    Attributes:
        deal: What the match fixed.
        receipt: Of the match, where this session bought it.
        resumed: Whether an earlier run had begun to buy it.
        sent_by: URL of the pool that sent the purchase; None where this wallet did.
        why_not_by_pool: Why a pool that was asked to did not send it.
        progress: How its tasks stood at the last look.
    """

    _requester: Requester
    deal: Deal
    receipt: Receipt | None = None
    resumed: bool = False
    sent_by: str | None = None
    why_not_by_pool: str = ""
    progress: Progress = field(default_factory=lambda: Progress(()), init=False)

    @property
    def id(self) -> DealId:
        """The deal's id."""
        return self.deal.deal_id

    @property
    def tasks(self) -> tuple[SessionTask, ...]:
        """Its tasks, in the order of their indices."""
        return tuple(SessionTask(self._requester, name) for _, name in self.deal.tasks())

    async def look(self) -> Progress:
        """Look how its tasks stand now."""
        self.progress = await self._requester.look(self.deal)
        return self.progress

    async def follow(self) -> AsyncGenerator[Change]:
        """Yield what changes until every task has ended or run out of time.

        Raises:
            ChainUnreachable: The chain has been silent for long.
        """
        changes, watch = Changes(self.deal), await self._requester.watch_of_deal(self.deal)
        async with aclosing(watch.follow_deal(self.deal)) as snapshots:
            async for self.progress in snapshots:
                for change in changes.of(self.progress):
                    yield change

    async def wait(self) -> Progress:
        """Follow its tasks to their end, and return how they ended."""
        async with aclosing(self.follow()) as changes:
            async for _ in changes:
                pass
        return self.progress

    def outputs(self) -> dict[TaskId, Callable[[], AsyncGenerator[OutputNews]]]:
        """Return how to read what each task prints; see ``OutputReader.follow``."""
        return {name: partial(self._output, name) for _, name in self.deal.tasks()}

    async def _output(self, name: TaskId) -> AsyncGenerator[OutputNews]:
        reader = await self._requester.output_reader(name, self.deal)
        async with aclosing(reader.follow(name)) as told:
            async for news in told:
                yield news

    async def claim(self) -> Claimed:
        """Get the price of every unfinished task back, after the final deadline."""
        return await self._requester.claim_deal(self.id)

    async def claim_late(self) -> Claimed:
        """Claim the tasks that the last look saw run out of time; raises as ``claims.claim``."""
        return await self._requester.claim_late(self.progress, self.deal)

    async def download(self, folder: Path, *, unpack: bool = False) -> tuple[Result, ...]:
        """Download the results of all tasks that the last look saw completed, and check them."""
        done = [each for each in self.progress.tasks if each.outcome is Outcome.COMPLETED]
        download = self._requester.download
        return tuple([await download(each.task_id, folder, unpack=unpack) for each in done])


@dataclass(slots=True)
class SessionTask:
    """A task of a session.

    Attributes:
        progress: How it stood at the last look; None before.
    """

    _requester: Requester
    id: TaskId
    progress: TaskProgress | None = field(default=None, init=False)
    _watch: Watch | None = field(default=None, init=False)

    @property
    def standing(self) -> Progress:
        """How it stood at the last look, as a deal of one task would be told."""
        return Progress((self.progress,) if self.progress else ())

    async def look(self) -> TaskProgress:
        """Look how it stands now; raises NoSuchTask if neither chain nor pool knows it."""
        (self.progress,) = (await self._requester.look_at_task(self.id)).tasks
        return self.progress

    async def follow(self) -> AsyncGenerator[Change]:
        """Yield what changes until it has ended or run out of time; raises ChainUnreachable."""
        changes, watch = Changes(), await self._watched()
        async with aclosing(watch.follow({self.id: 0})) as snapshots:
            async for snapshot in snapshots:
                (self.progress,) = snapshot.tasks
                for change in changes.of(snapshot):
                    yield change

    async def look_again(self) -> TaskProgress:
        """Look once more by the same pool as ``follow``."""
        (self.progress,) = (await (await self._watched()).look({self.id: 0})).tasks
        return self.progress

    async def _watched(self) -> Watch:
        if self._watch is None:
            self._watch = await self._requester.watch_of(self.id)
        return self._watch

    async def wait(self) -> TaskProgress:
        """Follow it to its end, and return how it ended."""
        async with aclosing(self.follow()) as changes:
            async for _ in changes:
                pass
        return self.progress or await self.look()

    async def history(self) -> TaskHistory:
        """Return what pool and chain tell of it, as of the last look."""
        return await self._requester.history(self.progress or await self.look())

    async def download(self, folder: Path = Path(), *, unpack: bool = False) -> Result:
        """Download its result into ``folder`` and check it against the digest on chain.

        Raises:
            NotFinished, NoResultComing: The chain has no result.
            ResultForged, BadArchive: What came is not the result; it was not kept.
            NoResultsService, ResultMissing, ResultsDown: It cannot be had.
        """
        return await self._requester.download(self.id, folder, unpack=unpack)

    async def logs(self) -> Mapping[Address, tuple[str, str]]:
        """Return what the app printed on each worker; raises NoPoolNamed, PoolRefused, ….

        A pool that does not publish it shows it to the requester: OutputNotYours without a wallet.
        """
        return await self._requester.logs(self.id)

    async def output(self) -> AsyncGenerator[OutputNews]:
        """Yield what it prints and how far it is until it has ended; raises as ``logs``."""
        reader = await self._requester.output_reader(self.id)
        async with aclosing(reader.follow(self.id)) as told:
            async for news in told:
                yield news

    async def claim(self) -> Claimed:
        """Get its price back, after the final deadline; raises NotYetClaimable before."""
        return await self._requester.claim_task(self.id)

    async def claim_late(self) -> Claimed:
        """Claim it where the last look saw it run out of time; raises as ``claims.claim``."""
        return await self._requester.claim_late(Progress((self.progress or await self.look(),)))
