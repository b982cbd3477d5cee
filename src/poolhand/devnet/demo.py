"""The demonstration: two real computations are bought in the market and travel a devnet.

Everything in the report is read from the chain after the fact, but for the replicates' statuses,
which are the pool's.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from poolhand.devnet.examples import FRACTAL, WORD_STATISTICS, example_apps, example_image
from poolhand.devnet.info import DevnetInfo
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.deal import Deal
from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import HubEvent
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.requester.main import open_requester
from poolhand.requester.requester import Requester
from poolhand.requester.watching import Progress
from poolhand.requester.wish import Wish
from poolhand.settings.chain import ChainSettings
from poolhand.settings.requester import RequesterSettings
from poolhand.transport.market_client import MarketClient

Show = Callable[[str, Progress], None]
FOR_SALE: Final = 60.0
"""Seconds in which a pool with workers puts itself up for sale, on a busy machine, too."""
PAUSE_BETWEEN_DEMO_LOOKS: Final = 0.3
"""Seconds between two looks at the market."""


class PoolNotForSale(Unavailable):
    """The devnet's pool did not put itself up for sale."""

    def __init__(self, market: str, pool: Address, trust: Trust) -> None:
        super().__init__(
            f"workerpool {pool} sells no task of trust {trust} in the market at {market}: "
            "`poolhand pool orders` says why; a devnet needs 4 workers for it"
        )


@dataclass(frozen=True, slots=True)
class DemoTransaction:
    """One transaction of a task: what it did, who sent it, gas and price (wei per gas)."""

    what: str
    sender: str
    tx: str
    block: int
    gas: int
    gas_price: int


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One task from order to reward."""

    name: str
    members: Mapping[str, Any]
    transactions: tuple[DemoTransaction, ...]


@dataclass(frozen=True, slots=True)
class Money:
    """RLC of one account: free stake, locked stake, outside the hub (nRLC)."""

    stake: NanoRlc
    locked: NanoRlc
    wallet: NanoRlc

    @property
    def total(self) -> NanoRlc:
        """All of it."""
        return NanoRlc(self.stake + self.locked + self.wallet)


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demonstration came to."""

    info: DevnetInfo
    tasks: tuple[TaskReport, ...]
    before: Mapping[str, Money]
    after: Mapping[str, Money]
    kitty: NanoRlc = field(default=NanoRlc(0))

    @property
    def conserved(self) -> bool:
        """Whether not one nRLC was made or lost."""
        return _sum(self.before) == _sum(self.after) + self.kitty

    def dump(self) -> dict[str, Any]:
        """Return the object of ``poolhand demo --json`` (amounts in nRLC)."""
        return {
            "tasks": [dict(task.members) for task in self.tasks],
            "balances": {
                name: {
                    "stake": money.stake,
                    "locked": money.locked,
                    "wallet": money.wallet,
                    "change": money.total - self.before[name].total,
                }
                for name, money in self.after.items()
            },
            "kitty": self.kitty,
            "conserved": self.conserved,
            "rpc_url": self.info.rpc_url,
            "hub": self.info.hub,
        }


def requester_settings(
    info: DevnetInfo, home: Path, account: str = "requester"
) -> RequesterSettings:
    """Return the settings of a devnet's requester."""
    who = info.accounts[account]
    return RequesterSettings(
        chain=ChainSettings(
            rpc_urls=(info.rpc_url.replace("http://", "ws://"), info.rpc_url),
            hub=Address.parse(info.hub),
            chain_id=info.chain_id,
        ),
        wallet=who.keystore,
        password=Path(who.password_file).read_text(encoding="utf-8").strip(),
        pool_url=info.pool_url,
        results_url=info.results_url,
        state=home / "requester",
        locks=home / "locks",
    )


async def demonstrate(
    info: DevnetInfo, home: Path, progress: Callable[[str], None], show: Show
) -> DemoReport:
    """Run one task with trust 10 and one with trust 1 on a running devnet.

    Args:
        info: Of the devnet.
        home: Its folder; results are put below ``demo``.
        progress: Called with a line for people at every step.
        show: Called with a name and a snapshot whenever a task moves.
    """
    settings = requester_settings(info, home)
    async with open_requester(
        replace(settings, pool_url=None, market_url=info.market_url)
    ) as buyer:
        before, pool = await _money(buyer, info), Address.parse(info.workerpool)
        progress("registering apps and dataset on chain")
        wishes = {
            WORD_STATISTICS: await _words(buyer, info),
            FRACTAL: Wish(await _app(buyer, info, FRACTAL), args="--seed 7", workerpool=pool),
        }
        progress(f"waiting until the pool is for sale in the market at {info.market_url}")
        await for_sale(buyer.market, pool, wishes[WORD_STATISTICS].trust)
        progress("buying there: signing and matching orders")
        deals = {name: (await buyer.buy(wish)).deal for name, wish in wishes.items()}
    async with open_requester(settings) as requester:
        followed = (_follow(requester, name, deal, show) for name, deal in deals.items())
        ends = dict(zip(deals, await asyncio.gather(*followed), strict=True))
        progress("downloading the results and checking them against the chain")
        reports = [
            await _report(requester, info, home / "demo", name, deals[name], ends[name])
            for name in deals
        ]
        after, kitty = await _money(requester, info), await requester.hub.kitty()
        return DemoReport(info, tuple(reports), before, after, kitty)


async def for_sale(market: MarketClient, pool: Address, trust: Trust) -> None:
    """Wait until a market has an order of a pool that sells a trust in the shortest category.

    Raises:
        PoolNotForSale: It has none for a long time.
        MarketDown: The market does not answer.
    """
    wanted = BookFilter(
        OrderSort.WORKERPOOL, {"workerpool": (pool,)}, category=0, min_trust=trust, min_volume=1
    )
    try:
        async with asyncio.timeout(FOR_SALE):
            while not (await market.orders(wanted)).orders:  # noqa: ASYNC110 - a market tells nobody
                await asyncio.sleep(PAUSE_BETWEEN_DEMO_LOOKS)
    except TimeoutError:
        raise PoolNotForSale(market.url, pool, trust) from None


async def _words(requester: Requester, info: DevnetInfo) -> Wish:
    source = next((example_apps() / WORD_STATISTICS / "data").glob("*.txt"))
    file = Path(info.files) / source.name
    shutil.copyfile(source, file)
    url = f"{info.files_url}/{source.name}"
    dataset = await requester.deploy_dataset(url, source.stem, file=file)
    app = await _app(requester, info, WORD_STATISTICS)
    pool = Address.parse(info.workerpool)
    return Wish(app, dataset=dataset.address, args="--top 5", trust=Trust(10), workerpool=pool)


async def _app(requester: Requester, info: DevnetInfo, name: str) -> Address:
    deployed = await requester.deploy_app(example_image(info.registry, name), name)
    return deployed.address


async def _follow(requester: Requester, name: str, deal: Deal, show: Show) -> Progress:
    last = None
    watch = await requester.watch_of_deal(deal)
    async for last in watch.follow_deal(deal):
        show(name, last)
    assert last is not None
    return last


async def _report(
    requester: Requester, info: DevnetInfo, folder: Path, name: str, deal: Deal, end: Progress
) -> TaskReport:
    task = end.tasks[0]
    result = await requester.download(task.task_id, folder, unpack=_is_new(folder, task.task_id))
    replicates = task.news.replicates if task.news else ()
    events = await requester.hub.task_events(task.task_id, BlockNumber(0))
    async with NodeRpc(info.rpc_url) as rpc:
        transactions = await _transactions(rpc, events)
        timeline = await _timeline(rpc, deal, events)
    members = {
        "name": name,
        "task_id": str(task.task_id),
        "deal_id": str(deal.deal_id),
        "trust": deal.trust,
        "flow": task.news.flow if task.news else None,
        "status": str(task.status),
        "replicates": [
            {"worker": str(each.worker), "status": str(each.status)} for each in replicates
        ],
        "consensus": str(task.view.consensus),
        "result_digest": str(task.view.digest),
        "result_path": str(result.archive),
        "result_folder": str(folder / str(task.task_id)),
        "timeline": timeline,
        "transactions": [each.tx for each in transactions],
    }
    return TaskReport(name, members, transactions)


def _is_new(folder: Path, task_id: TaskId) -> bool:
    return not (folder / str(task_id)).exists()


async def _transactions(rpc: NodeRpc, events: Iterable[HubEvent]) -> tuple[DemoTransaction, ...]:
    """Read the receipts of a task's transactions, in order."""
    names: dict[TxHash, list[str]] = {}
    for event in events:
        names.setdefault(event.tx_hash, []).append(event.kind.removeprefix("Task").lower())
    found = []
    for tx, kinds in names.items():
        receipt = await rpc.call("eth_getTransactionReceipt", str(tx))
        found.append(
            DemoTransaction(
                " + ".join(kinds),
                receipt["from"],
                str(tx),
                int(receipt["blockNumber"], 16),
                int(receipt["gasUsed"], 16),
                int(receipt["effectiveGasPrice"], 16),
            )
        )
    return tuple(found)


async def _timeline(rpc: NodeRpc, deal: Deal, events: Iterable[HubEvent]) -> dict[str, Any]:
    """Return block time by what happened (Unix seconds), and the seconds in all."""
    times: dict[str, int] = {"deal": deal.start_time}
    for event in events:
        block = await rpc.call("eth_getBlockByNumber", hex(event.block), False)
        times[event.kind] = int(block["timestamp"], 16)
    return {**times, "seconds": max(times.values()) - deal.start_time}


async def _money(requester: Requester, info: DevnetInfo) -> dict[str, Money]:
    owners = {name: Address.parse(each.address) for name, each in info.accounts.items()}
    accounts = await requester.hub.accounts(owners.values())
    outside = await requester.hub.rlc_balances(owners.values())
    return {
        name: Money(accounts[owner].stake, accounts[owner].locked, outside[owner])
        for name, owner in owners.items()
    }


def _sum(money: Mapping[str, Money]) -> int:
    return sum(each.total for each in money.values())
