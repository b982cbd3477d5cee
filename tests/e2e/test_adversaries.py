"""Each simulated adversary loses what it staked, and the task completes all the same.

The devnet is this module's own, for its chain time is moved. Who takes part is arranged by who is
not paused: three honest workers and, of the adversaries, only the one that a test is about, which
is let alone with the pool until it has the task (``arena``). All stand in one file, for such a
devnet takes most of a minute to start.
"""

from __future__ import annotations

import csv
import io
import signal
import time
from contextlib import ExitStack
from datetime import date
from decimal import Decimal

import psutil
import pytest
from arena import HONEST, KINDS_HERE, NAMES, Arena, Ledger, deal_of
from e2e_world import Network, wait_until
from reaching import reaches

from poolhand.devnet.adversaries.kinds import Kind
from poolhand.devnet.adversaries.rubbish import Rubbish, rubbish_for
from poolhand.domain.ids import ZERO_ADDRESS, DealId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import FINAL, Status
from poolhand.domain.reward import scheduler_stake

S = Status
AMOUNTS = ("earned_nrlc", "lost_nrlc", "paid_nrlc", "gas_wei")


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    arena = Arena(Network(tmp_path_factory.mktemp("arena")))
    try:
        arena.up()
        yield arena
    finally:
        arena.network.stop()


def _sum_of(told: dict, status: Status) -> int:
    histories = [each["history"] for each in told.get("replicates", ())]
    return sum(any(entry["status"] == status for entry in each) for each in histories)


# -------------------------------------------------------------------------------------- vanishes


@pytest.mark.timeout(600)
@reaches(S.WORKER_LOST)
async def test_a_worker_that_vanishes_is_replaced_and_comes_back(arena):
    name = NAMES[Kind.VANISHES]
    ledger, process = await Ledger.open(arena), arena.network.program(name)
    arena.order(name, "resume")
    (task_id,) = arena.buy_from(name, 1)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    gone = time.monotonic()
    wait_until(lambda: len(arena.told(task_id)["replicates"]) == 2)
    assert time.monotonic() - gone < 30
    watched = arena.network.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    assert {str(arena.network.owners[each]) for each in HONEST} > set(watched["contributors"])
    first = arena.history(task_id, name)
    assert first[first.index(S.COMPUTING) + 1] == S.WORKER_LOST

    shown = wait_until(lambda: _restarted(arena, name))
    assert (shown["last_exit"], shown["simulated"]) == (-signal.SIGKILL, Kind.VANISHES)
    assert arena.completed(task_id)[name] == S.ABORTED_ON_CONSENSUS_REACHED
    changes, _ = await ledger.check(task_id)
    assert changes[name] == 0
    arena.order(name, "pause")


def _status(arena: Arena) -> dict:
    return arena.network.ok("devnet", "status")


def _restarted(arena: Arena, name: str):
    """How a program is once it was started again and is up; all others are well all the time."""
    shown = _status(arena)
    assert all(each["restarts"] == 0 for each in shown.values() if each["name"] != name)
    assert shown[NAMES[Kind.FLOODS]]["state"] == "ended"
    told = shown[name]
    return told if told["restarts"] == 1 and told["state"] == "up" else None


# ---------------------------------------------------------------------------------------- hashes


@reaches(S.ABORTED_ON_CONSENSUS_REACHED, how="its hash was another")
async def test_a_liar_loses_its_stake_to_those_who_agree(arena):
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.WRONG_HASH) as liar:
        (task_id,) = arena.buy_from(liar, 3)
        ends = arena.completed(task_id)
        assert ends == {**dict.fromkeys(HONEST, S.COMPLETED), liar: S.ABORTED_ON_CONSENSUS_REACHED}
    view = await arena.view(task_id)
    lie = view.contributions[arena.network.owners[liar]]
    assert (lie.status, lie.result_hash != view.consensus) == (ContributionStatus.CONTRIBUTED, True)
    changes, stake = await ledger.check(task_id)
    assert stake > 0
    assert changes[liar] == -stake
    assert all(changes[each] > 0 for each in HONEST)


@reaches(S.REVEAL_FAILED, S.REVEAL_TIMEOUT, how="the hash was copied")
async def test_a_copied_hash_cannot_be_revealed(arena):
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.COPIED_HASH) as copycat:
        (task_id,) = arena.buy_from(copycat, 3)
        wait_until(lambda: S.REVEAL_FAILED in arena.history(task_id, copycat))
        wait_until(lambda: _sum_of(arena.told(task_id), S.RESULT_UPLOADED) == 1)
        view = await arena.view(task_id)
        assert view.winner_counter == 2
        assert view.reveal_counter == 1
        assert "the digest is not what" in arena.detail(task_id, copycat, S.REVEAL_FAILED)
        await arena.pass_reveal_deadline(task_id)
        ends = arena.completed(task_id)
    (honest,) = set(ends) - {copycat}
    assert ends == {honest: S.COMPLETED, copycat: S.REVEAL_TIMEOUT}
    changes, stake = await ledger.check(task_id)
    assert changes[copycat] == -stake
    assert changes[honest] > 0


# --------------------------------------------------------------------------------------- reveals


@reaches(S.REVEAL_TIMEOUT, how="reopened")
async def test_where_nobody_reveals_the_task_is_reopened_and_completed_by_another(arena):
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.NEVER_REVEALS) as mute:
        (task_id,) = arena.buy_from(mute, 2)
        wait_until(lambda: arena.last(task_id, mute) == S.REVEALING)
        arena.pass_blocks(3)
        assert (await arena.view(task_id)).reveal_counter == 0
        assert len(arena.told(task_id)["replicates"]) == 1
        await arena.pass_reveal_deadline(task_id)
        ends = arena.completed(task_id)
    (honest,) = set(ends) - {mute}
    assert ends == {honest: S.COMPLETED, mute: S.REVEAL_TIMEOUT}
    told = await arena.view(task_id)
    assert told.contributions[arena.network.owners[mute]].status is ContributionStatus.REJECTED
    changes, stake = await ledger.check(task_id)
    assert changes[mute] == -stake
    assert changes[honest] > 0


@reaches(S.REVEAL_TIMEOUT, how="others revealed")
async def test_who_does_not_reveal_loses_its_stake_to_those_who_do(arena):
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.NEVER_REVEALS) as mute:
        (task_id,) = arena.buy_from(mute, 3)
        wait_until(lambda: _sum_of(arena.told(task_id), S.RESULT_UPLOADED) == 1)
        assert arena.last(task_id, mute) == S.REVEALING
        await arena.pass_reveal_deadline(task_id)
        ends = arena.completed(task_id)
    (honest,) = set(ends) - {mute}
    assert ends == {honest: S.COMPLETED, mute: S.REVEAL_TIMEOUT}
    changes, stake = await ledger.check(task_id)
    assert changes[mute] == -stake
    assert changes[honest] > 0


# --------------------------------------------------------------------------------------- uploads


REFUSALS = {
    Rubbish.ANOTHER_RESULT: "digest-differs",
    Rubbish.NO_ARCHIVE: "unsafe-archive",
    Rubbish.ESCAPING_PATHS: "unsafe-archive",
    Rubbish.BOMB: "archive-too-large",
}
TRIED = {Rubbish.FALSE_CLAIM: S.RESULT_UPLOADED}
"""How an upload of rubbish ends for the worker, where it is not refused."""


@pytest.mark.timeout(600)
@reaches(S.RESULT_UPLOAD_FAILED, how="rubbish was uploaded")
async def test_rubbish_is_refused_and_another_worker_uploads(arena):
    """Who reveals first is asked first: the honest are frozen until the rubbish was refused."""
    ledger, name = await Ledger.open(arena), NAMES[Kind.RUBBISH_UPLOAD]
    task_ids = arena.buy(10, "--tasks", str(len(Rubbish)))
    for task_id in task_ids:
        wait_until(lambda each=task_id: _sum_of(arena.told(each), S.CONTRIBUTED) == len(HONEST))
    with ExitStack() as ice:
        ice.enter_context(arena.frozen(*HONEST))
        with arena.adversary(Kind.RUBBISH_UPLOAD):
            for index, task_id in enumerate(task_ids):
                tried = TRIED.get(rubbish_for(index), S.RESULT_UPLOAD_FAILED)
                wait_until(lambda each=task_id, end=tried: end in arena.history(each, name))
                assert (await arena.view(task_id)).status is ChainTaskStatus.REVEALING
            ice.close()
            for task_id in task_ids:
                assert arena.completed(task_id) == dict.fromkeys((*HONEST, name), S.COMPLETED)
    for index, task_id in enumerate(task_ids):
        assert any(S.RESULT_UPLOADED in arena.history(task_id, each) for each in HONEST)
        what = rubbish_for(index)
        if what in REFUSALS:
            assert f"({REFUSALS[what]})" in arena.detail(task_id, name, S.RESULT_UPLOAD_FAILED)
    await ledger.check(*task_ids)


# --------------------------------------------------------------------------- floods and failures


async def test_a_flood_is_cut_off_with_a_reason_and_others_are_served(arena):
    ledger = await Ledger.open(arena)
    with arena.flood() as flooder:
        (task_id,) = arena.buy(3)
        base = arena.network.home / "workers" / flooder
        problem = wait_until(lambda: _problem(arena, base))
        assert "flooded" in problem
        assert "per second" in problem or "broke the protocol" in problem
        watched = arena.network.ok("task", "watch", task_id)
        assert watched["status"] == "COMPLETED"
        assert set(watched["contributors"]) < {str(arena.network.owners[each]) for each in HONEST}
        for each in HONEST:
            assert S.WORKER_LOST not in arena.history(task_id, each)
    changes, _ = await ledger.check(task_id)
    assert changes[flooder] == 0


def _problem(arena: Arena, base) -> str | None:
    """Why a worker is without its pool; None while it has one."""
    told = arena.network.ok("worker", "status", "--base", str(base))
    return None if told["connected"] else told["problem"]


@reaches(S.COMPUTE_FAILED, S.FAILED, how="the worker always fails")
async def test_a_worker_that_always_fails_is_replaced_and_loses_nothing(arena):
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.FAILS) as bungler:
        (task_id,) = arena.buy_from(bungler, 1)
        ends = arena.completed(task_id)
    (honest,) = set(ends) - {bungler}
    assert ends == {honest: S.COMPLETED, bungler: S.FAILED}
    assert arena.history(task_id, bungler)[-2:] == [S.COMPUTE_FAILED, S.FAILED]
    changes, _ = await ledger.check(task_id)
    assert changes[bungler] == 0


# -------------------------------------------------------------------------- late: the last of all


@reaches(S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE, how="held back")
async def test_a_late_contribution_is_refused_and_everybody_is_refunded(arena):
    """Trust 50 needs more workers than there are: without the late one, nothing is agreed on."""
    ledger = await Ledger.open(arena)
    with arena.adversary(Kind.LATE) as latecomer:
        (task_id,) = arena.buy_from(latecomer, 50)
        wait_until(lambda: _sum_of(arena.told(task_id), S.CONTRIBUTED) == len(HONEST))
        wait_until(lambda: arena.last(task_id, latecomer) == S.CONTRIBUTING)
        view = await arena.view(task_id)
        arena.pass_to(view.contribution_deadline)
        late = S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE
        wait_until(lambda: late in arena.history(task_id, latecomer))
        wait_until(lambda: arena.told(task_id)["status"] == "CONTRIBUTION_TIMEOUT")
        arena.pass_to(view.final_deadline)
        watched = arena.network.cli("task", "watch", task_id, "--json")
        assert (watched.code, watched.json["status"]) == (1, "FAILED")
        wait_until(lambda: all(r["status"] in FINAL for r in arena.told(task_id)["replicates"]))
    async with arena.network.chain() as chain:
        deal = await chain.hub.deal(DealId.parse(deal_of(arena, task_id)))
    lost = scheduler_stake(deal.workerpool.price)
    changes = await ledger.changes()
    pool = deal.workerpool.owner
    assert changes == {**dict.fromkeys(changes, 0), pool: -lost, ZERO_ADDRESS: lost}


# ------------------------------------------------------------------- what each has earned and lost


async def test_earnings_are_the_chains_after_losses_timeouts_and_claims(arena):
    """What the tests before this one did to everybody, told by page, command and CSV alike."""
    names = [*HONEST, *(NAMES[kind] for kind in KINDS_HERE if kind is not Kind.FLOODS)]
    totals = {name: _checked_total(arena, name) for name in names}
    assert all(totals[name]["earned_nrlc"] > 0 for name in HONEST)
    assert all(
        totals[NAMES[kind]]["lost_nrlc"] > 0 for kind in (Kind.WRONG_HASH, Kind.NEVER_REVEALS)
    )


def _checked_total(arena: Arena, name: str) -> dict[str, int]:
    """What the chain says of a worker, told alike by command, CSV and the worker itself."""
    told = arena.network.ok("earnings", arena.address(name), "--blocks", "1000000")
    assert told["checked"] is True, (name, told["unexplained"])
    total = told["total"]
    wait_until(lambda: _watched(arena, name) == {each: total[each] for each in AMOUNTS})
    written = list(csv.DictReader(io.StringIO(_csv(arena, name))))
    for kind in ("earned", "lost", "paid"):
        amounts = [Decimal(row[f"{kind}_rlc"]) for row in written]
        assert sum(amounts) * 10**9 == total[f"{kind}_nrlc"], (name, kind)
    assert all(date.fromisoformat(row["day"]) for row in written)
    return total


def _watched(arena: Arena, name: str) -> dict[str, int]:
    """What a worker itself tells whoever watches it (nRLC, wei)."""
    base = str(arena.network.home / "workers" / name)
    told = arena.network.ok("worker", "top", "--base", base)["earnings"]["all"]
    return {each: told[each] for each in AMOUNTS}


def _csv(arena: Arena, name: str) -> str:
    found = arena.network.cli("earnings", arena.address(name), "--csv", "--blocks", "1000000")
    assert found.code == 0
    return found.out
