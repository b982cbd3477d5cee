"""``AsyncClient``: computation bought from a program that runs on asyncio.

>>> client = AsyncClient(chain="arbitrum", market="https://market.example", budget="10 RLC")
>>> deal = await client.run("docker.io/you/words:1.0", "--top 5", trust=10)
>>> print((await deal.result()).text("result.txt"))

It connects when it is first asked for something. Nothing is lost with a client: a deal is on
chain, and what was signed is in the wallet's journal, so that the same purchase is finished, not
made twice.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from poolhand.appimage.composing import BuiltImage, PublishedImage
from poolhand.appimage.image import Image
from poolhand.client.app_images import ClientImages, DeployedImage
from poolhand.client.context import ClientContext
from poolhand.client.functions.terms import DEVNET_FUNCTIONS
from poolhand.client.functions.verbs import AsyncFunctionVerbs
from poolhand.client.handles import AsyncDealHandle, AsyncTaskHandle
from poolhand.client.purchase_terms import amount_of, terms_of
from poolhand.client.purchases import BudgetedPurchases, begun_purchase
from poolhand.client.secret_places import secret_place
from poolhand.client.sponsor import Sponsor, opened_sponsor
from poolhand.domain.budget import SpendingBudget
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.units import NanoRlc
from poolhand.observe import configure_as_library
from poolhand.requester.assets import Deployed
from poolhand.requester.buying import Purchase
from poolhand.requester.main import open_requester
from poolhand.requester.repeats import same_deal
from poolhand.requester.requester import NoSuchTask, NoWallet, Requester
from poolhand.requester.session import Session
from poolhand.requester.wish import Wish
from poolhand.settings.requester import RequesterSettings

if TYPE_CHECKING:
    from poolhand.client.context import Opener


class AsyncClient(AsyncFunctionVerbs):
    """Buys computation, follows it and fetches what came of it.

    Settings are those of the command line (``docs/settings.md``), by keyword or from the same
    environment variables; where none names a chain, the devnet that runs here is meant.

    Args:
        chain: Name of a chain that Poolhand knows (``arbitrum``); or
        rpc, hub: URLs of its nodes, separated by commas, and the address of the hub.
        account: An account of the devnet, by its name.
        wallet, keystore: A keystore file, or an address in the folder of wallets.
        password, password_file: Of the wallet, or the file that has it in its first line.
        pool_url, market, results_url: Services to use.
        state: Folder of the journals.
        budget: RLC that all purchases of this client together may cost: text with its unit
            (``"10 RLC"``) or nRLC; None: without a limit. What is refunded does not come back into
            it; gas is not in it.
        functions: The image, or app, that runs functions where a call names none; that of the
            devnet where this is empty.
        opener: Opens a requester; for tests.
    """

    def __init__(
        self,
        *,
        chain: str = "",
        rpc: str = "",
        hub: str = "",
        account: str = "",
        wallet: str | Path = "",
        keystore: str | Path = "",
        password: str = "",
        password_file: str | Path = "",
        pool_url: str = "",
        market: str = "",
        results_url: str = "",
        state: str | Path = "",
        budget: str | NanoRlc | None = None,
        functions: str | Address = "",
        opener: Opener | None = None,
    ) -> None:
        configure_as_library()
        told = {
            "chain": chain, "rpc": rpc, "hub": hub, "as_": account, "wallet": wallet,
            "keystore": keystore, "password": password, "password_file": password_file,
            "pool_url": pool_url, "market": market, "results_url": results_url, "state": state,
        }  # fmt: skip
        self._context = ClientContext({name: value for name, value in told.items() if value})
        self._opener = opener or open_requester
        self.runs_functions = functions or DEVNET_FUNCTIONS
        self._purchases = BudgetedPurchases(SpendingBudget(amount_of(budget)))
        self._opening: asyncio.Task[Requester] | None = None
        self._closing: asyncio.Event | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def budget(self) -> SpendingBudget:
        """What purchases may cost, and have cost, in all."""
        return self._purchases.budget

    async def run(
        self,
        image: str | Address,
        args: str | Sequence[str] = "",
        *,
        dataset: str | Address = ZERO_ADDRESS,
        inputs: Iterable[str] = (),
        hosts: Iterable[str] = (),
        trust: int = 1,
        category: int | str = 0,
        tasks: int = 1,
        tag: Iterable[str] = (),
        pool: str | Address = ZERO_ADDRESS,
        budget: str | NanoRlc | None = None,
        beneficiary: str | Address | None = None,
        callback: str | Address = ZERO_ADDRESS,
        encrypt: bool = False,
        secrets: Mapping[int, str] | None = None,
        accept_simulated_tee: bool = False,
        deposit: bool = False,
        again: bool = True,
        sponsor: Sponsor | None = None,
    ) -> AsyncDealHandle:
        """Buy a computation; the handle is there as soon as the deal is on chain.

        A purchase that was interrupted is finished by the same call, not made twice.

        Args:
            image: An image (``docker.io/you/app:1.0``; ``devnet/…`` is in the devnet's registry),
                registered as an app if need be, or the address of an app.
            args: Command line of the app, as text or word by word.
            dataset: Address of a dataset.
            inputs: URLs of files that workers download.
            hosts: That the app is to reach, ``name`` or ``name:port``; a pool has to be named.
            trust: Wanted confidence 1 - 1/trust: 10 needs four agreeing workers.
            category: Of computing time, by number or name.
            tasks: How many equal tasks; each finds its index in ``IEXEC_TASK_INDEX``.
            tag: Demands on the workers, by name: ``"gpu"``, ``"tee,tdx"``, or several words.
            pool: The workerpool to buy from; else the cheapest.
            budget: RLC that all its tasks together may cost; the client's own limit holds as well.
            beneficiary: Whose the result is; else yours.
            callback: A contract that gets the result.
            secrets: Names of yours that a confidential task is told, by number (``push_secret``).
            encrypt: Whether the result is for the beneficiary alone: see ``TaskResult.decrypt``.
            accept_simulated_tee: Let a confidential task run in enclaves that keep nothing secret.
            deposit: Move what the stake lacks from the wallet's RLC first.
            again: Also while the same purchase of this wallet is open.
            sponsor: Whose stake pays, and who sends the purchase; None: this wallet.

        Raises:
            PriceTooHigh: It costs more than a budget allows; nothing was paid.
            StakeTooLow: The stake does not cover it; says how much to deposit.
            SamePurchaseOpen: It is open, and was not to be bought again.
            SimulatedTee: A confidential task would run where nothing is kept secret.
            NoKeyForResults: It is to be encrypted, and the beneficiary has handed in no key.
            UnknownCategory, BadWish, UnfitParams, NoSuchImage, NothingFits, …: Nobody could do or
                sell it; nothing was paid.
            PasswordMissing, NoWalletNamed, NoDevnet: Settings are missing; the message says which.
        """
        requester = await self.spender()
        paying = await opened_sponsor(self._context, sponsor)
        terms = await terms_of(
            requester, args, dataset=dataset, inputs=inputs, hosts=hosts, trust=trust,
            category=category, tasks=tasks, tag=tag, pool=pool, beneficiary=beneficiary,
            callback=callback, encrypt=encrypt, secrets=secrets,
            accept_simulated_tee=accept_simulated_tee,
        )  # fmt: skip
        bought, name = None, None
        try:
            async with requester.spending():
                most = self.budget.left_for(None, amount_of(budget))
                target = self.target(image)
                wish = (await Session(requester).wish(target, **terms, budget=most)).wish
                name = wish.fingerprint
                bought = await self._purchases.buy(
                    requester, wish, amount_of(budget), deposit=deposit, again=again,
                    sponsor=paying,
                )  # fmt: skip
        except BaseException:
            if bought is not None and name is not None:
                self._purchases.keep(name, bought)
            raise
        return AsyncDealHandle(self, bought, name)

    async def bought_before(
        self, image: str | Address, args: str, *, deposit: bool = False, **terms: Any
    ) -> AsyncDealHandle | None:
        """Return the deal that exactly this call has bought, finished where it was begun.

        Args:
            image: As of ``run``.
            args: As of ``run``, and such as no other purchase has.
            deposit: As of ``run``.
            **terms: As of ``run``.

        Raises:
            StakeTooLow, …: As ``run``, where orders were signed and are still to be sent.
        """
        requester = await self.spender()
        made = await terms_of(requester, args, **terms)
        async with requester.spending():
            wish = (await Session(requester).wish(self.target(image), **made)).wish
            return await self._found(requester, wish, deposit=deposit)

    async def _found(
        self, requester: Requester, wish: Wish, *, deposit: bool
    ) -> AsyncDealHandle | None:
        if await begun_purchase(requester, wish.fingerprint) is not None:
            bought = await self._purchases.buy(requester, wish, None, deposit=deposit, again=True)
            return AsyncDealHandle(self, bought, wish.fingerprint)
        async with requester.wallet.open() as spending:
            owner = requester.wallet.address
            deal = await same_deal(spending.hub, wish, owner, spending.deals)
        return None if deal is None else AsyncDealHandle(self, Purchase(deal, None, resumed=True))

    def undelivered(self, handle: AsyncDealHandle) -> None:
        """Take back what nobody got, for its call was interrupted: the same call finds it."""
        if handle.name is not None:
            self._purchases.keep(handle.name, handle.purchase)

    async def attach(self, deal_id: str | DealId) -> AsyncDealHandle:
        """Return a handle on a deal that was bought before, by whatever program.

        Raises:
            NoSuchDeal: The hub has none of this id.
        """
        wanted = deal_id if isinstance(deal_id, DealId) else DealId.parse(deal_id)
        return AsyncDealHandle(self, Purchase(await (await self.requester()).deal(wanted), None))

    async def task(self, task_id: str | TaskId) -> AsyncTaskHandle:
        """Return a handle on a task, of whichever deal.

        Raises:
            NoSuchTask: Neither chain nor pool knows it.
        """
        requester = await self.requester()
        wanted = task_id if isinstance(task_id, TaskId) else TaskId.parse(task_id)
        found = await requester.look_at_task(wanted)
        news = found.tasks[0].news
        deal_id = news.deal_id if news else await requester.hub.task_deal(wanted)
        if deal_id is None:
            raise NoSuchTask(f"the deal of task {wanted} is not known: attach to the deal instead")
        for each in (await self.attach(deal_id)).tasks:
            if each.id == wanted:
                return each
        raise NoSuchTask(f"deal {deal_id}, of which the pool says that it has the task, has not")

    async def build_image(self, image: Image, file: str | Path) -> BuiltImage:
        """Build an image into a file that engines load; see ``ClientImages.build``."""
        return await ClientImages(self._context).build(image, file)

    async def push_image(self, image: Image, to: str) -> PublishedImage:
        """Build an image and push it; see ``ClientImages.push``."""
        return await ClientImages(self._context).push(image, to)

    async def deploy_image(self, image: Image, to: str, name: str = "") -> DeployedImage:
        """Build an image, push it, and register it as an app, once; see ``ClientImages.deploy``."""
        requester = await self.spender()
        return await ClientImages(self._context).deploy(requester, image, to, name)

    async def deploy_dataset(
        self, url: str, name: str = "", *, file: str | Path = "", checksum: bytes | None = None
    ) -> Deployed:
        """Register a dataset with its checksum, once.

        Args:
            url: Where workers download it: ``https://…`` or ``/ipfs/…``.
            name: On chain; empty: the file's.
            file: A local copy, of which the checksum is computed; empty: the URL is downloaded.
            checksum: SHA-256, where it is known (32 bytes).

        Raises:
            NoWallet, PasswordMissing: Nobody is there to sign.
            Refused, Unavailable: The URL is none, or cannot be downloaded; nothing was sent.
        """
        requester = await self.spender()
        copy = Path(file) if file else None
        return await requester.deploy_dataset(url, name, file=copy, checksum=checksum)

    async def push_secret(
        self,
        value: str,
        name: str = "",
        *,
        app: str | Address = "",
        dataset: str | Address = "",
        accept_simulated_tee: bool = False,
    ) -> None:
        """Push a secret, once: of this requester's runs by name, of an app, or a dataset's key.

        Raises:
            OneSecretMeant, BadSecretName, UnfitSecret: It is none, and was sent nowhere.
            SimulatedSecretsService: Simulated enclaves would be told it; accept that by name.
            NoSecretsService, SecretNotTaken, SecretsDown: See ``requester.own_secrets``.
        """
        requester = await self.spender()
        place = secret_place(name, app, dataset, requester.wallet.address)
        wallet = requester.wallet.signer
        await requester.secrets.push(place, value, wallet, accepts_simulated=accept_simulated_tee)

    async def has_secret(
        self, name: str = "", *, app: str | Address = "", dataset: str | Address = ""
    ) -> bool:
        """Tell whether a secret is there, named as ``push_secret`` does; raises as that."""
        requester = await (self.spender() if name else self.requester())
        owner = requester.wallet.address if name else ZERO_ADDRESS
        return await requester.secrets.has(secret_place(name, app, dataset, owner))

    async def requester(self) -> Requester:
        """Return what everything is done with; connects where it has not yet."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except BaseException:
            if opening.done() and self._opening is opening:
                self._opening = None  # the next call tries again
            raise

    async def spender(self) -> Requester:
        """Return the same, with a wallet; raises what keeps the wallet from being opened."""
        requester = await self.requester()
        try:
            _ = requester.wallet
        except NoWallet:
            self._context.settings(signing=True)
            raise
        return requester

    async def aclose(self) -> None:
        """Close the connections. Deals go on; a call after it connects anew."""
        await self.calls.end()
        serving, closing = self._serving, self._closing
        self._opening = self._serving = self._closing = None
        if closing is not None and serving is not None:
            closing.set()
            await serving

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.calls.close(clean=kind is None)
        await self.aclose()

    def target(self, image: str | Address) -> str | Address:
        """Return the full name of an image, or the address of an app."""
        if isinstance(image, Address):
            return image
        is_app = image.startswith(("0x", "0X"))
        return Address.parse(image) if is_app else self._context.image(image)

    async def _open(self) -> Requester:
        settings = self._context.settings(signing=self._context.can_sign)
        loop = asyncio.get_running_loop()
        ready, closing = loop.create_future(), asyncio.Event()
        serving = asyncio.create_task(_serve(self._opener, settings, ready, closing))
        self._serving, self._closing = serving, closing
        weakref.finalize(self, _let_go, loop, closing)
        requester: Requester = await ready
        requester.offered.connect(self._purchases.offered)
        return requester


async def _serve(
    opener: Opener,
    settings: RequesterSettings,
    ready: asyncio.Future[Requester],
    closing: asyncio.Event,
) -> None:
    """Keep a requester open until it is let go: opened and closed by one task."""
    try:
        async with opener(settings) as requester:
            ready.set_result(requester)
            await closing.wait()
    except Exception as fault:
        if ready.done():
            raise
        ready.set_exception(fault)


def _let_go(loop: asyncio.AbstractEventLoop, closing: asyncio.Event) -> None:
    """Close the connections of a client that nobody has any more."""
    with suppress(RuntimeError):  # the loop is closed, and with it the connections
        loop.call_soon_threadsafe(closing.set)
