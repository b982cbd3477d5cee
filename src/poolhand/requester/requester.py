"""A requester: everything one buys computation with, over ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from poolhand.chain.account_earnings import Earnings, earnings_of
from poolhand.containers.docker_logins import RegistryLogins
from poolhand.domain.deal import App, Dataset, Deal, Workerpool
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, DealId, OrderHash, TaskId
from poolhand.domain.onchain import (
    Call,
    ChainTaskStatus,
    ChangePolicy,
    CreateWorkerpool,
    Deposit,
    Receipt,
    TransferCoin,
    TransferRlc,
    Withdraw,
)
from poolhand.domain.orders.choosing import Bundle
from poolhand.domain.orders.model import Signed
from poolhand.domain.signal import Signal
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock, Entropy
from poolhand.requester import claims, results
from poolhand.requester.assets import Deployed, app_of, dataset_of, deploy
from poolhand.requester.balances import Balances
from poolhand.requester.buying import Buyer, Purchase
from poolhand.requester.checking import OrderState, order_state
from poolhand.requester.claims import Claimed, TaskPlaces
from poolhand.requester.history import TaskHistory, history
from poolhand.requester.image_labels import ImageLabels
from poolhand.requester.listing import Bought, bought_by
from poolhand.requester.named_urls import UrlRule
from poolhand.requester.output import OutputReader
from poolhand.requester.own_secrets import OwnSecrets
from poolhand.requester.registry import demand_runnable
from poolhand.requester.remembered import RememberedDeals
from poolhand.requester.result_places import NoResultsService, ResultPlaces
from poolhand.requester.results import Result, ResultsSource
from poolhand.requester.sellers import Sellers, demanded, registered
from poolhand.requester.selling import OrderStanding, Selling, standing
from poolhand.requester.spending_wallet import ChainAccess, Connect, SpendingWallet
from poolhand.requester.stakes import STAKES_LOOKBACK, Stakes, stakes_of
from poolhand.requester.watching import Progress, TaskProgress, Watch
from poolhand.requester.whose_pool import Inquiry, PoolFinder
from poolhand.requester.wish import Wish
from poolhand.settings.requester import RequesterSettings
from poolhand.transport.addresses import Resolver, resolve
from poolhand.transport.input_client import InputStation
from poolhand.transport.market_client import MarketClient
from poolhand.transport.pool_client import PoolClient
from poolhand.transport.results_client import ResultMissing, ResultsDown


class NoWallet(Refused):
    """Something has to be signed, and no wallet was named."""


class NoSuchDeal(Refused):
    """The hub has no such deal."""


class NoSuchTask(Refused):
    """Nobody knows this task."""


class NoPoolNamed(Refused):
    """A workerpool has to be asked and nobody said where it is."""


class Requester:
    """Buys computation for one wallet; without a wallet it only reads.

    Args:
        chain: For reading and watching.
        connect: Connects anew, to spend.
        http: For registries, pools and results.
        settings: As given.
        wallet: Signs and pays; None to read only.
        clock, entropy: Time and chance.
        archives: Downloads results.
        resolver: Asked for hosts that only the chain names.

    Attributes:
        offered: Told of each offer what it would cost, before anything is signed.
        labels: What images say of themselves.
        secrets: Where secrets are, and whether they are there.
    """

    def __init__(
        self,
        chain: ChainAccess,
        connect: Connect,
        http: httpx.AsyncClient,
        settings: RequesterSettings,
        wallet: Wallet | None,
        clock: Clock,
        entropy: Entropy,
        archives: ResultsSource,
        resolver: Resolver = resolve,
    ) -> None:
        self._chain, self._http, self._settings = chain, http, settings
        self._clock, self._entropy, self._archives = clock, entropy, archives
        self._rule = UrlRule(resolver, settings.chain.rpc_urls)
        self._logins = RegistryLogins(config=settings.docker_config)
        self._spending: Callable[[Wallet], SpendingWallet] = lambda key: SpendingWallet(
            connect, key, settings.state, settings.locks, clock
        )
        self._wallet = self._spending(wallet) if wallet else None
        self.pool = PoolClient(http, settings.pool_url) if settings.pool_url else None
        url, domain = settings.market_url, chain.hub.facts.domain
        self._market = MarketClient(http, url, domain) if url else None
        self.offered: Signal[Bundle, Wish] = Signal()
        self._places = ResultPlaces(self._rule, settings.results_url, self.pool)
        self.secrets = OwnSecrets(self._rule, http, settings.sms_url, self.pool)
        self._finder = PoolFinder(chain.hub, http, self.pool, self._market, self._rule)
        self.labels = ImageLabels(http, chain.hub, self._logins.of, self._rule.allows)

    @property
    def hub(self) -> Hub:
        """The chain's reads."""
        return self._chain.hub

    @property
    def wallet(self) -> SpendingWallet:
        """The wallet; raises NoWallet."""
        if self._wallet is None:
            raise NoWallet("this must be signed: name a wallet with --wallet (or $POOLHAND_WALLET)")
        return self._wallet

    @property
    def watch(self) -> Watch:
        """Follows tasks, and asks the pool that was named about them; a new one each time."""
        return self._watch(Inquiry(self.pool))

    async def balances(self, owner: Address | None = None) -> Balances:
        """Return what an account has, ours when None."""
        who = owner or self.wallet.address
        accounts = await self.hub.accounts([who])
        rlc, coin = await self.hub.rlc_balances([who]), await self.hub.coin_balances([who])
        return Balances(who, accounts[who], rlc[who], coin[who])

    async def deposit(self, amount: NanoRlc) -> Receipt:
        """Turn RLC into stake; raises BalanceTooLow."""
        return await self._send("deposit", Deposit(amount))

    async def withdraw(self, amount: NanoRlc) -> Receipt:
        """Turn free stake into RLC; raises BalanceTooLow."""
        return await self._send("withdraw", Withdraw(amount))

    async def pay(self, call: TransferRlc | TransferCoin) -> Receipt:
        """Send RLC or coin; raises BalanceTooLow, OutOfGas."""
        return await self._send("pay", call)

    async def _send(self, kind: str, call: Call) -> Receipt:
        """Send something that is meant each time it is asked for; see ``Intentions``."""
        async with self.wallet.open() as spending:
            return await spending.intentions.carry_out(kind, call, self._entropy.bytes(8))

    def spending(self) -> AbstractAsyncContextManager[object]:
        """Hold the wallet over several steps, so that each sees what the last one did."""
        return self.wallet.open()

    async def deploy_app(self, image: str, name: str = "", wish: Wish | None = None) -> Deployed:
        """Register the app of an image, once; not where the pool would not sell the ``wish``."""
        wallet = self.wallet
        wanted, login_of = self._settings.platforms, self._logins.of
        asset = await app_of(self._http, wallet.address, image, name, wanted, login_of)
        before = None if wish is None else partial(self._buyer(False).ask, wish)
        return await deploy(wallet, asset, before)

    def _buyer(self, by_signature: bool | None = None, sponsor: Wallet | None = None) -> Buyer:
        sellers = Sellers(self.pool, self._market, self._settings.pool_first, by_signature)
        if paying := (self._spending(sponsor) if sponsor else None):
            paying.busy.connect(self.wallet.busy)
        tools = self.wallet, self._entropy, self._clock, sellers, self._finder
        return Buyer(*tools, self.offered, paying)

    @property
    def market(self) -> MarketClient:
        """The market; raises NoMarketNamed."""
        return demanded(self._market)

    async def _demand_runnable(self, app: Address) -> None:
        """Refuse an app whose image surely runs on no worker, where that may be looked at."""
        if (found := await self.hub.app(app)) is not None:
            wanted, rule = self._settings.platforms, self._rule.allows
            await demand_runnable(self._http, found, wanted, self._logins.of, rule)

    async def deploy_dataset(
        self,
        location: str,
        name: str = "",
        *,
        file: Path | None = None,
        checksum: bytes | None = None,
    ) -> Deployed:
        """Register a dataset, once."""
        asset = await dataset_of(
            self._http, self.wallet.address, location, name, file=file, checksum=checksum
        )
        return await deploy(self.wallet, asset)

    async def create_pool(
        self, description: str, worker_stake: int | None = None, scheduler_share: int | None = None
    ) -> Deployed:
        """Register a workerpool, once, and set what is given of its policy (percent)."""
        wallet = self.wallet
        async with wallet.open() as spending:
            deployed = await deploy(wallet, CreateWorkerpool(wallet.address, description))
            at = deployed.address
            pool = registered(await spending.hub.workerpool(at), "pool", at)
            wanted = (
                pool.worker_stake_percent if worker_stake is None else worker_stake,
                pool.scheduler_percent if scheduler_share is None else scheduler_share,
            )
            if wanted != (pool.worker_stake_percent, pool.scheduler_percent):
                await self._send("policy", ChangePolicy(pool.address, *wanted))
        return deployed

    async def buy(
        self,
        wish: Wish,
        *,
        deposit: bool = False,
        again: bool = True,
        by_signature: bool | None = False,
        sponsor: Wallet | None = None,
    ) -> Purchase:
        """Buy computation, see ``Buyer.buy``; a ``sponsor`` pays and sends: then no pool does."""
        await self._demand_runnable(wish.app)
        await self._places.demand_key(self._http, wish, self.wallet.address)
        await self.secrets.demand(wish, self.wallet.address)
        buyer = self._buyer(by_signature, sponsor)
        return await buyer.buy(wish, deposit=deposit, again=again)

    async def deal(self, deal_id: DealId) -> Deal:
        """Return a deal; raises NoSuchDeal."""
        if (found := await self.hub.deal(deal_id)) is None:
            raise NoSuchDeal(f"hub {self.hub.facts.hub} has no deal {deal_id}: correct the id")
        return found

    async def look(self, deal: Deal) -> Progress:
        """Return how a deal's tasks stand now."""
        return await (await self.watch_of_deal(deal)).look_deal(deal)

    async def watch_of_deal(self, deal: Deal) -> Watch:
        """Return a watch that asks the deal's pool, named or found by chain or market."""
        return self._watch(await self._finder.find(deal.workerpool.address))

    async def watch_of(self, task_id: TaskId) -> Watch:
        """Return a watch that asks the pool of one task, named or found by chain or market."""
        return self._watch(await self._finder.of_task(task_id))

    def _watch(self, found: Inquiry) -> Watch:
        return Watch(self.hub, self._chain.watcher, self._clock, found.pool)

    async def look_at_task(self, task_id: TaskId) -> Progress:
        """Return how one task stands now; raises NoSuchTask if neither chain nor pool knows it."""
        progress = await (await self.watch_of(task_id)).look({task_id: 0})
        task = progress.tasks[0]
        if task.news is None and task.view.status is ChainTaskStatus.UNSET:
            raise NoSuchTask(
                f"task {task_id} is not on chain, and no pool knows it: correct the id, or look "
                "at its deal with `poolhand deal show`"
            )
        if task.deadline is None and task.news is not None:
            deal = await self.hub.deal(task.news.deal_id)
            return await self._with_deadline(progress, deal) if deal else progress
        return progress

    async def _with_deadline(self, progress: Progress, deal: Deal) -> Progress:
        """Add the final deadline, which the chain does not tell of tasks that it does not have."""
        final = (await self.hub.categories())[deal.category].final_deadline(deal.start_time)
        return Progress(tuple(replace(task, deadline=final) for task in progress.tasks))

    async def app(self, address: Address) -> App:
        """Return a registered app; raises NoSuchAsset."""
        return registered(await self.hub.app(address), "app", address)

    async def dataset(self, address: Address) -> Dataset:
        """Return a registered dataset; raises NoSuchAsset."""
        return registered(await self.hub.dataset(address), "dataset", address)

    async def workerpool(self, address: Address) -> Workerpool:
        """Return a registered workerpool; raises NoSuchAsset."""
        return registered(await self.hub.workerpool(address), "workerpool", address)

    async def order_state(self, signed: Signed[Any]) -> OrderState:
        """Check one order against the chain."""
        return await order_state(self.hub, signed)

    @property
    def selling(self) -> Selling:
        """What this wallet sells."""
        return Selling(self.hub, self.wallet, self._entropy)

    async def standing(self, order: Signed[Any] | OrderHash) -> OrderStanding:
        """Return how an order stands; see ``selling.standing``."""
        return await standing(self.hub, order, self._market)

    async def download(self, task_id: TaskId, folder: Path, *, unpack: bool = False) -> Result:
        """Fetch and check a result; see ``ResultPlaces.locations`` and ``results.download``."""
        view = await results.completed(self.hub, task_id)
        (*others, last) = await self._places.locations(view)
        for each in others:
            with suppress(ResultMissing, ResultsDown):
                return await results.download(view, self._archives, each, folder, unpack=unpack)
        return await results.download(view, self._archives, last, folder, unpack=unpack)

    async def inputs(self, at: str | None = None) -> InputStation:
        """Return where files for workers are left; raises NoResultsService.

        Args:
            at: URL of the results service; None: that of the settings, or of the pool.
        """
        url = at or await self._places.service()
        if url is None:
            raise NoResultsService("where are files left for workers? Give --results-url")
        return InputStation(self._http, url, self.wallet.signer, self.hub.facts, self._clock)

    async def logs(self, task_id: TaskId) -> Mapping[Address, tuple[str, str]]:
        """Return what the app printed on each worker; raises as ``OutputReader.logs``."""
        return await (await self.output_reader(task_id)).logs(task_id)

    async def output_reader(self, task_id: TaskId, deal: Deal | None = None) -> OutputReader:
        """Return who reads what a task prints; raises NoPoolNamed."""
        places = self._finder
        found = await (places.find(deal.workerpool.address) if deal else places.of_task(task_id))
        if found.pool is None:
            raise NoPoolNamed(found.silence)
        config = found.config or await found.pool.config()
        signer = self._wallet.signer if self._wallet else None
        facts, is_bought = self.hub.facts, deal is not None
        return OutputReader(found.pool, config.workerpool, facts, signer, self._clock, is_bought)

    async def history(self, task: TaskProgress) -> TaskHistory:
        """Return what the chain tells of a task; see ``history.history``."""
        found = await history(self.hub, task)
        if task.news is not None:
            return found
        asked = await self._finder.of_task(task.task_id)
        return replace(found, silence=asked.silence)

    async def bought(
        self, owner: Address, wanted: int, *, lookback: int, only_open: bool = False
    ) -> Bought:
        """Return the newest deals of an account; see ``listing.bought_by``."""
        known = RememberedDeals.of(self._settings.state, self.hub.facts, owner)
        return await bought_by(
            self.hub, owner, known, wanted, lookback=lookback, only_open=only_open
        )

    async def earnings(self, owner: Address, lookback: int) -> Earnings:
        """Return what an account earned, lost and spent; see ``chain.account_earnings``."""
        return await earnings_of(self.hub, owner, lookback)

    async def stakes(self, owner: Address | None = None, lookback: int = STAKES_LOOKBACK) -> Stakes:
        """Return what an account has locked, ours when None; see ``stakes.stakes_of``."""
        return await stakes_of(self.hub, owner or self.wallet.address, lookback)

    async def claim_task(self, task_id: TaskId) -> Claimed:
        """Get the price of an unfinished task back; see ``claims.claim_task``."""
        return await claims.claim_task(self.wallet, self._clock, task_id)

    async def claim_deal(self, deal_id: DealId) -> Claimed:
        """Get the price of every unfinished task of a deal back; see ``claims.claim_deal``."""
        return await claims.claim_deal(self.wallet, self._clock, await self.deal(deal_id))

    async def claim_late(self, progress: Progress, deal: Deal | None = None) -> Claimed:
        """Claim the tasks that ran out of time; of one never put on chain the deal must be known.

        Raises:
            Reverted, OutOfGas, ChainUnreachable, WalletInUse: See ``claims.claim``.
        """
        return await self._claim(claims.late_places(progress, deal))

    async def claim_all(self, lookback: int = STAKES_LOOKBACK) -> Claimed:
        """Claim every task past its final deadline that owes this wallet something back.

        That is the price of what it bought, and the stake of what it contributed. A pool owner
        only loses by a claim, so tasks of its pools are not claimed for that alone.
        """
        return await self._claim((await self.stakes(lookback=lookback)).due_places)

    async def _claim(self, places: TaskPlaces) -> Claimed:
        return await claims.claim(self.wallet, self._clock, places) if places else Claimed()
