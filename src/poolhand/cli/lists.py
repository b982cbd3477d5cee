"""Lists of what was bought: bounded, by pages, newest first; ids whole, on lines of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from poolhand.cli.render import ago, coloured, deal_members, rlc
from poolhand.cli.tables import indented
from poolhand.domain.ids import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from poolhand.chain.deal_reader import SkippedDeal
    from poolhand.cli.command_run import CommandRun
    from poolhand.requester.listing import Bought, BoughtDeal, BoughtTask

ListLimitOption = Annotated[
    int, typer.Option(min=1, max=1000, metavar="N", help="How many a page.")
]
PageOption = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Which page.")]
OpenFlag = Annotated[
    bool, typer.Option("--open/--all", help="Only what has not ended: a result is owed or a price.")
]
ListBlocksOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="How far back to search, from the newest block.")
]
BuyerArgument = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", help="Who bought; the wallet's address if left out.")
]


async def bought(
    command: CommandRun, owner: str, most: int, blocks: int, *, only_open: bool
) -> Bought:
    """Return what an address bought, the wallet's where none is named; at most so many deals."""
    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        return await requester.bought(who, most, lookback=blocks, only_open=only_open)


def listed_members(found: Bought, name: str, rows: Sequence[Any], page: int) -> dict[str, Any]:
    """Return a page of a list, and what was searched for it."""
    return {
        "address": str(found.owner),
        name: list(rows),
        "page": page,
        "searched": {"first_block": found.first, "last_block": found.last},
        "whole": found.is_whole,
        "skipped": skipped_members(found.skipped),
    }


def deal_row_members(each: BoughtDeal) -> dict[str, Any]:
    """Return a deal of a list."""
    tasks = [
        {"task_id": str(task.task_id), "index": task.index, "standing": task.standing}
        for task in each.tasks
    ]
    return {**deal_members(each.deal), "open": each.is_open, "tasks": tasks}


def task_row_members(each: BoughtTask) -> dict[str, Any]:
    """Return a task of a list."""
    return {
        "task_id": str(each.task_id),
        "deal_id": str(each.deal.deal_id),
        "index": each.index,
        "standing": each.standing,
        "open": each.is_open,
        "bought_at": each.deal.start_time,
        "final_deadline": each.deadline,
        "price_nrlc": each.deal.price,
        "app": str(each.deal.app.address),
    }


def deals_report(found: Bought, deals: Sequence[BoughtDeal]) -> RenderableType:
    """Return a page of deals for a person."""
    parts: list[RenderableType] = []
    for each in deals:
        deal = each.deal
        counts = ", ".join(f"{count} {word}" for word, count in each.counts.items())
        when = ago(found.now - deal.start_time)
        parts.append(Text(f"{when}: {counts} at {rlc(deal.price)}, trust {deal.trust}"))
        parts.append(indented(f"deal {deal.deal_id}", 2))
    return Group(*parts, *_searched(found, empty=not deals, what="deal"))


def tasks_report(found: Bought, tasks: Sequence[BoughtTask]) -> RenderableType:
    """Return a page of tasks for a person."""
    parts: list[RenderableType] = []
    for each in tasks:
        when = ago(found.now - each.deal.start_time)
        number = f"task {each.index} of deal {each.deal.deal_id.short}, {rlc(each.deal.price)}"
        parts.append(Text.assemble(f"{when}: ", coloured(each.standing), f"  {number}"))
        parts.append(indented(str(each.task_id), 2))
    return Group(*parts, *_searched(found, empty=not tasks, what="task"))


def _searched(found: Bought, *, empty: bool, what: str) -> list[RenderableType]:
    """Say what a list does not hold, and how to see more."""
    lines: list[RenderableType] = [f"no {what} to show"] if empty else []
    if not found.is_whole:
        told = f"searched back to block {found.first}; further: --blocks N, or the next --page"
        lines.append(Text(told, style="dim"))
    return [*lines, *skipped_lines(found.skipped)]


def skipped_members(skipped: Iterable[SkippedDeal]) -> list[dict[str, str]]:
    """Return deals that cannot be read."""
    return [{"deal_id": str(each.deal_id), "why": each.words} for each in skipped]


def skipped_lines(skipped: Iterable[SkippedDeal]) -> list[RenderableType]:
    """Say which deals cannot be read, and why."""
    return [Text(f"left out: deal {each.deal_id} cannot be read: {each.words}") for each in skipped]
