"""``poolhand order``: signed orders, in files, in a market and on chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.order_files import (
    any_order,
    order_or_hash,
    write_order,
)
from poolhand.cli.selling import (
    OnlyApp,
    OnlyDataset,
    OnlyPool,
    OnlyRequester,
    PriceOption,
    SellingTagOption,
    VolumeOption,
    only_of,
    tag_of,
)
from poolhand.cli.verb import Answer, noun, verb
from poolhand.devnet.info import NoDevnet
from poolhand.domain.errors import ChainUnreachable, Refused
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.trust import Trust
from poolhand.domain.units import parse_rlc
from poolhand.settings.load import BadSetting

if TYPE_CHECKING:
    from poolhand.domain.orders.model import Signed
    from poolhand.requester.requester import Requester
    from poolhand.requester.selling import OrderStanding

app = noun("Sign orders, sell by them, take them back, cancel them.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="One signed order, JSON.")]
OrderArgument = Annotated[
    str,
    typer.Argument(metavar="FILE|HASH", help="A signed order, or the hash of one in a market."),
]
OrderKindArgument = Annotated[str, typer.Argument(metavar="KIND", help="app, dataset or pool.")]
AddressWord = Annotated[str, typer.Argument(metavar="ADDRESS", help="What is sold.")]
OutputOption = Annotated[
    str, typer.Option("--output", metavar="FILE", help="A new file for the order.")
]
SoldCategory = Annotated[
    int,
    typer.Option(
        "--category",
        min=0,
        metavar="N",
        help="Of a pool: of running time; 0 is up to 5 minutes.",
    ),
]
SoldTrust = Annotated[
    int, typer.Option("--trust", min=0, metavar="N", help="Of a pool: the highest that it sells.")
]
WantedCategory = Annotated[
    int,
    typer.Option("--category", min=0, metavar="N", help="Of running time: 0 is up to 5 minutes."),
]
WantedTrust = Annotated[
    int,
    typer.Option(
        "--trust",
        min=0,
        metavar="N",
        help="Wanted confidence 1 - 1/N: 10 needs four agreeing workers.",
    ),
]
RequestedApp = Annotated[str, typer.Argument(metavar="APP", help="The address of an app.")]
AppArgs = Annotated[str, typer.Option("--args", metavar="TEXT", help="Command line of the app.")]
DatasetOption = Annotated[str, typer.Option(metavar="ADDRESS", help="A dataset.")]
TasksOption = Annotated[int, typer.Option(min=1, metavar="N", help="How many equal tasks.")]
MostForApp = Annotated[str, typer.Option(metavar="RLC", help="Most for the app, of one task.")]
MostForDataset = Annotated[str, typer.Option(metavar="RLC", help="Most for the dataset.")]
MostForPool = Annotated[str, typer.Option(metavar="RLC", help="Most for the workerpool.")]
OwnerOption = Annotated[str, typer.Option("--owner", metavar="ADDRESS", help="Whose. [yours]")]
FEW_TASKS = 10
"""Tasks whose ids people are told."""
EXAMPLE_HASH = f"0x{'3d' * 32}"


class NoSuchKind(Refused):
    """There is no such kind of order."""


@verb(
    app,
    "create",
    example=(
        "poolhand order create app 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd --price 0.5 "
        "--output app-order.json"
    ),
)
async def create(
    command: CommandRun,
    kind: OrderKindArgument,
    address: AddressWord,
    price: PriceOption = "0",
    volume: VolumeOption = 1_000_000,
    tag: SellingTagOption = None,
    category: SoldCategory = 0,
    trust: SoldTrust = 1,
    only_app: OnlyApp = "",
    only_dataset: OnlyDataset = "",
    only_pool: OnlyPool = "",
    only_requester: OnlyRequester = "",
    output: OutputOption = "",
) -> Answer:
    """Sign an order that sells your app, dataset or workerpool; nothing is published or sent.

    Give the file to whom you like, or to `poolhand order publish`.
    """
    from poolhand.cli.orders_page import ORDER_KINDS, order_rows
    from poolhand.cli.render import pairs
    from poolhand.requester.selling import SaleTerms
    from poolhand.wire.order_json import encode_order

    if kind not in ("app", "dataset", "pool"):
        raise NoSuchKind(f"'{kind}' is not sold: write app, dataset or pool")
    limits = {"app": only_app, "dataset": only_dataset}
    only = only_of(**limits, workerpool=only_pool, requester=only_requester)
    terms = SaleTerms(parse_rlc(price), volume, tag_of(tag or ()), only, category, Trust(trust))
    async with command.requester(signing=True) as requester:
        signed = await requester.selling.offer(ORDER_KINDS[kind], Address.parse(address), terms)
    if output:
        write_order(signed, output)
    members = encode_order(signed)
    rows = (*order_rows(members), ("file", output or None))
    return Answer(members, lambda: pairs(rows))


@verb(
    app,
    "request",
    example=(
        "poolhand order request 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd --pool-price 2 "
        "--output request.json"
    ),
)
async def request(
    command: CommandRun,
    address: RequestedApp,
    args: AppArgs = "",
    dataset: DatasetOption = "",
    tasks: TasksOption = 1,
    trust: WantedTrust = 1,
    category: WantedCategory = 0,
    tag: SellingTagOption = None,
    only_pool: OnlyPool = "",
    app_price: MostForApp = "0",
    dataset_price: MostForDataset = "0",
    pool_price: MostForPool = "0",
    output: OutputOption = "",
) -> Answer:
    """Sign a request for a computation; nothing is published, sent or paid.

    Whoever has it may match it and pays the gas: publish it (`poolhand order publish`), and a
    matcher or a pool does. Deal and tasks have their ids already. You need RLC on your account,
    and no coin.
    """
    from poolhand.cli.orders_page import order_rows
    from poolhand.cli.render import pairs
    from poolhand.domain.hashes import deal_id, task_id
    from poolhand.requester.selling import MaxPrices
    from poolhand.requester.wish import Wish
    from poolhand.wire.order_json import encode_order

    wish = Wish(
        Address.parse(address),
        dataset=Address.parse(dataset) if dataset else ZERO_ADDRESS,
        args=args,
        tasks=tasks,
        trust=Trust(trust),
        category=category,
        tag=tag_of(tag or ()),
        workerpool=Address.parse(only_pool) if only_pool else ZERO_ADDRESS,
    )
    most = MaxPrices(*map(parse_rlc, (app_price, dataset_price, pool_price)))
    async with command.requester(signing=True) as requester:
        signed = requester.selling.request(wish, most)
        name = (await requester.order_state(signed)).order_hash
    if output:
        write_order(signed, output)
    deal = deal_id(name, 0)
    ids = [str(task_id(deal, index)) for index in range(tasks)]
    told = encode_order(signed)
    members = {**told, "hash": str(name), "deal_id": str(deal), "task_ids": ids}
    rows = (
        *order_rows(told),
        ("deal, once matched", deal),
        *_tasks(ids),
        ("file", output or None),
    )
    return Answer(members, lambda: pairs(rows))


def _tasks(ids: list[str]) -> list[tuple[str, str]]:
    """Return the first tasks as rows, and where the others are told."""
    rows = [(f"task {index}", each) for index, each in enumerate(ids[:FEW_TASKS])]
    left = len(ids) - len(rows)
    return [*rows, ("more tasks", f"{left}: --json tells all")] if left else rows


@verb(app, "publish", example="poolhand order publish app-order.json")
async def publish(command: CommandRun, file: FileArgument) -> Answer:
    """Put a signed order of yours into the market; one that is there already stays."""
    from poolhand.cli.orders_page import published_answer

    signed = any_order(file)
    async with command.requester(signing=True) as requester:
        return published_answer(await requester.selling.publish(signed, requester.market))


@verb(app, "unpublish", example=f"poolhand order unpublish {EXAMPLE_HASH}")
async def unpublish(command: CommandRun, order: OrderArgument) -> Answer:
    """Take an order of yours out of the market; it is still valid on chain until cancelled."""
    from poolhand.cli.orders_page import unpublished_answer

    named = order_or_hash(order)
    async with command.requester(signing=True) as requester:
        standing = await requester.standing(named)
        name = await requester.selling.unpublish(standing, requester.market)
    return unpublished_answer([name])


@verb(app, "cancel", example="poolhand order cancel app-order.json")
async def cancel(command: CommandRun, order: OrderArgument) -> Answer:
    """Cancel an order of yours on chain, for good: nobody can use it any more, wherever he has it.

    The market takes it out by itself, once it has seen the block. One that is used up or cancelled
    already costs nothing: no transaction is sent.
    """
    from poolhand.cli.render import pairs, receipt_members, receipt_row

    named = order_or_hash(order)
    async with command.requester(signing=True) as requester:
        standing = await requester.standing(named)
        receipt = await requester.selling.cancel(standing.signed.order, standing.state.left)
        after = await requester.standing(standing.signed)
    members = {
        "hash": str(after.state.order_hash),
        "left_on_chain": after.state.left,
        "standing": after.words,
        "transaction": receipt_members(receipt),
    }
    rows = (("order", after.state.order_hash), ("standing", after.words))
    return Answer(members, lambda: pairs((*rows, ("transaction", receipt_row(receipt)))))


@verb(app, "list", example="poolhand order list")
async def list_(command: CommandRun, owner: OwnerOption = "") -> Answer:
    """List what you have for sale in the market, your requests among it."""
    from poolhand.cli.orders_page import orders_answer
    from poolhand.requester.selling import open_orders_of

    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        return orders_answer(await open_orders_of(requester.market, who))


@verb(app, "show", example="poolhand order show app-order.json")
async def show(command: CommandRun, order: OrderArgument) -> Answer:
    """Show what a signed order says, and how it stands on chain and in the market.

    A file is shown even where no chain is named or answers; `standing` says then why.
    """
    from poolhand.cli.orders_page import order_rows, signed_members, standing_members
    from poolhand.cli.render import pairs

    named = order_or_hash(order)
    told: dict[str, Any]
    try:
        async with command.requester() as requester:
            if isinstance(named, OrderHash):
                told = standing_members(await requester.standing(named))
            else:
                found, words = await _standing(requester, named)
                told = {**standing_members(found), "standing": words}
    except (ChainUnreachable, BadSetting, NoDevnet) as fault:
        if isinstance(named, OrderHash):
            raise
        told = {**signed_members(named), "standing": str(fault)}
    return Answer(told, lambda: pairs(order_rows(told)))


@verb(app, "check", example="poolhand order check app-order.json")
async def check(command: CommandRun, file: FileArgument) -> Answer:
    """Check an order against the chain: its hash, who signed it, what is left of it.

    Where a market is named, it also tells whether the order is in it: what was taken out of it is
    still valid on chain until cancelled.
    """
    from poolhand.cli.orders_page import order_rows
    from poolhand.cli.render import pairs

    signed = any_order(file)
    async with command.requester() as requester:
        found, standing = await _standing(requester, signed)
    state = found.state
    members: dict[str, Any] = {
        "hash": str(state.order_hash),
        "owner": str(state.owner) if state.owner else None,
        "signed_by_owner": state.signed_by_owner,
        "volume": signed.order.volume,
        "left": state.left,
        "usable": state.usable,
        "standing": standing,
    }
    return Answer(members, lambda: pairs(order_rows(members)))


async def _standing(requester: Requester, signed: Signed[Any]) -> tuple[OrderStanding, str]:
    """Return how an order stands, and in words; where the market is away, as the chain has it."""
    from poolhand.requester.selling import OrderStanding
    from poolhand.transport.market_faults import MarketDown

    try:
        found = await requester.standing(signed)
    except MarketDown as fault:
        state = await requester.order_state(signed)
        return OrderStanding(signed, state, None, asked=False), str(fault)
    return found, found.words
