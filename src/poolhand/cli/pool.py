"""``poolhand pool``: workerpools on chain, and the scheduler that serves one."""

from __future__ import annotations

from typing import Annotated

import typer

from poolhand.cli.deployed import deployed_answer
from poolhand.cli.desk import Desk
from poolhand.cli.parts import AddressArgument
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.render import pairs
from poolhand.cli.verb import Answer, noun, verb
from poolhand.settings.load import Settings
from poolhand.settings.pool import OPTIONS, pool_settings

app = noun("Create a workerpool and serve it.")

DescriptionArgument = Annotated[
    str, typer.Argument(metavar="DESCRIPTION", help="What the pool is, for people.")
]
StakeOption = Annotated[
    int | None,
    typer.Option(
        "--worker-stake", min=0, metavar="N", help="Percent of the price that workers lock. [30]"
    ),
]
ShareOption = Annotated[
    int | None,
    typer.Option(
        "--share", min=0, metavar="N", max=100, help="Percent of the price the pool keeps. [1]"
    ),
]


@verb(app, "create", example='poolhand pool create "My pool" --worker-stake 20')
async def create(
    desk: Desk,
    description: DescriptionArgument,
    worker_stake: StakeOption = None,
    share: ShareOption = None,
) -> Answer:
    """Register a workerpool and set its policy; the same description gives the same pool."""
    async with desk.requester(signing=True) as requester:
        deployed = await requester.create_pool(description, worker_stake, share)
    return deployed_answer("workerpool", deployed)


@verb(app, "show", example="poolhand pool show 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
async def show(desk: Desk, address: AddressArgument) -> Answer:
    """Show what the chain says of a workerpool."""
    async with desk.requester() as requester:
        found = await requester.workerpool(address)
    members = {
        "address": str(found.address),
        "owner": str(found.owner),
        "description": found.description,
        "worker_stake_percent": found.worker_stake_percent,
        "scheduler_percent": found.scheduler_percent,
    }
    return Answer(members, lambda: pairs(members.items()))


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.scheduler.main import run

    await run(pool_settings(settings), ready)


add_program(
    app,
    "serve",
    OPTIONS,
    _serve,
    """Serve a workerpool until stopped; a restart goes on where it was.

    Settings come from flags, the environment, a file, and defaults, in this order; --show-config
    prints them.

    Example: poolhand pool serve --chain arbitrum --pool-address 0x… --wallet ~/pool.json \\
    --public-url https://pool.example --results-url https://results.example

    Exit codes: 0 stopped, 2 a setting is wrong or the port is busy, 4 the chain is out of reach.
    """,
)
