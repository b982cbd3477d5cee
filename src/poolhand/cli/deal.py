"""``poolhand deal``: what a match fixed."""

from __future__ import annotations

from rich.console import Group

from poolhand.cli.claiming import claim_members, claim_report
from poolhand.cli.desk import Desk
from poolhand.cli.parts import DealArgument
from poolhand.cli.render import (
    deal_members,
    deal_table,
    replicates_table,
    task_members,
)
from poolhand.cli.verb import Answer, noun, verb

app = noun("Look at deals, and claim what was not delivered.")


@verb(app, "show", example=f"poolhand deal show 0x{'1f' * 32}")
async def show(desk: Desk, deal_id: DealArgument) -> Answer:
    """Show a deal and how its tasks stand."""
    async with desk.requester() as requester:
        deal = await requester.deal(deal_id)
        progress = await requester.look(deal)
    members = {**deal_members(deal), "tasks": [task_members(each) for each in progress.tasks]}
    return Answer(members, lambda: Group(deal_table(deal), "", replicates_table(progress)))


@verb(app, "claim", example=f"poolhand deal claim 0x{'1f' * 32}")
async def claim(desk: Desk, deal_id: DealArgument) -> Answer:
    """Get the price of every unfinished task back, after the final deadline.

    Tasks that have ended are left out; several are claimed in one transaction.
    """
    async with desk.requester(signing=True) as requester:
        claimed = await requester.claim_deal(deal_id)
    members = {"deal_id": str(deal_id), **claim_members(claimed)}
    return Answer(members, lambda: claim_report(claimed))
