"""What the verbs of ``poolhand fleet`` share: the fleet that is meant, its chain, what is told."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolhand.cli.command_run import CommandRun
from poolhand.cli.confirming import confirm
from poolhand.cli.verb import Answer
from poolhand.domain.errors import Refused
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc

if TYPE_CHECKING:
    from poolhand.cli.fleet.folder import Fleet, FleetFolder, FleetMember
    from poolhand.cli.fleet.orders import OrderTold
    from poolhand.cli.fleet.up import FleetUp, UpTerms


class NoSuchWorker(Refused):
    """The fleet has no worker of this name."""


class TwoPlaces(Refused):
    """Unit files and a compose file were wanted at once."""


class NothingToRunOn(Refused):
    """Workers were to leave all they have and to run on."""

    def __init__(self) -> None:
        super().__init__(
            "--all leaves a worker neither stake nor coin, and one that is to run on (--running) "
            "takes no task without: say --keep-stake and --keep-coin instead of --all, or stop "
            "the workers first (`poolhand fleet stop`) and leave --running out"
        )


async def make_or_resume(command: CommandRun, url: str, name: str, terms: UpTerms) -> FleetUp:
    """Ask the pool and the chain, and make the fleet, or go on with it."""
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.up import FleetMaker
    from poolhand.cli.joined_pool import ask_pool, check_owner, on_pools_chain

    manifest, config = await ask_pool(command, url)
    folder = FleetFolder.of(name or f"pool-{str(manifest.workerpool)[2:10].lower()}")
    command.farewell = f"nothing is lost: {goes_on(url, folder, terms.file_words)}"
    there = on_pools_chain(command, url, manifest, folder.payments)
    async with there.requester() as requester:
        percent = await check_owner(requester, manifest)
    return await FleetMaker(command, there, folder, manifest, config, percent, terms).up()


def goes_on(url: str, folder: FleetFolder, files: Sequence[str] = ()) -> str:
    """Say by which command goes on what makes, funds or starts a fleet.

    Args:
        url: Where its pool answers.
        folder: Of the fleet.
        files: Words that say where files for other machines go.
    """
    words = ("poolhand", "fleet", "up", "--pool", url, "--fleet", folder.name, *files)
    return f"`{shlex.join(words)}` goes on"


def file_places(units: str, compose: str) -> tuple[Path | None, Path | None]:
    """Return where unit files and a compose file go; None: none is wanted.

    Raises:
        TwoPlaces: Both are.
        FilesThere: They could not be written once all was paid.
    """
    from poolhand.cli.fleet.files import check_compose_free, check_units_free

    if units and compose:
        raise TwoPlaces("--units and --compose name two ways: give one of them")
    if units:
        check_units_free(Path(units))
    if compose:
        check_compose_free(Path(compose))
    return Path(units) if units else None, Path(compose) if compose else None


def check_room(workers: int, slots: int, *, oversubscribe: bool) -> None:
    """Check that so many workers have room here; raises TooManySlots."""
    from poolhand.cli.fleet.up import check_slots
    from poolhand.observe.processors import usable_cpus

    check_slots(workers, slots, usable_cpus(), oversubscribe=oversubscribe)


def up_told(found: FleetUp) -> Answer:
    """Answer with what has come of making a fleet."""
    from poolhand.cli.exits import NOT_COMPLETED
    from poolhand.cli.fleet.funding import counted
    from poolhand.cli.fleet.up import up_members

    def shown() -> str:
        lines = [f"fleet {found.folder.name}: {counted(len(found.fleet.members), 'worker')}"]
        if found.funded.transactions:
            paid = found.funded
            lines.append(
                f"paid: {show_rlc(paid.stake)} RLC of stake, {show_coin(paid.coin)} coins, "
                f"{show_coin(paid.gas)} coins of gas in {counted(paid.transactions, 'transaction')}"
            )
        if found.text is not None:
            lines.append(f"how to bring the others to their machines: {found.text}")
        if found.away:
            names = ", ".join(each.name for each in found.away)
            lines.append(f"not let in yet: {names}; `poolhand fleet list` says why")
        lines.append("`poolhand fleet list` shows them, `poolhand fleet stop` ends them")
        return "\n".join(lines)

    return Answer(up_members(found), shown, NOT_COMPLETED if found.away else 0)


def orders_told(told: Sequence[OrderTold]) -> Answer:
    """Answer with what has become of an order to each worker."""
    from poolhand.cli.exits import NOT_COMPLETED
    from poolhand.cli.render import grid

    rows = [(each.member.name, each.state, each.trouble) for each in told]
    is_whole = not any(each.trouble for each in told)
    return Answer(
        [each.members() for each in told],
        lambda: grid(("worker", "state", "trouble"), rows),
        0 if is_whole else NOT_COMPLETED,
    )


def check_kept(*, all_: bool, running: bool, named: bool) -> None:
    """Check that workers that run on keep something to run on; raises NothingToRunOn.

    Args:
        all_: Whether they are to leave all they have.
        running: Whether they run on.
        named: Whether what they keep of stake and coin is named all the same.
    """
    if all_ and running and not named:
        raise NothingToRunOn


def upgrade_fleet(
    command: CommandRun, folder: FleetFolder, *, only_look: bool, yes: bool
) -> Answer:
    """Look which version the pool gives, ask, and have workers replaced one after the other.

    Raises:
        FleetBeingChanged: Another command has the fleet.
        ConfirmationMissing: Nobody is there to say yes.
    """
    from poolhand.cli.exits import NOT_COMPLETED
    from poolhand.cli.fleet.funding import counted
    from poolhand.cli.fleet.locks import changing
    from poolhand.cli.fleet.upgrading import FleetUpgrade
    from poolhand.cli.render import grid

    with changing(folder):
        work = FleetUpgrade(folder, folder.read().members, command.note)
        given = work.look()
        if given and not only_look:
            command.note(given)
            confirm(f"{counted(work.due, 'worker')} to install that, one by one", yes=yes)
            command.farewell = (
                "the worker whose turn it is goes on with it; the others work on as they are"
            )
            work.carry_out()
    told = work.outcomes()
    rows = [(e.member.name, e.state, e.version, e.newer, e.trouble) for e in told]
    return Answer(
        [each.members() for each in told],
        lambda: grid(("worker", "state", "version", "the pool gives", "trouble"), rows),
        NOT_COMPLETED if any(each.trouble for each in told) else 0,
    )


def named(fleet: Fleet, name: str) -> FleetMember:
    """Return the worker of a name; raises NoSuchWorker."""
    for each in fleet.members:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in fleet.members)
    raise NoSuchWorker(f"the fleet has no worker '{name}': choose among {known}")


async def ask_to_leave(there: CommandRun, gone: Sequence[FleetMember], *, yes: bool) -> None:
    """Say what is left in wallets that leave, and ask, if there is anything."""
    from poolhand.cli.fleet.funding import holdings

    async with there.requester() as requester:
        has = (await holdings(requester.hub, [each.wallet for each in gone])).values()
    rlc = NanoRlc(sum(each.free + each.locked + each.rlc for each in has))
    coin = Wei(sum(each.coin for each in has))
    if rlc or coin:
        what = (
            f"take out {len(gone)} workers whose wallets keep {show_rlc(rlc)} RLC and "
            f"{show_coin(coin)} coins, which no `fleet collect` sees any more"
        )
        confirm(what, yes=yes)


def on_its_chain(command: CommandRun, folder: FleetFolder, fleet: Fleet) -> CommandRun:
    """Return the same run on the chain of a fleet, without a wallet of its own."""
    told = fleet.settings
    nodes = list(command.found["rpc"]) or [each for each in told.get("rpc", "").split(",") if each]
    flags: dict[str, Any] = {
        **command.flags,
        "chain": told.get("chain", ""),
        "rpc": nodes,
        "hub": told.get("hub", ""),
        "chain_id": told.get("chain-id", ""),
        "as_": "",
        "wallet": "",
        "password_file": "",
        "state": str(folder.payments),
    }
    return replace(command, flags=flags)
