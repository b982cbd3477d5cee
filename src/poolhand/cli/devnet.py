"""``poolhand devnet``: a whole network on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand.cli import devnet_fault
from poolhand.cli.adversary import add_adversary
from poolhand.cli.faucet import add_faucet
from poolhand.cli.plain import JsonFlag, Noun
from poolhand.cli.programs import until_stopped
from poolhand.cli.saying import say
from poolhand.devnet.adversaries.kinds import STANDARD, Kind
from poolhand.devnet.info import INFO_FILE, DevnetInfo, NoDevnet, devnet_home
from poolhand.domain.errors import Unavailable
from poolhand.settings.chains import KNOWN_CHAINS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.devnet.health import Health
    from poolhand.devnet.plan import DevnetPlan

app = Noun(
    no_args_is_help=True,
    help="Run a whole network on this machine.",
)

DEVNET_PID_FILE: Final = "devnet.pid"
LOG_FILE: Final = "devnet.log"
NO_WORKERS: Final = (
    "none, and nothing is sold until one is connected: run your own with `poolhand worker start`, "
    "or start the network again: `poolhand devnet down`, then `poolhand devnet up --workers 4`"
)
PUBLIC_CHAINS: Final = tuple(name for name, chain in KNOWN_CHAINS.items() if not chain.native)
UP_SECONDS: Final = 180
DOWN_SECONDS: Final = 60

add_adversary(app)
add_faucet(app)
app.add_typer(devnet_fault.app, name="fault")


class TeeKind(StrEnum):
    """Enclaves of a devnet."""

    SIMULATED = "simulated"


class DevnetFailed(Unavailable):
    """The devnet in the background did not become ready, or did not stop."""


@app.command("up")
def up(
    workers: Annotated[int, typer.Option(min=0, max=64, help="Workers to run.")] = 4,
    block_time: Annotated[int, typer.Option(min=1, help="Seconds between blocks.")] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Run in the background.")] = False,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults", help="Add --lines, and one simulated adversary of each usual kind."
        ),
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Let the world misbehave: see `devnet fault`.")
    ] = False,
    disk: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROGRAM",
            help="Give a program a disk of its own, to be filled (root); may be repeated.",
        ),
    ] = None,
    engine: Annotated[
        bool, typer.Option("--engine", help="Run a Docker engine of its own, to be killed (root).")
    ] = False,
    adversary: Annotated[
        list[Kind] | None,
        typer.Option(
            metavar="KIND",
            help=f"Add a simulated adversary; may be repeated: {', '.join(Kind)}.",
        ),
    ] = None,
    like: Annotated[
        str,
        typer.Option(
            metavar="CHAIN",
            help=f"Have chain id and hub address of a public chain: {', '.join(PUBLIC_CHAINS)}.",
        ),
    ] = "",
    tee: Annotated[
        TeeKind | None,
        typer.Option(
            metavar="simulated",
            help="Take confidential tasks, in enclaves that keep nothing secret.",
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(help="Start a program again when it dies.", envvar="POOLHAND_DEVNET_RESTART"),
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Start Anvil, the real PoCo contracts, a registry, a market, results, a pool and workers.

    The pool sells itself in the market, and a matcher serves the requests that are published there.

    Simulated adversaries are real workers that misbehave, with stakes of their own. State is kept
    in $POOLHAND_HOME (or ./.poolhand) and resumed. Ctrl-C stops everything.

    Example: poolhand devnet up --workers 4 --detach

    Exit codes: 0 stopped (or, detached, ready), 2 already running, 4 something did not start.
    """
    kinds = (*(STANDARD if faults else ()), *(adversary or ()))
    disks = tuple(disk or ())
    lines = lines or faults or bool(disks) or engine
    if detach:
        chosen = (word for kind in kinds for word in ("--adversary", str(kind)))
        kept = "--restart" if restart else "--no-restart"
        world = ("--lines",) * lines + ("--engine",) * engine
        full = (word for name in disks for word in ("--disk", name))
        alike = ("--like", like) if like else ()
        enclaves = ("--tee", tee.value) if tee else ()
        more = (kept, *chosen, *world, *full, *alike, *enclaves)
        start_in_background(devnet_home(), workers, block_time, *more)
        info(as_json)
        return
    from poolhand import observe
    from poolhand.devnet.plan import DevnetPlan
    from poolhand.observe.program import begin_program

    observe.configure(level="warning", sentences=True)
    begin_program()
    plan = DevnetPlan(
        devnet_home(),
        workers,
        block_time,
        adversaries=kinds,
        restart=restart,
        faults=lines,
        disks=disks,
        engine=engine,
        like=like,
        tee=tee.value if tee else "",
    )
    asyncio.run(until_stopped(_up(plan, as_json)))


async def _up(plan: DevnetPlan, as_json: bool) -> None:
    from poolhand.cli.terminal import Console
    from poolhand.devnet.up import devnet

    home, console = plan.home, Console(stderr=True)
    async with devnet(plan, lambda line: console.print(f"· {line}")) as running:
        pid = home / DEVNET_PID_FILE
        pid.write_text(str(os.getpid()), encoding="utf-8")
        try:
            if as_json:
                print(json.dumps(running.info.dump()), flush=True)
            else:
                Console().print(_table(running.info))
                console.print("running; Ctrl-C stops everything and keeps the state")
            await asyncio.get_running_loop().create_future()
        finally:
            pid.unlink(missing_ok=True)


def start_in_background(
    home: Path, workers: int, block_time: int, *more: str, seconds: float = UP_SECONDS
) -> None:
    """Start a devnet that outlives this command, and wait until it is ready.

    What is not ready in time, or no longer waited for, is ended.

    Args:
        home: Its folder.
        workers: How many.
        block_time: Seconds between blocks.
        more: Further options of ``devnet up``.
        seconds: Until it must be ready.

    Raises:
        DevnetFailed: It did not start; the message has the end of its log.
    """
    from poolhand.observe.private import create_private, private_folder

    private_folder(home)
    log = home / LOG_FILE
    create_private(log)
    command = (sys.executable, "-m", "poolhand", "devnet", "up")
    arguments = ("--workers", str(workers), "--block-time", str(block_time), *more)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            (*command, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, "POOLHAND_HOME": str(home)},
        )
    try:
        _wait_until_ready(process, home, seconds)
    except BaseException:
        _end(process)
        raise


def _wait_until_ready(process: subprocess.Popen[bytes], home: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not (home / INFO_FILE).exists() or not (home / DEVNET_PID_FILE).exists():
        if process.poll() is not None:
            raise DevnetFailed(f"the devnet did not start: {_last_words(home)}")
        if time.monotonic() > until:
            raise DevnetFailed(
                f"the devnet was not ready in {seconds:.0f} s, and was ended: this machine has too "
                f"much to do, or what it waits for does not come; it said: {_last_words(home)}"
            )
        time.sleep(0.1)


def _last_words(home: Path) -> str:
    said = (home / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    return " / ".join(said.strip().split("\n")[-3:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a devnet as ``down`` does; one that does not end in time is killed."""
    process.terminate()
    try:
        process.wait(DOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@app.command("down")
def down(as_json: JsonFlag = False) -> None:
    """Stop the devnet in the background; its state is kept.

    Example: poolhand devnet down

    Exit codes: 0 stopped, 2 none runs, 4 it did not stop.
    """
    stop(devnet_home())
    if as_json:
        print(json.dumps({"stopped": True}))
    else:
        say("stopped; its state is kept", on_output=True)


def stop(home: Path) -> None:
    """Stop the devnet of a folder and wait until it is gone.

    Raises:
        NoDevnet: None runs.
        DevnetFailed: It does not stop.
    """
    pid = _pid(home)
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + DOWN_SECONDS
    while _is_alive(pid):
        if time.monotonic() > until:
            raise DevnetFailed(f"the devnet (process {pid}) does not stop: see {home / LOG_FILE}")
        time.sleep(0.1)


@app.command("info")
def info(as_json: JsonFlag = False) -> None:
    """Show addresses, URLs and accounts of the running devnet.

    Example: poolhand devnet info --json

    Exit codes: 0 shown, 2 none runs.
    """
    found = DevnetInfo.read(devnet_home())
    if as_json:
        print(json.dumps(found.dump(), indent=2))
    else:
        from poolhand.cli.terminal import Console

        Console().print(_table(found))


@app.command("status")
def status(as_json: JsonFlag = False) -> None:
    """Ask every program of the running devnet how it is: restarts, last exit, what is simulated.

    Example: poolhand devnet status

    Exit codes: 0 all is well, 2 none runs, 4 something does not answer or died.
    """
    from poolhand.devnet.health import ask_all

    home = devnet_home()
    answers: list[Health] = asyncio.run(ask_all(DevnetInfo.read(home), home))
    wrong = devnet_fault.in_force(home)
    if as_json:
        told = {} if wrong is None else {"faults": devnet_fault.dumped(wrong)}
        print(json.dumps({**{each.name: each.dump() for each in answers}, **told}, indent=2))
    else:
        from poolhand.cli.terminal import Console

        Console().print(_health(answers))
        if wrong:
            Console().print(devnet_fault.shown(wrong))
    if not all(each.ok for each in answers):
        raise DevnetFailed(
            "a program of the devnet does not answer or died: see its log in the logs folder"
        )


def _pid(home: Path) -> int:
    try:
        return int((home / DEVNET_PID_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise NoDevnet(home) from fault


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours, if this command started it: nobody else reaps it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _health(answers: list[Health]) -> RenderableType:
    from rich.text import Text

    from poolhand.cli.render import grid

    def row(each: Health) -> tuple[str, str | Text, str]:
        state = each.state or ("up" if each.ok else "down")
        return each.name, state if each.ok else Text(state, style="red"), each.detail

    return grid(("program", "state", "detail"), map(row, answers), "Devnet")


def _has_workers(info: DevnetInfo) -> bool:
    return any(name.startswith("worker-") for name in info.accounts) or bool(info.adversaries)


def _table(info: DevnetInfo) -> RenderableType:
    from rich.console import Group

    from poolhand.cli.render import pairs

    places: tuple[tuple[str, Any], ...] = (
        ("chain", f"{info.rpc_url} (id {info.chain_id})"),
        ("hub", info.hub),
        ("RLC", info.rlc),
        ("workerpool", info.workerpool),
        ("pool", info.pool_url),
        ("market", info.market_url),
        ("pages", f"{info.pages_url} (open it in a browser)"),
        ("documentation", info.site_url or "not built here: `make site` builds it"),
        ("results", info.results_url),
        ("secrets", info.sms_url),
        ("image registry", info.registry),
        ("files", f"{info.files_url} serves {info.files}"),
        *((f"iExec SDK {each}", name) for each, name in info.chain_files.items()),
        ("workers", None if _has_workers(info) else NO_WORKERS),
    )
    accounts = ((_label(info, name), each.address) for name, each in info.accounts.items())
    return Group(pairs(places, "Devnet"), "", pairs(accounts, "Accounts, named with --as NAME"))


def _label(info: DevnetInfo, name: str) -> str:
    """Return an account's name; whose owner misbehaves is called a simulated adversary."""
    kind = info.adversaries.get(name)
    return name if kind is None else f"{name} (simulated adversary: {kind})"
