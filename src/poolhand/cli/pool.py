"""``poolhand pool``: workerpools on chain, and the scheduler that serves one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import AddressArgument
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.ids import Address
from poolhand.settings.load import Settings
from poolhand.settings.pool import POOL_OPTIONS, pool_settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.requester.requester import Requester
    from poolhand.transport.pool_client import PoolClient

app = noun("Create a workerpool, serve it, and see how it is.")

PoolOwnerArgument = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", help="Whose; the wallet's if left out.")
]
PoolLimitOption = Annotated[int, typer.Option(min=1, max=200, metavar="N", help="At most so many.")]

DescriptionArgument = Annotated[
    str, typer.Argument(metavar="DESCRIPTION", help="What the pool is, for people.")
]
WorkerStakeOption = Annotated[
    int | None,
    typer.Option(
        "--worker-stake", min=0, metavar="N", help="Percent of the price that workers lock. [30]"
    ),
]
CancelFlag = Annotated[
    bool, typer.Option("--cancel-orders", help="Cancel its orders on chain, too, which costs gas.")
]
WaitFlag = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]
ReasonArgument = Annotated[
    str, typer.Argument(metavar="[REASON]", help="Why, for the worker's operator: 200 characters.")
]
TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help="What its operator is told: 300 characters.")
]
WorkersLimitOption = Annotated[
    int, typer.Option("--limit", min=1, max=200, metavar="N", help="At most so many.")
]
AfterOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Begin after this worker: the last one listed.")
]
ShareOption = Annotated[
    int | None,
    typer.Option(
        "--share", min=0, metavar="N", max=100, help="Percent of the price the pool keeps. [1]"
    ),
]


@verb(app, "create", example='poolhand pool create "My pool" --worker-stake 20')
async def create(
    command: CommandRun,
    description: DescriptionArgument,
    worker_stake: WorkerStakeOption = None,
    share: ShareOption = None,
) -> Answer:
    """Register a workerpool and set its policy; the same description gives the same pool."""
    from poolhand.cli.deployed import deployed_answer

    async with command.requester(signing=True) as requester:
        deployed = await requester.create_pool(description, worker_stake, share)
    return deployed_answer("workerpool", deployed)


@verb(app, "show", example="poolhand pool show 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
async def show(command: CommandRun, address: AddressArgument) -> Answer:
    """Show what the chain says of a workerpool."""
    async with command.requester() as requester:
        found = await requester.workerpool(address)
    members = {
        "address": str(found.address),
        "owner": str(found.owner),
        "description": found.description,
        "worker_stake_percent": found.worker_stake_percent,
        "scheduler_percent": found.scheduler_percent,
    }
    return Answer(members, lambda: _pairs(members))


def _pairs(members: dict[str, Any]) -> RenderableType:
    from poolhand.cli.render import pairs

    return pairs(members.items())


@verb(app, "list", example="poolhand pool list")
async def list_(
    command: CommandRun, owner: PoolOwnerArgument = "", limit: PoolLimitOption = 20
) -> Answer:
    """List the workerpools of an owner on chain, the wallet's if none is named."""
    from poolhand.cli.pool_page import pool_members, pools_report

    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        found = await requester.hub.workerpools_of(who, limit)
    members = {"owner": str(who), "workerpools": [pool_members(each) for each in found]}
    return Answer(members, lambda: pools_report(who, found))


@verb(app, "status", example="poolhand pool status --pool-url http://127.0.0.1:13000")
async def status(command: CommandRun) -> Answer:
    """Show how a pool is: workers, prices, the owner's deposit and gas, and why nothing is sold.

    It asks the pool what everybody may know, and the chain for the owner's account.
    """
    from poolhand.cli.pool_page import Seen, standing_members, standing_report

    async with command.requester() as requester:
        pool = _pool_of(requester)
        told = await pool.standing()
        account = await requester.balances(told.config.owner)
        registered = await requester.hub.workerpool(told.config.workerpool)
        seen = Seen(pool.url, told, account, registered)
    return Answer(standing_members(seen), lambda: standing_report(seen))


@verb(app, "orders", example="poolhand pool orders --pool-url http://127.0.0.1:13000")
async def orders(command: CommandRun) -> Answer:
    """Show the orders that a pool has signed for markets, and why each is or is not for sale.

    An order that no market shows is still valid on chain until it is used up or closed there; the
    pool closes by itself what must not be bought any more.
    """
    from poolhand.cli.pool_orders import orders_report

    async with command.requester() as requester:
        found = await _pool_of(requester).orders()
    return Answer(found.model_dump(mode="json"), lambda: orders_report(found))


@verb(app, "drain", example="poolhand pool drain")
def drain(command: CommandRun, cancel_orders: CancelFlag = False, wait: WaitFlag = True) -> Answer:
    """Have the pool sell nothing new and finish what is open, and say when that is done.

    Give it on the pool's machine, as the user that runs the pool, with its wallet. It is remembered
    over restarts until `poolhand pool resume`.

    Its orders go out of the markets; on chain they stay valid for whoever has them, and what is
    bought with them is worked off, too. Before a pool ends for good, have them cancelled
    (--cancel-orders): each is a transaction of the pool's wallet.
    """
    from poolhand.cli.draining import drain_report, order_drain, running_pool, until_done

    held = running_pool(command)
    standing = order_drain(held, drains=True, cancels=cancel_orders)
    if wait:
        command.farewell = "the pool goes on draining: `poolhand pool resume` takes it back"
        standing = until_done(held, command.note)
    return Answer(standing.model_dump(mode="json"), lambda: drain_report(standing))


@verb(app, "resume", example="poolhand pool resume")
def resume(command: CommandRun) -> Answer:
    """Have a pool that drains sell again; orders that were not cancelled are shown again."""
    from poolhand.cli.draining import drain_report, order_drain, running_pool

    standing = order_drain(running_pool(command), drains=False)
    return Answer(standing.model_dump(mode="json"), lambda: drain_report(standing))


@verb(app, "worker", example="poolhand pool worker 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
async def worker(command: CommandRun, address: AddressArgument) -> Answer:
    """Show a connected worker as its pool sees it, and why it is given nothing more."""
    from poolhand.cli.pool_page import worker_report

    async with command.requester() as requester:
        found = await _pool_of(requester).worker(address)
    return Answer(found.model_dump(mode="json"), lambda: worker_report(found))


@verb(app, "workers", example="poolhand pool workers --limit 100")
def workers(
    command: CommandRun, limit: WorkersLimitOption = 100, after: AfterOption = ""
) -> Answer:
    """List the workers that are connected, with all that the pool's owner may know of them.

    It is the owner's, as are excluded, drain-worker, ban, readmit, message and page: with its
    wallet, on the pool's machine as the user that runs the pool, or from elsewhere with --pool-url,
    where the wallet signs in.
    """
    from poolhand.cli.pool_workers import list_workers, workers_report

    found = list_workers(command, limit, after)
    return Answer(found.model_dump(mode="json"), lambda: workers_report(found))


@verb(app, "excluded", example="poolhand pool excluded")
def excluded(
    command: CommandRun, limit: WorkersLimitOption = 100, after: AfterOption = ""
) -> Answer:
    """List the workers that are drained or banned, connected or not, with the reasons."""
    from poolhand.cli.pool_workers import excluded_report, list_excluded

    found = list_excluded(command, limit, after)
    return Answer(found.model_dump(mode="json"), lambda: excluded_report(found))


@verb(
    app,
    "drain-worker",
    example='poolhand pool drain-worker 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd "too slow"',
)
def drain_worker(
    command: CommandRun, address: AddressArgument, reason: ReasonArgument = ""
) -> Answer:
    """Give a worker nothing new, over restarts, until it is readmitted; what it holds goes on.

    It stays connected, and its operator is told the reason.
    """
    from poolhand.cli.pool_workers import decide, decided_report

    decided = decide(command, address, "drain", reason)
    return Answer(decided.model_dump(mode="json"), lambda: decided_report(decided))


@verb(
    app,
    "ban",
    example='poolhand pool ban 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd "copies results"',
)
def ban(command: CommandRun, address: AddressArgument, reason: ReasonArgument = "") -> Answer:
    """Let a worker in no more, over restarts, until it is readmitted; its tasks go to others.

    Its session ends at once and its logins are refused, with the reason. A contribution that it has
    on chain stays there, and it reveals it by itself.
    """
    from poolhand.cli.pool_workers import decide, decided_report

    decided = decide(command, address, "ban", reason)
    return Answer(decided.model_dump(mode="json"), lambda: decided_report(decided))


@verb(
    app,
    "readmit",
    example="poolhand pool readmit 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd",
)
def readmit(command: CommandRun, address: AddressArgument) -> Answer:
    """Let a worker that was drained or banned work again."""
    from poolhand.cli.pool_workers import decide, decided_report

    decided = decide(command, address, "readmit", None)
    return Answer(decided.model_dump(mode="json"), lambda: decided_report(decided))


@verb(
    app,
    "message",
    example='poolhand pool message 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd "please update"',
)
def message(command: CommandRun, address: AddressArgument, text: TextArgument) -> Answer:
    """Tell the operator of a connected worker something: in its status, on its page, in its log."""
    from poolhand.cli.pool_workers import say

    said = say(command, address, text)
    told = f"{said.worker} is told: {said.text}"
    return Answer(said.model_dump(mode="json"), lambda: told)


@verb(app, "page", example="poolhand pool page --pool-url https://pool.example")
def page(command: CommandRun) -> Answer:
    """Print the address that opens the owner's page in a browser, for the next 12 hours.

    Whoever has the address decides about the pool's workers and sales: it is for your eyes alone.
    It is the pool's that runs here; with --pool-url another's, where the wallet signs in.
    """
    from poolhand.cli.pool_sign_in import OWNERS_PAGE, owner_session

    url, session = owner_session(command)
    address = f"{url}{OWNERS_PAGE}#token={session.token}"
    return Answer({"url": address, "expires_in": session.expires_in}, lambda: address)


def _pool_of(requester: Requester) -> PoolClient:
    """Return the pool that was named."""
    from poolhand.requester.requester import NoPoolNamed

    if requester.pool is None:
        raise NoPoolNamed("which pool? Give its URL with --pool-url, or set POOLHAND_POOL_URL")
    return requester.pool


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.scheduler.main import run

    await run(pool_settings(settings), ready)


add_program(
    app,
    "serve",
    POOL_OPTIONS,
    _serve,
    """Serve a workerpool until stopped; a restart goes on where it was.

    Where another process serves it from the same PostgreSQL database, this one stands by: it
    answers what the database tells, and leads as soon as the other ends or falls silent.

    Settings come from flags, the environment, a file, and defaults, in this order; --show-config
    prints them.

    Example: poolhand pool serve --chain arbitrum --wallet ~/pool.json \\
    --pool-address 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd \\
    --public-url https://pool.example --results-url https://results.example

    Exit codes: 0 stopped, 2 a setting is wrong or the port is busy, 4 the chain or the database is
    out of reach, or another process leads the pool now: started again, it stands by.
    """,
)
