"""``poolhand worker``: see whether one can run, run it, see what it does, pause and stop it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.choosing import with_wallet_file
from poolhand.cli.doctor import add_doctor
from poolhand.cli.finding import BaseOption, UrlOption, WorkerNameOption, find_page
from poolhand.cli.parts import AmountArgument, TaskArgument, amount_of
from poolhand.cli.plain import JsonFlag, Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.saying import say
from poolhand.cli.setting import add_set
from poolhand.cli.worker_journal import add_journal
from poolhand.settings.in_force import settings_in_force
from poolhand.settings.load import Settings
from poolhand.settings.worker import (
    WORKER_OPTIONS,
    WorkerSettings,
    without_effect,
    worker_settings,
)

if TYPE_CHECKING:
    from poolhand.keys.own_signer import OwnSigner
    from poolhand.worker.upgrading.takeover import Takeover

app = Noun(
    no_args_is_help=True,
    help="Run a worker and be paid for computing.",
)


def _start(found: Settings, ready: Ready) -> Coroutine[Any, Any, None]:
    """Start the worker's signer, before anything that strangers are spoken to with."""
    import structlog

    from poolhand.cli.signing import start_signer
    from poolhand.cli.taking_over import takeover_of
    from poolhand.keys.signer_socket import connect_signer
    from poolhand.observe.processors import usable_cpus

    settings = worker_settings(found, os.environ, usable_cpus())
    ready = _page_told(settings, ready)
    for name in without_effect(os.environ):
        structlog.get_logger().warning(
            "setting_without_effect", name=name, next_step="--tee names this worker's enclaves"
        )
    takeover = takeover_of(found, os.environ)
    if settings.signer is None:
        return _work(settings, start_signer(found, settings, _load), ready, takeover)
    return _work(settings, connect_signer(settings.signer), ready, takeover)


def _page_told(settings: WorkerSettings, ready: Ready) -> Ready:
    """Tell where the page is, too; by an address that opens it to a person alone, not to a log."""

    def told(url: str) -> None:
        from poolhand.cli.worker_page import page_address
        from poolhand.worker.pid_file import read

        ready(url)
        pid_file = read(settings.base)
        if sys.stderr.isatty() and pid_file is not None:
            say(f"its page, for you alone: {page_address(pid_file.url, pid_file.token)}")
        else:
            say("`poolhand worker page` prints the address of its page")

    return told


def _with_wallet(found: Settings) -> Settings:
    """Find the wallet's file, unless a signer apart has it."""
    return found if found["signer"] else with_wallet_file(found)


def _load() -> None:
    import poolhand.worker.main  # noqa: F401 - while the signer opens the wallet


async def _work(
    settings: WorkerSettings, signer: OwnSigner, ready: Ready, takeover: Takeover
) -> None:
    from poolhand.cli.taking_over import take_over
    from poolhand.worker.main import run
    from poolhand.worker.parts import WorkerParts

    try:
        await run(settings, ready, WorkerParts(takeover=takeover), signer)
    finally:
        signer.close()
    await take_over(takeover, settings.base)


add_program(
    app,
    "start",
    WORKER_OPTIONS,
    _start,
    """Work for a pool until stopped; a restart goes on where it was.

    Settings come from what `poolhand worker set` has changed, flags, the environment (names of
    iExec's worker), a file, and defaults, in this order; --show-config prints them.

    Example: poolhand worker start --chain arbitrum --wallet ~/worker.json \\
    --core-url https://pool.example \\
    --pool-address 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd

    The wallet's key is in a process of its own, the signer, which this one starts: it signs logins,
    uploads and the worker's own transactions, within --gas-price-cap and --most-deposit. With
    --signer it is one that runs apart (`poolhand signer serve`), and this program needs no wallet.
    Data and inputs come through another, which has the network, and files that it is handed open.

    Exit codes: 0 stopped, 2 a setting is wrong, 4 engine, chain or pool out of reach, or the signer
    has ended.
    """,
    _with_wallet,
    settings_in_force,
)


add_doctor(app)


@app.command("status")
def status(
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Show what a worker does, and why it does nothing when it does nothing.

    Each cause says who can change it and how; each replicate, what its status means, who acts
    next, and what stake of it is locked until when.

    Example: poolhand worker status

    Exit codes: 0 answered, 4 no worker answers.
    """
    from poolhand.cli.worker_report import worker_report

    told = find_page(url, base, name).status()
    _print(told, as_json, lambda: worker_report(told))


@app.command("top")
def top(
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Show a worker in the terminal, live: tasks, output, earnings, stake, gas, and why it is idle.

    Arrows choose a task, p pauses, r resumes, f finishes what is held and then stops the worker, q
    leaves; the worker goes on. With --json it is told once.

    Example: poolhand worker top

    Exit codes: 0 you left, 2 no token, or no terminal, 4 no worker answers.
    """
    from poolhand.cli.top.start import start

    start(lambda: find_page(url, base, name), as_json=as_json)


@app.command("page")
def page(
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Print the address that shows a worker in a browser of this computer, live.

    It shows tasks with what their apps print, earnings, stake and gas, and takes orders: whoever
    has the address has the worker. A worker has a new one after each start. It is opened by you and
    by no program, for what programs are started with every user of a computer may see.

    Example: poolhand worker page

    Exit codes: 0 printed, 2 no token, 4 no worker answers.
    """
    address = find_page(url, base, name).address
    if as_json:
        print(json.dumps({"page": address}, indent=2))
    else:
        say(address, on_output=True)


@app.command("logs")
def logs(
    task_id: TaskArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the app ends.")] = False,
    tail: Annotated[
        int, typer.Option(min=0, max=10_000, metavar="N", help="Lines printed before.")
    ] = 100,
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    r"""Show what the app of a task prints while it runs here, and what it uses.

    Its standard output goes to standard output, the rest to standard error. For the operator alone:
    it needs the worker's token. With --json each line is an object.

    Example: poolhand worker logs --follow \
    0x2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e

    Exit codes: 0 told, 2 no token, or no app of this task runs here, 4 no worker answers.
    """
    from poolhand.cli.worker_output import show_output

    page = find_page(url, base, name)
    show_output(page, task_id, follow=follow, tail=tail, as_json=as_json)


@app.command("pause")
def pause(
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Shown to the pool and in the status.")
    ] = "no reason given",
    lasts: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long: 90m, 3h, 1h30m, 2d.")
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Until when: 08:00 (the next), or '2026-12-24 08:00'; as here."
        ),
    ] = "",
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Take nothing new, over restarts, until `poolhand worker resume`; what is held goes on.

    With --for or --until it takes tasks again by itself then. To finish what is held and then end,
    instead of staying: `poolhand worker stop`.

    Example: poolhand worker pause --for 3h

    Example: poolhand worker pause --until 08:00 --reason "the office is open"

    Exit codes: 0 paused, 2 no token, or no such time, 4 no worker answers.
    """
    from poolhand.cli.pausing import pause_order, pause_report

    told = find_page(url, base, name).order("pause", pause_order(reason, lasts, until))
    _print(told, as_json, lambda: pause_report(told))


@app.command("resume")
def resume(
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Take tasks again: ends a pause, and a drain that has not ended yet.

    Example: poolhand worker resume

    Exit codes: 0 resumed, 2 no token, 4 no worker answers.
    """
    told = find_page(url, base, name).order("resume")
    _print(told, as_json, lambda: "the worker takes tasks again")


add_set(app)


@app.command("deposit")
def deposit_stake(
    amount: AmountArgument,
    again: Annotated[
        str, typer.Option(metavar="NAME", help="Ask again after a deposit whose answer was lost.")
    ] = "",
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Let a running worker turn RLC of its wallet into stake; it takes tasks again by itself.

    The gas of the reveals it owes is kept. When no worker runs: `poolhand account deposit`.

    Example: poolhand worker deposit 25

    Exit codes: 0 deposited, 2 not that much RLC or gas, or no token, 4 no worker or no chain
    answers, 5 the wallet was used elsewhere meanwhile, 130 interrupted: it goes on depositing.
    """
    from poolhand.cli.depositing import deposit, deposit_report

    told = deposit(find_page(url, base, name), amount_of(amount), again)
    _print(told, as_json, lambda: deposit_report(told))


@app.command("upgrade")
def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Show what there is, and no more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; it is meant.")] = False,
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Have a worker replaced by the newer version that its pool gives, between two tasks.

    Shows the version, whose signature it has and the hashes of what is installed, and asks. The
    worker installs it beside itself, finishes what it holds, tries it, and is replaced by it; one
    that the pool does not let in changes nothing. Without asking, for good: setting upgrade-from.

    Example: poolhand worker upgrade

    Exit codes: 0 the newest works, or with --check it was told, 1 not replaced (you said no), 2 no
    token, no terminal without --yes, or the worker does not replace itself, 4 no worker or pool
    answers, or the new version did not come up, 130 interrupted: the worker goes on with it.
    """
    from poolhand.cli.upgrading import upgrade as upgrade_worker

    page = find_page(url, base, name)
    upgrade_worker(page, only_look=check, yes=yes, as_json=as_json)


@app.command("stop")
def stop(
    now: Annotated[
        bool, typer.Option("--now", help="End at once; says first what is at stake.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, with --now.")] = False,
    url: UrlOption = "",
    base: BaseOption = None,
    name: WorkerNameOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Stop a worker: it finishes, reveals and uploads what it holds, takes nothing new, and ends.

    Shows what is still held; Ctrl-C leaves the worker finishing. With --now it ends at once: the
    journal and all results are kept, and a restart before the deadline to reveal saves the stake.

    Example: poolhand worker stop

    Exit codes: 0 it has ended, 1 not stopped (you said no), 2 no token, or --now without --yes and
    without a terminal, 4 no worker answers, 130 interrupted: it goes on finishing.
    """
    from poolhand.cli.stopping import drain, stop_now

    page = find_page(url, base, name)
    if now:
        stop_now(page, yes=yes, as_json=as_json)
    else:
        drain(page, as_json=as_json)


add_journal(app)


def _print(told: Any, as_json: bool, shown: Callable[[], Any]) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        from poolhand.cli.terminal import Console

        Console(soft_wrap=False).print(shown())
