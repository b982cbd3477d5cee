"""``poolhand fleet up``: from a pool's address to many workers, one step after the other.

As with one worker (``domain.joining``) nothing is remembered of steps: what is there decides what
comes next, so the same command goes on wherever it was cut off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.command_run import CommandRun
from poolhand.cli.fleet.files import write_compose, write_units
from poolhand.cli.fleet.folder import Fleet, FleetFolder, FleetMember
from poolhand.cli.fleet.funding import FleetFunder, FleetPaid, counted
from poolhand.cli.fleet.launch import fleet_launcher
from poolhand.cli.fleet.locks import changing
from poolhand.cli.fleet.orders import await_let_in
from poolhand.cli.fleet.rows import member_page
from poolhand.cli.fleet.wallets import make_wallets, more_wallets
from poolhand.cli.join_world import SLOW_LIMIT, check_ready
from poolhand.devnet.info import DevnetInfo, NoDevnet, devnet_home
from poolhand.domain.doctor.machine import show_bytes, usual_slots
from poolhand.domain.doctor.network import ONLY_INVITED
from poolhand.domain.errors import Refused
from poolhand.domain.input_url import is_near_url
from poolhand.domain.joining import wished_stake
from poolhand.domain.session_limits import CONNECTIONS_PER_ADDRESS
from poolhand.domain.units import NanoRlc, Wei

if TYPE_CHECKING:
    from poolhand.wire.join_api import JoinManifest
    from poolhand.wire.pool_api import PoolConfig

USUAL_TASK_MEMORY: Final = 1024**3
"""Bytes that one task may take unless a worker is told otherwise."""


class FleetOfOtherPool(Refused):
    """The fleet of this name works for another pool."""


class OtherSize(Refused):
    """The fleet of this name has another number of workers."""


class TooManySlots(Refused):
    """More tasks at once than this computer has CPUs."""


class AllAreHere(Refused):
    """Files for other machines were wanted, and no worker of the fleet is for one."""


@dataclass(frozen=True, slots=True)
class UpTerms:
    """What was asked for.

    Attributes:
        workers: How many; 0: as many as there are.
        slots: Tasks at once of each; 0: this computer's CPUs shared among them.
        stake: For each (nRLC); None: a task of the cheapest category in each slot.
        coin: For each (wei); None: gas for ten tasks.
        oversubscribe: Whether tasks may share CPUs.
        words_file, words_to: Where the recovery phrase comes from, and goes to.
        units, compose: Where files for other machines go; None: the workers run here.
        yes: It was said beforehand that all is meant.
        only: Names of workers for which files are written; empty: all that are not here.
    """

    workers: int = 0
    slots: int = 0
    stake: NanoRlc | None = None
    coin: Wei | None = None
    oversubscribe: bool = False
    words_file: str = ""
    words_to: str = ""
    units: Path | None = None
    compose: Path | None = None
    yes: bool = False
    only: frozenset[str] = frozenset()

    @property
    def is_here(self) -> bool:
        """Whether the workers are to run on this machine."""
        return self.units is None and self.compose is None

    @property
    def file_words(self) -> tuple[str, ...]:
        """What says on a command line where files for other machines go."""
        told = {"--units": self.units, "--compose": self.compose}
        return tuple(
            word for option, to in told.items() if to is not None for word in (option, str(to))
        )


@dataclass(frozen=True, slots=True)
class FleetUp:
    """What has come of it.

    Attributes:
        folder, fleet: The fleet.
        funded: What was paid.
        away: Workers that the pool has not let in yet.
        text: Says how to bring files to other machines; None: nothing is to be brought.
    """

    folder: FleetFolder
    fleet: Fleet
    funded: FleetPaid
    away: tuple[FleetMember, ...] = ()
    text: Path | None = None


def check_slots(workers: int, slots: int, cpus: int, *, oversubscribe: bool) -> int:
    """Return the slots of each of so many workers on this computer.

    Args:
        workers: How many run here.
        slots: Of each; 0: what the CPUs give, one at least.
        cpus: That this program may use.
        oversubscribe: Whether tasks may share CPUs.

    Raises:
        TooManySlots: There would be more tasks at once than CPUs.
    """
    each = slots or max(1, usual_slots(cpus) // max(workers, 1))
    if workers * each > cpus and not oversubscribe:
        most = cpus // max(slots, 1)
        fewer = f"have at most {most} workers here" if most else "give each fewer tasks at once"
        raise TooManySlots(
            f"{workers} workers with {each} task{'' if each == 1 else 's'} at once each need "
            f"{workers * each} CPUs, and this computer has {cpus}: {fewer}, bring the others to "
            "other machines (--units, --compose), or let tasks share CPUs with --oversubscribe"
        )
    return each


def told_memory(tasks: int, total: int) -> str:
    """Say that this computer's memory may not do for so many tasks at once; empty where it does."""
    if tasks * USUAL_TASK_MEMORY <= total:
        return ""
    return (
        f"{tasks} tasks at once may take {show_bytes(tasks * USUAL_TASK_MEMORY)} of memory, and "
        f"this computer has {show_bytes(total)}: tasks that take all of it are ended when it runs "
        "out"
    )


class FleetMaker:
    """Makes a fleet, step after step.

    Args:
        command: As it was typed; its wallet pays.
        there: On the chain of the pool, without a wallet.
        folder: Of the fleet.
        manifest, config: What the pool says of itself.
        stake_percent: Of a task's price that workers lock.
        terms: What was asked for.
    """

    def __init__(
        self,
        command: CommandRun,
        there: CommandRun,
        folder: FleetFolder,
        manifest: JoinManifest,
        config: PoolConfig,
        stake_percent: int,
        terms: UpTerms,
    ) -> None:
        self._command, self._there, self._folder = command, there, folder
        self._manifest, self._config = manifest, config
        self._percent, self._terms = stake_percent, terms

    async def up(self) -> FleetUp:
        """Do whatever is still to be done until all workers run, or can be brought elsewhere.

        Raises:
            FleetBeingChanged, FleetOfOtherPool, …: What the person must do first.
        """
        with changing(self._folder):
            fleet, funded = await self._funded()
            text = self._write_files(fleet)
        return FleetUp(self._folder, fleet, funded, self._start(fleet), text)

    async def _funded(self) -> tuple[Fleet, FleetPaid]:
        """Make what is not there yet, and pay what it lacks."""
        fleet = self._fleet()
        if self._config.by_invitation:
            invited = ", ".join(each.address for each in fleet.members)
            self._command.note(f"{ONLY_INVITED}: {invited}")
        self._folder.write_settings(fleet)
        if fleet.here and not any(member_page(self._folder, each) for each in fleet.here):
            await self._check_computer(fleet)
        stake = self._terms.stake
        if stake is None:
            told = fleet.wish
            prices, slots = self._config.prices, fleet.slots
            stake = told.stake if told else wished_stake(prices, self._percent, slots)
        payer = FleetFunder(
            self._payer(), self._folder, stake, self._terms.coin, yes=self._terms.yes
        )
        return await payer.fund(fleet)

    def _fleet(self) -> Fleet:
        """Return the fleet, made where it is not there yet.

        Raises:
            FleetOfOtherPool, OtherSize, TooManySlots, …: What the person must change.
        """
        terms = self._terms
        if self._folder.is_made:
            fleet = self._folder.read()
            if fleet.pool != str(self._manifest.workerpool):
                raise FleetOfOtherPool(
                    f"fleet {self._folder.name} works for pool {fleet.pool}: name another fleet "
                    "with --fleet"
                )
            if terms.workers not in (0, len(fleet.members)):
                raise OtherSize(
                    f"fleet {self._folder.name} has {len(fleet.members)} workers: `poolhand fleet "
                    "add` makes more, `poolhand fleet remove` takes some away"
                )
            if not terms.is_here and len(fleet.here) == len(fleet.members):
                raise AllAreHere(
                    f"all workers of fleet {self._folder.name} run on this machine: make another "
                    "with --fleet NAME, or more of this with `poolhand fleet add`"
                )
            return fleet
        if not terms.workers:
            raise OtherSize("say how many workers are wanted: --workers N")
        slots = self._slots(terms.workers)
        members = make_wallets(
            self._folder,
            terms.workers,
            words_file=terms.words_file,
            words_to=terms.words_to,
            yes=terms.yes,
        )
        self._folder.settle()
        fleet = Fleet(
            self._manifest.url,
            str(self._manifest.workerpool),
            self._settings(),
            slots,
            tuple(replace(each, is_here=terms.is_here) for each in members),
            len(members),
            members[0].address,
        )
        self._folder.write(fleet)
        return fleet

    def _slots(self, workers: int) -> int:
        """Return the slots of each worker, and tell what this computer may be short of."""
        import psutil

        from poolhand.observe.processors import usable_cpus

        terms = self._terms
        if not terms.is_here:
            if any(map(is_near_url, (self._manifest.url, *self._there.found["rpc"]))):
                self._command.note(
                    "pool or node is at an address of this computer or its network: workers on "
                    "other machines reach it only from there"
                )
            return terms.slots or 1
        slots = check_slots(workers, terms.slots, usable_cpus(), oversubscribe=terms.oversubscribe)
        if told := told_memory(workers * slots, psutil.virtual_memory().total):
            self._command.note(told)
        if workers > CONNECTIONS_PER_ADDRESS:
            self._command.note(
                f"a pool lets in {CONNECTIONS_PER_ADDRESS} workers of one address unless its owner "
                "has it otherwise: ask the owner, or bring some to other networks"
            )
        return slots

    def _settings(self) -> Mapping[str, str]:
        """Return the settings by which workers find the chain that was looked at here."""
        manifest, nodes = self._manifest, ",".join(self._there.found["rpc"])
        name = self._there.flags.get("chain")
        if name:
            found = {"chain": str(name), **({"rpc": nodes} if nodes else {})}
        else:
            chain_id = str(manifest.chain_id)
            found = {"rpc": nodes, "hub": str(manifest.hub), "chain-id": chain_id}
        if is_near_url(manifest.url):
            found["allow-private"] = "true"
        if self._terms.oversubscribe:
            found["oversubscribe"] = "true"
        docker = os.environ.get("DOCKER_HOST", "")
        return {**found, **({"docker": docker} if docker and self._terms.is_here else {})}

    async def _check_computer(self, fleet: Fleet) -> None:
        """Have the doctor look at this computer as the first worker finds it, before any payment.

        Raises:
            ComputerNotReady: A check failed that money does not fix.
        """
        from poolhand.cli.join import examined

        check_ready(await examined(self._folder.member(fleet.here[0])))

    def _payer(self) -> CommandRun:
        """Return the run whose wallet pays: that of the devnet, where it is the pool's chain."""
        if self._command.flags.get("as_") or _is_of_devnet(self._there.found["rpc"]):
            return self._command
        return replace(self._there, flags={**self._there.flags, "state": ""})

    def _write_files(self, fleet: Fleet) -> Path | None:
        terms = self._terms
        away = [each for each in fleet.members if not each.is_here]
        members = [each for each in away if not terms.only or each.name in terms.only]
        if terms.units is not None:
            return write_units(self._folder, fleet, members, terms.units)
        if terms.compose is not None:
            return write_compose(self._folder, fleet, members, terms.compose)
        return None

    def _start(self, fleet: Fleet) -> tuple[FleetMember, ...]:
        wanted = [each for each in fleet.here if not self._folder.is_stopped(each)]
        return start_workers(self._command, self._folder, wanted)


def _is_of_devnet(nodes: Sequence[str]) -> bool:
    """Whether nodes are those of the devnet that runs here."""
    try:
        return DevnetInfo.read(devnet_home()).rpc_url in nodes
    except NoDevnet:
        return False


def start_workers(
    command: CommandRun, folder: FleetFolder, members: Sequence[FleetMember]
) -> tuple[FleetMember, ...]:
    """Start workers and wait until the pool has let them in; return those that it has not."""
    if not members:
        return ()
    launcher = fleet_launcher(folder, os.environ)
    command.note(f"starting {counted(len(members), 'worker')}: {launcher.told}")
    launcher.start(members)
    return await_let_in(folder, members, SLOW_LIMIT / 3, command.note)


def add_members(
    folder: FleetFolder, count: int, words_file: str, *, is_here: bool
) -> tuple[Fleet, tuple[FleetMember, ...]]:
    """Make wallets for more workers, of the same phrase; accounts once used are used no more."""
    with changing(folder):
        fleet = folder.read()
        wanted = range(fleet.accounts, fleet.accounts + count)
        made = more_wallets(folder, fleet.first, wanted, words_file)
        added = tuple(replace(each, is_here=is_here) for each in made)
        fleet = replace(fleet, members=(*fleet.members, *added), accounts=fleet.accounts + count)
        folder.write(fleet)
    return fleet, added


def up_members(found: FleetUp) -> dict[str, Any]:
    """Return what has come of it for programs."""
    return {
        "fleet": found.folder.name,
        "folder": str(found.folder.path),
        "workers": [
            {"name": each.name, "wallet": each.address, "here": each.is_here}
            for each in found.fleet.members
        ],
        "paid": found.funded.members(),
        "not_let_in": [each.name for each in found.away],
        "files": None if found.text is None else str(found.text),
    }
