"""``poolhand earnings``: what an account earned, lost, paid, and spent on gas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from poolhand.cli.command_run import CommandRun
from poolhand.cli.lists import ListBlocksOption
from poolhand.cli.plain import Noun
from poolhand.cli.render import coin, day, grid, pairs, rlc
from poolhand.cli.tables import indented
from poolhand.cli.verb import Answer, verb
from poolhand.domain.earnings import EarningSum, by_day, by_task, sum_up
from poolhand.domain.ids import Address
from poolhand.domain.movements import MovementKind, total
from poolhand.domain.units import show_coin, show_rlc

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.chain.account_earnings import Earnings

app = Noun()


class By(StrEnum):
    """What a line stands for."""

    DAY = "day"
    TASK = "task"


EarnerArgument = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", help="Whose; the wallet's address if left out.")
]
ByOption = Annotated[By, typer.Option(help="What a line stands for.")]
CsvFlag = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]
_MEMBERS = (
    "roles", "tasks", "earned_nrlc", "lost_nrlc", "paid_nrlc", "gas_wei",
    "earned_rlc", "lost_rlc", "paid_rlc", "gas_coin",
)  # fmt: skip
"""Columns of the CSV, behind the day or the task: no text in them is a stranger's."""
OTHER_MOVEMENTS = (
    MovementKind.DEPOSIT,
    MovementKind.WITHDRAWAL,
    MovementKind.RECEIVED,
    MovementKind.SENT,
)


@verb(app, "earnings", example="poolhand earnings --by task --csv")
async def earnings(
    command: CommandRun,
    owner: EarnerArgument = "",
    by: ByOption = By.DAY,
    csv_: CsvFlag = False,
    blocks: ListBlocksOption = 100_000,
) -> Answer:
    """Show what an account earned as worker or owner, lost, paid, and spent on gas.

    All is read from the chain and checked against it: stake and locked stake must have changed by
    exactly what is told, to the nRLC. Transactions that failed leave no event: their gas is not
    in it. CSV is for a spreadsheet: days as 2026-11-30, amounts in RLC and coin with a dot.
    """
    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        found = await requester.earnings(who, blocks)
    rows = _rows(found, by)
    if csv_ and not command.as_json:
        text = Text(_csv(rows, by).rstrip(), no_wrap=True, overflow="ignore")
        return Answer(rows, lambda: Group(text))
    return Answer(_members(found, rows, by), lambda: _report(found, by))


def _sums(found: Earnings, by: By) -> Mapping[Any, EarningSum]:
    return by_day(found.entries) if by is By.DAY else by_task(found.entries)


def _rows(found: Earnings, by: By) -> list[dict[str, Any]]:
    return [
        {by: _name(key, by), **_sum(each), **_decimals(each)}
        for key, each in _sums(found, by).items()
    ]


def _decimals(each: EarningSum) -> dict[str, str]:
    """Return amounts in RLC and coin, exactly: a spreadsheet keeps 15 digits of a whole number."""
    return {
        "earned_rlc": show_rlc(each.earned),
        "lost_rlc": show_rlc(each.lost),
        "paid_rlc": show_rlc(each.paid),
        "gas_coin": show_coin(each.gas),
    }


def _name(key: Any, by: By) -> str:
    if by is By.DAY:
        return day(key)
    return "" if key is None else str(key)


def _sum(each: EarningSum) -> dict[str, Any]:
    return {
        "roles": list(each.roles),
        "tasks": each.tasks,
        "earned_nrlc": each.earned,
        "lost_nrlc": each.lost,
        "paid_nrlc": each.paid,
        "gas_wei": each.gas,
    }


def _members(found: Earnings, rows: list[dict[str, Any]], by: By) -> dict[str, Any]:
    unexplained = found.unexplained
    free, locked = unexplained or (None, None)
    before = found.before
    return {
        "address": str(found.owner),
        "by": by,
        "rows": rows,
        "total": _sum(sum_up(found.entries)),
        "moved": {f"{kind.lower()}_nrlc": total(found.movements, kind) for kind in OTHER_MOVEMENTS},
        "searched": {"first_block": found.first, "last_block": found.last},
        "before": before and {"stake_nrlc": before.stake, "locked_nrlc": before.locked},
        "after": {"stake_nrlc": found.after.stake, "locked_nrlc": found.after.locked},
        "checked": None if unexplained is None else unexplained == (0, 0),
        "unexplained": {"stake_nrlc": free, "locked_nrlc": locked},
    }


def _csv(rows: list[dict[str, Any]], by: By) -> str:
    names = [by, *_MEMBERS]
    written = io.StringIO()
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "roles": "+".join(row["roles"])} for row in rows)
    return written.getvalue()


def _report(found: Earnings, by: By) -> RenderableType:
    whole = sum_up(found.entries)
    head = pairs(
        (
            ("address", found.owner),
            ("blocks", f"{found.first} to {found.last}"),
            ("earned", rlc(whole.earned)),
            ("lost", rlc(whole.lost)),
            ("paid", rlc(whole.paid)),
            ("gas", coin(whole.gas)),
            *(
                (kind.lower(), rlc(amount))
                for kind in OTHER_MOVEMENTS
                if (amount := total(found.movements, kind))
            ),
            ("stake now", f"{rlc(found.after.stake)} free, {rlc(found.after.locked)} locked"),
            ("checked", _checked(found)),
        )
    )
    lines = _days(found) if by is By.DAY else _tasks(found)
    return Group(head, "", lines) if found.entries else Group(head)


def _checked(found: Earnings) -> str:
    unexplained = found.unexplained
    if unexplained is None:
        return (
            f"no: no endpoint keeps the account's state before block {found.first}; search from "
            f"the beginning with --blocks {found.last + 1}, or ask an archive node"
        )
    if unexplained == (0, 0):
        return "yes: stake and locked stake changed by exactly this"
    free, locked = (show_rlc(each) for each in unexplained)  # type: ignore[arg-type]
    return f"NO: {free} RLC of free and {locked} RLC of locked stake are not explained"


def _days(found: Earnings) -> RenderableType:
    rows = [
        (day(key), each.tasks, *_amounts(each), show_coin(each.gas))
        for key, each in by_day(found.entries).items()
    ]
    return grid(("day", "tasks", "earned RLC", "lost RLC", "paid RLC", "gas ETH"), rows)


def _amounts(each: EarningSum) -> tuple[str, str, str]:
    return show_rlc(each.earned), show_rlc(each.lost), show_rlc(each.paid)


def _tasks(found: Earnings) -> RenderableType:
    parts: list[RenderableType] = []
    for task_id, each in by_task(found.entries).items():
        parts.append(indented("of no single task" if task_id is None else task_id, 0))
        amounts = {"earned": each.earned, "lost": each.lost, "paid": each.paid}
        told = [f"{name} {rlc(amount)}" for name, amount in amounts.items() if amount]
        told += [f"gas {coin(each.gas)}"] if each.gas else []
        roles = ", ".join(each.roles)
        parts.append(indented(f"{roles}: {', '.join(told)}" if roles else ", ".join(told), 2))
    return Group(*parts)
