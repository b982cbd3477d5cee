"""``poolhand join``: from a pool's address to a worker that computes, in one command."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import KeyFileOption
from poolhand.cli.plain import Noun
from poolhand.cli.verb import Answer, verb
from poolhand.domain.input_url import is_near_url
from poolhand.domain.units import parse_rlc

if TYPE_CHECKING:
    from poolhand.cli.join_folder import JoinFolder
    from poolhand.cli.join_world import JoinTerms
    from poolhand.domain.doctor.findings import Examination
    from poolhand.wire.join_api import JoinManifest

app = Noun()

PoolUrlArgument = Annotated[str, typer.Argument(metavar="POOL_URL", help="Where the pool answers.")]
JoinYesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask; all of it is meant.")]
UpgradesFlag = Annotated[
    bool,
    typer.Option(
        "--upgrades", help="Install newer versions that the pool's owner signs, without asking."
    ),
]
UninstallFlag = Annotated[
    bool, typer.Option("--uninstall", help="Take the worker away again; wallets stay.")
]
JoinStakeOption = Annotated[
    str, typer.Option("--stake", metavar="RLC", help="To deposit. [a task in each slot]")
]
WordsFileOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="Its first line are recovery words; '-': standard input."),
]

DOCKER_VARIABLE: Final = "DOCKER_HOST"
"""Variable that names a container engine."""


@verb(app, "join", example="poolhand join https://pool.example")
async def join(
    command: CommandRun,
    url: PoolUrlArgument,
    yes: JoinYesFlag = False,
    uninstall: UninstallFlag = False,
    stake: JoinStakeOption = "",
    upgrades: UpgradesFlag = False,
    key_file: KeyFileOption = "",
    words_file: WordsFileOption = "",
) -> Answer:
    """Turn this computer into a worker of a pool: wallet, stake, service, start.

    It checks that the pool is its owner's, takes or makes a wallet for this worker alone, has the
    doctor look at this computer, tells what is missing and waits for it, asks before it deposits,
    and starts the worker so that it is there after a restart, too. The same command again goes on
    where it was cut off, and shows the worker once it runs.

    Without a question: --yes, with --password-file for a new wallet; --wallet takes one of yours.
    Settings may stand in a file (--config).
    """
    from poolhand.cli.join_engine import join_pool
    from poolhand.cli.join_page import all_set
    from poolhand.cli.join_world import ThisComputer, running
    from poolhand.cli.joined_pool import check_owner, on_pools_chain
    from poolhand.transport.clock import SystemClock

    manifest, terms = await _asked(command, url, stake, yes=yes)
    terms = replace(terms, upgrades=upgrades)
    folder = _folder(manifest)
    if uninstall:
        return _uninstalled(command, url, manifest, folder)
    command.farewell = f"nothing is lost: `poolhand join {url}` goes on"
    there = on_pools_chain(command, url, manifest, folder.path / "payments")
    async with there.requester() as requester:
        owned = await check_owner(requester, manifest)
        terms = replace(terms, stake_percent=owned)
        world = ThisComputer(
            there,
            requester,
            terms,
            _wallet_wish(command, key_file, words_file, yes=yes),
            folder,
            _launcher(folder),
            lambda: examined(folder),
            SystemClock(),
        )
        seen = await join_pool(world)
    page = running(folder)
    assert page is not None
    told = {"pool": manifest.url, "wallet": str(seen.wallet), "settings": str(folder.settings)}
    return all_set(page, told)


async def _asked(
    command: CommandRun, url: str, stake: str, *, yes: bool
) -> tuple[JoinManifest, JoinTerms]:
    """Ask the pool who it is; raises NotThatPool where it says two things."""
    from poolhand.cli.join_world import JoinTerms
    from poolhand.cli.joined_pool import ask_pool
    from poolhand.domain.doctor.machine import usual_slots
    from poolhand.observe.processors import usable_cpus

    least = parse_rlc(stake) if stake else None
    manifest, config = await ask_pool(command, url)
    slots = usual_slots(usable_cpus())
    docker = os.environ.get(DOCKER_VARIABLE, "")
    is_here = is_near_url(url)
    return manifest, JoinTerms(manifest, config, 0, slots, least, yes, docker, is_here)


def _folder(manifest: JoinManifest) -> JoinFolder:
    from poolhand.cli.join_folder import JOIN_HOME_VARIABLE, JoinFolder

    return JoinFolder.of(
        manifest.workerpool, Path(os.environ.get(JOIN_HOME_VARIABLE) or "~/.poolhand")
    )


def _launcher(folder: JoinFolder) -> Any:
    from poolhand.cli.join_service import launcher_for

    return launcher_for(folder, os.environ)


async def examined(folder: JoinFolder) -> Examination:
    """Have the doctor look at this computer, by the settings of the worker that is to run."""
    from poolhand.cli.funding import where_from
    from poolhand.keys.named import the_wallet, told_password
    from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings
    from poolhand.settings.load import load
    from poolhand.worker.doctor.main import examine_worker

    found = load(DOCTOR_OPTIONS, {}, {}, folder.settings)
    return await examine_worker(
        doctor_settings(found, {}),
        lambda: the_wallet(found["wallet"], found["keystore"]),
        lambda: told_password(found, "wallet-password"),
        where_from,
    )


def _wallet_wish(command: CommandRun, key_file: str, words_file: str, *, yes: bool) -> Any:
    from poolhand.cli.join_wallet import WalletWish

    asks = not yes and sys.stdin.isatty()
    return WalletWish(str(command.found["wallet"]), key_file, words_file, asks)


def _uninstalled(
    command: CommandRun, url: str, manifest: JoinManifest, folder: JoinFolder
) -> Answer:
    """Stop a worker once it holds nothing any more, and take it away."""
    from poolhand.cli.join_uninstall import check_stopped
    from poolhand.cli.join_world import running
    from poolhand.cli.stopping import drain
    from poolhand.keys.lock import forget_locks

    page, locks = running(folder), Path(command.found["locks"])
    if page is not None:
        drain(page, as_json=False)
        _launcher(folder).remove()
    else:
        check_stopped(folder, locks, url)
        _launcher(folder).remove()
        check_stopped(folder, locks, url)  # it may have been started meanwhile, for a moment
    wallet = folder.wallet()
    forget_locks(locks)  # the worker's, and that of a devnet's faucet
    folder.remove()
    told = {"pool": manifest.url, "wallet": None if wallet is None else str(wallet)}
    stays = f"; wallet {wallet} and its stake stay: `poolhand account withdraw`" if wallet else ""
    return Answer({"uninstalled": True, **told}, lambda: f"the worker is taken away{stays}")
