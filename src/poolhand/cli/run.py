"""``poolhand run``: from an image to a result in one command."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Group

from poolhand.cli.claiming import ClaimFlag, claim_by_itself, claim_members, claim_report
from poolhand.cli.desk import Desk
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.order import read_order
from poolhand.cli.parts import optional_address
from poolhand.cli.progress import follow
from poolhand.cli.render import (
    coloured,
    deal_members,
    grid,
    pairs,
    receipt_members,
    receipt_row,
    replicates_table,
    rlc,
    task_members,
)
from poolhand.cli.verb import Answer, verb
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.model import AppOrder, DatasetOrder, WorkerpoolOrder
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import parse_rlc

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.requester.buying import Purchase
    from poolhand.requester.claims import Claimed
    from poolhand.requester.requester import Requester
    from poolhand.requester.results import Result
    from poolhand.requester.watching import Progress
    from poolhand.requester.wish import Wish

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_ADDRESS: Final = re.compile(r"0[xX][^/:]*")
"""Also one that is mistyped: no image of anybody's is called so."""

Target = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE|APP", help="An image, registered if need be, or an app's address."
    ),
]
Args = Annotated[str, typer.Option("--args", metavar="TEXT", help="Command line of the app.")]
Input = Annotated[
    list[str] | None, typer.Option("--input", metavar="URL", help="A file for the app; repeatable.")
]
Data = Annotated[str, typer.Option(metavar="ADDRESS", help="A dataset.")]
TrustOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Wanted confidence 1 - 1/N: 10 needs four agreeing workers."
    ),
]
Tasks = Annotated[int, typer.Option(min=1, metavar="N", help="How many equal tasks.")]
CategoryOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Of running time: 0 is up to 5 minutes.")
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME", help="A demand on the workers (gpu, tee); repeatable."),
]
Callback = Annotated[str, typer.Option(metavar="ADDRESS", help="A contract that gets the result.")]
Beneficiary = Annotated[str, typer.Option(metavar="ADDRESS", help="Whose the result is. [yours]")]
MaxPrice = Annotated[str, typer.Option(metavar="RLC", help="Most to pay for one task.")]
AppOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Signed by the app's owner.")]
DataOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Signed by the dataset's owner.")]
PoolOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Instead of asking the pool.")]
DepositFlag = Annotated[
    bool, typer.Option("--deposit", help="Deposit what the stake lacks, without asking.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the tasks to their end.")]
Download = Annotated[
    str, typer.Option(metavar="FOLDER", help="Download results there; implies --wait.")
]
Extract = Annotated[bool, typer.Option("--extract", help="Unpack what was downloaded.")]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run."""

    bought: Purchase
    progress: Progress
    results: tuple[Result, ...]
    waited: bool
    claimed: Claimed | None = None


@verb(
    app,
    "run",
    example='poolhand run 127.0.0.1:5000/poolhand/word-statistics:1.0 --args "--top 5" --trust 10',
)
async def run(
    desk: Desk,
    target: Target,
    args: Args = "",
    input_: Input = None,
    dataset: Data = "",
    trust: TrustOption = 1,
    tasks: Tasks = 1,
    category: CategoryOption = 0,
    tag: TagOption = None,
    callback: Callback = "",
    beneficiary: Beneficiary = "",
    max_price: MaxPrice = "",
    app_order: AppOrderFile = "",
    dataset_order: DataOrderFile = "",
    pool_order: PoolOrderFile = "",
    deposit: DepositFlag = False,
    wait: Wait = True,
    claim: ClaimFlag = True,
    download: Download = "",
    extract: Extract = False,
) -> Answer:
    """Buy a computation: register the image, order, match, watch, download.

    A purchase that was interrupted is finished by the same command; it is never bought twice.
    What is not done by its final deadline is claimed back.
    """
    terms: dict[str, Any] = {
        "dataset": optional_address(dataset) or ZERO_ADDRESS,
        "args": args,
        "inputs": tuple(input_ or ()),
        "trust": Trust(trust),
        "tasks": tasks,
        "category": category,
        "tag": _tag(tag or ()),
        "callback": optional_address(callback) or ZERO_ADDRESS,
        "beneficiary": optional_address(beneficiary),
        "max_price": parse_rlc(max_price) if max_price else None,
        "app_order": read_order(AppOrder, app_order),
        "dataset_order": read_order(DatasetOrder, dataset_order),
        "workerpool_order": read_order(WorkerpoolOrder, pool_order),
    }
    async with AsyncExitStack() as stack:
        requester = await stack.enter_async_context(desk.requester(signing=True))
        async with requester.spending():
            wish = await _wish(desk, requester, target, terms)
            bought = await requester.buy(wish, deposit=deposit)
        _tell(desk, bought)
        waits = wait or bool(download)
        progress = await _follow(desk, requester, bought, wait=waits)
        claimed = await _claim(desk, requester, bought, progress) if waits and claim else None
        if claimed is not None:
            progress = await requester.look(bought.deal)
        results = await _download(requester, progress, download, unpack=extract)
    return _answer(Report(bought, progress, results, waits, claimed))


def _tag(names: tuple[str, ...] | list[str]) -> Tag:
    if len(names) == 1 and names[0].startswith("0x"):
        return Tag.parse(names[0])
    return Tag.of(part for name in names for part in name.split(","))


async def _wish(desk: Desk, requester: Requester, target: str, terms: dict[str, Any]) -> Wish:
    from poolhand.requester.wish import Wish

    if _ADDRESS.fullmatch(target):
        return Wish(Address.parse(target), **terms)
    wish = Wish(ZERO_ADDRESS, **terms)  # says no before anything is registered
    deployed = await requester.deploy_app(target)
    if deployed.is_new:
        desk.note(f"registered {target} as app {deployed.address}")
    return type(wish)(deployed.address, **terms)


def _tell(desk: Desk, bought: Purchase) -> None:
    deal = bought.deal
    first = next(deal.tasks())[1]
    desk.farewell = f"the computation goes on: `poolhand task watch {first}`"
    told = "found the deal that was bought before" if bought.receipt is None else "bought deal"
    desk.note(f"{told} {deal.deal_id}: {deal.bot_size} task(s) at {rlc(deal.price)}")


async def _follow(desk: Desk, requester: Requester, bought: Purchase, *, wait: bool) -> Progress:
    if wait:
        return await follow(desk, requester.watch.follow_deal(bought.deal))
    return await requester.look(bought.deal)


async def _claim(
    desk: Desk, requester: Requester, bought: Purchase, progress: Progress
) -> Claimed | None:
    deal = bought.deal
    by_hand = f"poolhand deal claim {deal.deal_id}"
    return await claim_by_itself(
        desk, progress, by_hand, lambda: requester.claim_late(progress, deal)
    )


async def _download(
    requester: Requester, progress: Progress, folder: str, *, unpack: bool
) -> tuple[Result, ...]:
    if not folder:
        return ()
    from poolhand.requester.watching import Outcome

    done = [task.task_id for task in progress.tasks if task.outcome is Outcome.COMPLETED]
    return tuple([await requester.download(each, Path(folder), unpack=unpack) for each in done])


def _answer(report: Report) -> Answer:
    deal, paths = report.bought.deal, {each.task_id: each for each in report.results}
    tasks = []
    for task in report.progress.tasks:
        result = paths.get(task.task_id)
        tasks.append(
            {
                **task_members(task),
                "deal_id": str(deal.deal_id),
                "result_path": str(result.archive.resolve()) if result else None,
                "folder": str(result.folder.resolve()) if result and result.folder else None,
            }
        )
    members = {
        **deal_members(deal),
        "resumed": report.bought.resumed,
        "transaction": receipt_members(report.bought.receipt),
        "claim": claim_members(report.claimed) if report.claimed else None,
        "tasks": tasks,
    }
    failed = report.waited and not report.progress.succeeded
    return Answer(members, lambda: _shown(report), NOT_COMPLETED if failed else 0)


def _shown(report: Report) -> RenderableType:
    deal = report.bought.deal
    head = pairs(
        (
            ("deal", deal.deal_id),
            ("app", deal.app.address),
            ("cost", f"{rlc(deal.price * deal.bot_size)} for {deal.bot_size} task(s)"),
            ("transaction", receipt_row(report.bought.receipt)),
        )
    )
    results = {each.task_id: each.folder or each.archive for each in report.results}
    rows = (
        (
            coloured(task.status),
            task.task_id,
            task.view.digest if any(task.view.digest) else "",
            results.get(task.task_id, task.view.results.decode(errors="replace")),
        )
        for task in report.progress.tasks
    )
    ends = grid(("status", "task", "digest", "result"), rows, "\ntasks")
    sent = (
        (each.call, each.tx, each.block, each.gas)
        for task in report.progress.tasks
        for each in (task.news.transactions if task.news else ())
    )
    calls = grid(("call", "transaction", "block", "gas"), sent, "\npool's transactions")
    claim = ("\n", claim_report(report.claimed)) if report.claimed else ()
    return Group(head, "", replicates_table(report.progress), ends, calls, *claim)
