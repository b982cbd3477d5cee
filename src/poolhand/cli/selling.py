"""What the verbs that sell share: the terms of an order, and the verbs of apps and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import AddressArgument
from poolhand.cli.verb import Answer, verb
from poolhand.domain.ids import Address
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.domain.units import parse_rlc

if TYPE_CHECKING:
    from collections.abc import Sequence

PriceOption = Annotated[str, typer.Option(metavar="RLC", help="Of one task.")]
VolumeOption = Annotated[int, typer.Option(min=1, metavar="N", help="How many tasks.")]
SellingTagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME",
        help="What workers must have (gpu, or tee with scone, gramine or tdx); repeatable.",
    ),
]
OnlyApp = Annotated[str, typer.Option(metavar="ADDRESS", help="The one app it may be used with.")]
OnlyDataset = Annotated[str, typer.Option(metavar="ADDRESS", help="The one dataset.")]
OnlyPool = Annotated[str, typer.Option(metavar="ADDRESS", help="The one workerpool.")]
OnlyRequester = Annotated[str, typer.Option(metavar="ADDRESS", help="The one buyer.")]
AllFlag = Annotated[bool, typer.Option("--all", help="Every order of yours for it.")]


def tag_of(names: Sequence[str]) -> Tag:
    """Read a tag from its names, or from its 64 digits."""
    if len(names) == 1 and names[0].startswith("0x"):
        return Tag.parse(names[0])
    return Tag.of(part for name in names for part in name.split(","))


def only_of(**limits: str) -> dict[str, Address]:
    """Read who alone may use an order; what is empty restricts nobody."""
    return {name: Address.parse(text) for name, text in limits.items() if text}


def add_selling(group: typer.Typer, sort: OrderSort) -> None:
    """Add ``publish`` and ``unpublish`` to the noun of an app or a dataset."""
    name, example = sort.value, "0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd"

    async def publish(
        command: CommandRun,
        address: AddressArgument,
        price: PriceOption = "0",
        volume: VolumeOption = 1_000_000,
        tag: SellingTagOption = None,
        only_app: OnlyApp = "",
        only_dataset: OnlyDataset = "",
        only_pool: OnlyPool = "",
        only_requester: OnlyRequester = "",
    ) -> Answer:
        from poolhand.cli.orders_page import published_answer
        from poolhand.requester.selling import SaleTerms

        limits = {"app": only_app, "dataset": only_dataset}
        limits = {**limits, "workerpool": only_pool, "requester": only_requester}
        terms = SaleTerms(parse_rlc(price), volume, tag_of(tag or ()), only_of(**limits))
        async with command.requester(signing=True) as requester:
            signed = await requester.selling.offer(sort, address, terms)
            entry = await requester.selling.publish(signed, requester.market)
        return published_answer(entry)

    async def unpublish(
        command: CommandRun, address: AddressArgument, all_: AllFlag = False
    ) -> Answer:
        from poolhand.cli.orders_page import unpublished_answer

        async with command.requester(signing=True) as requester:
            market = requester.market
            names = await requester.selling.unpublish_of(sort, address, market, every=all_)
        return unpublished_answer(names)

    publish.__doc__ = f"""Sell runs of your {name} in the market: sign an order and publish it.

    Each time one more order is for sale; `poolhand order list` shows them.
    """
    unpublish.__doc__ = f"""Take your {name}'s newest order out of the market.

    It is still valid on chain until cancelled (`poolhand order cancel`).
    """
    verb(group, "publish", example=f"poolhand {name} publish {example} --price 0.5")(publish)
    verb(group, "unpublish", example=f"poolhand {name} unpublish {example}")(unpublish)
