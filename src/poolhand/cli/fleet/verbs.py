"""The verbs of ``poolhand fleet``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from poolhand.cli.command_run import CommandRun
from poolhand.cli.confirming import confirm
from poolhand.cli.fleet.options import (
    CheckFlag,
    CoinOption,
    CollectAllFlag,
    CollectToOption,
    ComposeOption,
    ElsewhereFlag,
    FleetOption,
    FleetPoolOption,
    FleetWordsOption,
    KeepCoinOption,
    KeepStakeOption,
    NamesArgument,
    NoWaitFlag,
    NowFlag,
    OverFlag,
    PortOption,
    RunningFlag,
    SlotsOption,
    StakeOption,
    UnitsOption,
    WordsToOption,
    WorkersOption,
    YesFlag,
)
from poolhand.cli.fleet.steps import (
    ask_to_leave,
    check_kept,
    check_room,
    file_places,
    goes_on,
    make_or_resume,
    named,
    on_its_chain,
    orders_told,
    up_told,
    upgrade_fleet,
)
from poolhand.cli.lists import ListBlocksOption
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.units import parse_coin, parse_rlc, show_coin, show_rlc

app = noun("Run many workers, each with a wallet of its own, and see and tell them as one.")


@verb(app, "up", example="poolhand fleet up --workers 4 --pool https://pool.example")
async def up(
    command: CommandRun,
    pool: FleetPoolOption,
    workers: WorkersOption = 0,
    fleet: FleetOption = "",
    slots: SlotsOption = 0,
    stake: StakeOption = "",
    coin: CoinOption = "",
    oversubscribe: OverFlag = False,
    words_file: FleetWordsOption = "",
    words_to: WordsToOption = "",
    units: UnitsOption = "",
    compose: ComposeOption = "",
    yes: YesFlag = False,
) -> Answer:
    """Make workers of a pool: wallets of one recovery phrase, stake and gas from one wallet, start.

    The phrase is shown once and kept nowhere. What is to be paid is told before anything is sent.
    The same command again goes on where it was cut off, and pays nothing twice. With --units or
    --compose the workers are for other machines, and none is started here.
    """
    from poolhand.cli.fleet.up import UpTerms

    unit_files, compose_file = file_places(units, compose)
    terms = UpTerms(
        workers=workers,
        slots=slots,
        stake=parse_rlc(stake) if stake else None,
        coin=parse_coin(coin) if coin else None,
        oversubscribe=oversubscribe,
        words_file=words_file,
        words_to=words_to,
        units=unit_files,
        compose=compose_file,
        yes=yes,
    )
    return up_told(await make_or_resume(command, pool, fleet, terms))


@verb(app, "add", example="poolhand fleet add --workers 2 --words-file phrase.txt")
async def add(
    command: CommandRun,
    workers: WorkersOption,
    fleet: FleetOption = "",
    words_file: FleetWordsOption = "",
    units: UnitsOption = "",
    compose: ComposeOption = "",
    yes: YesFlag = False,
) -> Answer:
    """Add workers to a fleet, of the same recovery phrase, which is asked for.

    They are staked and started as `poolhand fleet up` does; cut off, that goes on.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.funding import counted
    from poolhand.cli.fleet.up import UpTerms, add_members

    unit_files, compose_file = file_places(units, compose)
    folder = FleetFolder.meant(fleet)
    known = folder.read()
    is_here = unit_files is None and compose_file is None
    oversubscribe = known.settings.get("oversubscribe") == "true"
    if is_here:
        check_room(len(known.here) + workers, known.slots, oversubscribe=oversubscribe)
    known, added = add_members(folder, workers, words_file, is_here=is_here)
    terms = UpTerms(
        oversubscribe=oversubscribe,
        units=unit_files,
        compose=compose_file,
        yes=yes,
        only=frozenset(each.name for each in added),
    )
    further = goes_on(known.url, folder, terms.file_words)
    command.note(
        f"{counted(len(added), 'worker')} added. If this ends before they are paid and run, "
        f"{further}; `poolhand fleet add` would add others"
    )
    command.farewell = f"nothing is lost: {further}"
    return up_told(await make_or_resume(command, known.url, folder.name, terms))


@verb(app, "list", example="poolhand fleet list")
async def list_(
    command: CommandRun, fleet: FleetOption = "", blocks: ListBlocksOption = 100_000
) -> Answer:
    """Show all workers of a fleet: what they do, have and earned, and why they are idle.

    Workers and chain are asked at the same time, each for a few seconds: what is not told by then
    is a question mark.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.rows import fleet_rows, fleet_table, sums

    folder = FleetFolder.meant(fleet)
    known = folder.read()
    async with on_its_chain(command, folder, known).requester() as requester:
        rows = await fleet_rows(folder, known, requester, blocks)
    told = {
        "fleet": folder.name,
        "pool": known.url,
        "workers": [each.members() for each in rows],
        "together": sums(rows),
    }
    return Answer(told, lambda: fleet_table(rows, f"fleet {folder.name}, pool {known.url}"))


@verb(app, "page", example="poolhand fleet page --port 13180")
async def page(
    command: CommandRun,
    fleet: FleetOption = "",
    port: PortOption = 0,
    blocks: ListBlocksOption = 100_000,
) -> Answer:
    """Show the same in a browser of this computer, live, until stopped by Ctrl-C.

    The address has a token; nobody is shown anything without it. The page drains and resumes all.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.launch import fleet_launcher
    from poolhand.cli.fleet.look import FleetLook
    from poolhand.cli.fleet.orders import drain_all, resume_all
    from poolhand.cli.fleet.page import serve_page
    from poolhand.cli.programs import until_stopped

    folder = FleetFolder.meant(fleet)
    launcher = fleet_launcher(folder, os.environ)
    orders = {
        "drain": lambda: drain_all(folder, folder.read().here),
        "resume": lambda: resume_all(folder, folder.read().here, launcher),
    }
    async with on_its_chain(command, folder, folder.read()).requester() as requester:
        look = FleetLook(folder, requester, blocks)
        try:
            await until_stopped(serve_page(port, look, orders, command.note))
        finally:
            await look.close()
    return Answer({"stopped": True}, lambda: "the page is closed; the workers go on")


@verb(app, "drain", example="poolhand fleet drain", local=True)
def drain(command: CommandRun, fleet: FleetOption = "") -> Answer:
    """Have all workers take nothing new, finish what they hold, and end; does not wait.

    `poolhand fleet resume` takes it back.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.orders import drain_all

    del command
    folder = FleetFolder.meant(fleet)
    return orders_told(drain_all(folder, folder.read().here))


@verb(app, "resume", example="poolhand fleet resume", local=True)
def resume(command: CommandRun, fleet: FleetOption = "", no_wait: NoWaitFlag = False) -> Answer:
    """Have all workers take tasks again, and start those that do not run."""
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.launch import fleet_launcher
    from poolhand.cli.fleet.orders import await_let_in, resume_all
    from poolhand.cli.join_world import START_LIMIT

    folder = FleetFolder.meant(fleet)
    here = folder.read().here
    told = resume_all(folder, here, fleet_launcher(folder, os.environ))
    if not no_wait:
        await_let_in(folder, here, START_LIMIT, command.note)
    return orders_told(told)


@verb(app, "stop", example="poolhand fleet stop", local=True)
def stop(
    command: CommandRun, fleet: FleetOption = "", now: NowFlag = False, yes: YesFlag = False
) -> Answer:
    """Have all workers finish what they hold, and wait until they have ended; they stay stopped.

    Ctrl-C leaves them finishing. With --now they end at once: their journals are kept, and a
    restart before the deadline to reveal saves the stake.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.launch import fleet_launcher
    from poolhand.cli.fleet.orders import await_ended, drain_all, end_all

    folder = FleetFolder.meant(fleet)
    here = folder.read().here
    if now:
        confirm("end all workers at once, whatever stake their tasks have locked", yes=yes)
    told = (end_all if now else drain_all)(folder, here)
    command.farewell = (
        "the workers go on finishing and then end; `poolhand fleet resume` takes it back"
    )
    asked = [each.member for each in told if not each.trouble]
    await_ended(folder, asked, command.note)
    launcher = fleet_launcher(folder, os.environ)
    for each in asked:
        launcher.forget(each)
    ended = [replace(each, state="stopped") if not each.trouble else each for each in told]
    return orders_told(ended)


@verb(app, "upgrade", example="poolhand fleet upgrade", local=True)
def upgrade(
    command: CommandRun,
    fleet: FleetOption = "",
    check: CheckFlag = False,
    yes: YesFlag = False,
) -> Answer:
    """Have workers replaced by the newer version that their pool gives, one after the other.

    Each as `poolhand worker upgrade` does it: it finishes what it holds, and is replaced once the
    pool has let the new version in. The first that is not replaced so ends it, and the others work
    on as they are. One that does not run is new when it starts.
    """
    from poolhand.cli.fleet.folder import FleetFolder

    return upgrade_fleet(command, FleetFolder.meant(fleet), only_look=check, yes=yes)


@verb(app, "remove", example="poolhand fleet remove pool-1a2b3c4d-004")
async def remove(
    command: CommandRun, workers: NamesArgument, fleet: FleetOption = "", yes: YesFlag = False
) -> Answer:
    """Take workers that have ended and owe nothing out of a fleet; their wallets stay.

    Money that is still in them is told first: `poolhand fleet collect --all` brings it back.
    """
    from poolhand.cli.fleet.collecting import check_over
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.launch import fleet_launcher
    from poolhand.cli.fleet.locks import changing

    folder = FleetFolder.meant(fleet)
    with changing(folder):
        known = folder.read()
        gone = [named(known, each) for each in dict.fromkeys(workers)]
        there = on_its_chain(command, folder, known)
        locks = Path(there.found["locks"])
        for each in gone:
            check_over(folder, each, locks)
        await ask_to_leave(there, gone, yes=yes)
        launcher = fleet_launcher(folder, os.environ)
        for each in gone:
            folder.mark(each, stopped=True)
            launcher.forget(each)
            check_over(folder, each, locks)  # one that had failed was started again meanwhile
            known = replace(known, members=tuple(one for one in known.members if one != each))
            folder.write(known)
            folder.forget(each)
    told = [
        {"name": e.name, "wallet": e.address, "keystore": str(folder.keystore(e))} for e in gone
    ]
    return Answer(
        {"removed": told, "left": len(known.members)},
        lambda: (
            f"{len(gone)} taken out, {len(known.members)} left; keystores stay in {folder.wallets}"
        ),
    )


@verb(
    app,
    "collect",
    example="poolhand fleet collect --to 0x4F1C3a7B9D2e8F60514233241506f7e8D9CaBBCD",
)
async def collect(
    command: CommandRun,
    to: CollectToOption,
    fleet: FleetOption = "",
    keep_stake: KeepStakeOption = "",
    keep_coin: KeepCoinOption = "",
    all_: CollectAllFlag = False,
    elsewhere_stopped: ElsewhereFlag = False,
    running: RunningFlag = False,
    yes: YesFlag = False,
) -> Answer:
    """Send free stake, rewards, RLC and coin beyond a reserve to one address, from each wallet.

    From workers that are stopped (`poolhand fleet stop`) and owe nothing: a worker's signer signs
    no payments. With --running those that run finish one after the other, and start again after.
    Locked stake is not touched. It is told first; cut off, the same command goes on, and sends
    nothing twice.
    """
    from poolhand.cli.exits import NOT_COMPLETED
    from poolhand.cli.fleet.collecting import CollectTerms
    from poolhand.cli.fleet.collecting import collect as collect_all
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.launch import fleet_launcher
    from poolhand.cli.fleet.locks import changing
    from poolhand.cli.render import grid
    from poolhand.cli.sending import recipient
    from poolhand.domain.fleet_money import FleetWish
    from poolhand.domain.units import NanoRlc, Wei

    check_kept(all_=all_, running=running, named=bool(keep_stake and keep_coin))
    folder, nothing = FleetFolder.meant(fleet), FleetWish(Wei(0), NanoRlc(0))
    with changing(folder):
        known = folder.read()
        usual = nothing if all_ else known.wish or nothing
        keep = FleetWish(
            parse_coin(keep_coin) if keep_coin else usual.coin,
            parse_rlc(keep_stake) if keep_stake else usual.stake,
        )
        terms = CollectTerms(recipient(to), keep, yes, elsewhere_stopped, running)
        there = on_its_chain(command, folder, known)
        launcher = fleet_launcher(folder, os.environ)
        found = await collect_all(there, folder, known.members, terms, launcher)
    told = {
        "to": str(terms.to),
        "workers": [each.members() for each in found],
        "rlc_nrlc": sum(each.rlc for each in found),
        "coin_wei": sum(each.coin for each in found),
        "transactions": sum(each.transactions for each in found),
    }
    rows = [
        (each.member.name, show_rlc(each.rlc), show_coin(each.coin), each.trouble) for each in found
    ]
    columns = ("worker", "RLC sent", "coins sent", "left out, or not sent, because")
    is_whole = not any(each.trouble for each in found)
    return Answer(told, lambda: grid(columns, rows), 0 if is_whole else NOT_COMPLETED)


@verb(app, "supervise", example="poolhand fleet supervise", local=True)
def supervise(command: CommandRun, fleet: FleetOption = "") -> Answer:
    """Keep a fleet's workers running, where no service manager does; `fleet up` starts this.

    It ends when no worker is wanted any more. Workers outlive it, and the next one finds them.
    """
    from poolhand.cli.fleet.folder import FleetFolder
    from poolhand.cli.fleet.supervisor import supervise_fleet

    del command
    supervise_fleet(FleetFolder.meant(fleet))
    return Answer({"ended": True}, lambda: "no worker of the fleet is wanted any more")
