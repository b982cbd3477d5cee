"""``poolhand deal``: what a match fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from poolhand.cli.causes import causes_report
from poolhand.cli.claiming import ClaimFlag, claim_members, claim_report, claim_watched
from poolhand.cli.command_run import CommandRun
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.lists import (
    BuyerArgument,
    ListBlocksOption,
    ListLimitOption,
    OpenFlag,
    PageOption,
    bought,
    deal_row_members,
    deals_report,
    listed_members,
)
from poolhand.cli.parts import DealArgument
from poolhand.cli.progress import follow
from poolhand.cli.render import (
    coloured,
    deal_members,
    deal_table,
    replicates_table,
    task_members,
)
from poolhand.cli.verb import Answer, noun, verb

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.domain.deal import Deal
    from poolhand.requester.claims import Claimed
    from poolhand.requester.watching import Progress, TaskProgress

app = noun("Look at deals, and claim what was not delivered.")


@verb(app, "show", example=f"poolhand deal show 0x{'1f' * 32}")
async def show(command: CommandRun, deal_id: DealArgument) -> Answer:
    """Show a deal and how its tasks stand."""
    async with command.session() as session:
        deal = await session.deal(deal_id)
        await deal.look()
    return _answer(deal.deal, deal.progress)


@verb(app, "list", example="poolhand deal list --open")
async def list_(
    command: CommandRun,
    owner: BuyerArgument = "",
    open_: OpenFlag = False,
    limit: ListLimitOption = 20,
    page: PageOption = 1,
    blocks: ListBlocksOption = 100_000,
) -> Answer:
    """List the deals that you bought, newest first, and how their tasks stand on chain."""
    found = await bought(command, owner, limit * page, blocks, only_open=open_)
    deals = found.deals[limit * (page - 1) :]
    members = listed_members(found, "deals", [deal_row_members(each) for each in deals], page)
    return Answer(members, lambda: deals_report(found, deals))


@verb(app, "watch", example=f"poolhand deal watch 0x{'1f' * 32}")
async def watch(command: CommandRun, deal_id: DealArgument, claim: ClaimFlag = True) -> Answer:
    """Follow a deal's tasks to their end; ends with code 1 when one did not complete.

    What runs out of time is claimed back, if the wallet's password is at hand.
    """
    command.farewell = f"deal {deal_id} goes on: `poolhand deal watch {deal_id}`"
    async with command.session() as session:
        deal = await session.deal(deal_id)
        await follow(command, deal.follow(), lambda: deal.progress)
        claimed = (
            await claim_watched(command, deal.progress, f"poolhand deal claim {deal.id}", deal.deal)
            if claim
            else None
        )
        if claimed is not None:
            await deal.look()
    code = 0 if deal.progress.succeeded else NOT_COMPLETED
    return _answer(deal.deal, deal.progress, code, claimed)


@verb(app, "claim", example=f"poolhand deal claim 0x{'1f' * 32}")
async def claim(command: CommandRun, deal_id: DealArgument) -> Answer:
    """Get the price of every unfinished task back, after the final deadline.

    Tasks that have ended are left out; several are claimed in one transaction.
    """
    async with command.requester(signing=True) as requester:
        claimed = await requester.claim_deal(deal_id)
    members = {"deal_id": str(deal_id), **claim_members(claimed)}
    return Answer(members, lambda: claim_report(claimed))


def _answer(
    deal: Deal, progress: Progress, exit_code: int = 0, claimed: Claimed | None = None
) -> Answer:
    members = {**deal_members(deal), "tasks": [task_members(each) for each in progress.tasks]}
    if claimed is not None:
        members["claim"] = claim_members(claimed)

    def shown() -> RenderableType:
        why = list(causes_report(progress))
        after = ("", claim_report(claimed)) if claimed else ()
        parts = [deal_table(deal), "", replicates_table(progress), *(("", *why) if why else ())]
        return Group(*parts, "", *map(_whole, progress.tasks), *after)

    return Answer(members, shown, exit_code)


def _whole(task: TaskProgress) -> RenderableType:
    """Show a task's id whole, for it has to be copied."""
    return Group(Text.assemble(f"task {task.index}  ", coloured(task.status)), f"  {task.task_id}")
