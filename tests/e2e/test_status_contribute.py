"""What keeps a result from the chain: each time the contract's own reason, and nothing is lost."""

from __future__ import annotations

from e2e_world import WEB, wait_until
from reaching import reaches
from status_lab import PERIOD, WORKERS, WRONG, is_explained

from poolhand.domain.onchain import Deposit, Withdraw
from poolhand.domain.replicate.status import STATUSES, Status
from poolhand.domain.units import NanoRlc

S = Status

DRY = 10**9
"""Wei that pay for no transaction."""


def computing(lab, task_id: str, count: int = 1) -> tuple[str, ...]:
    """Wait until so many workers stand at the gate; returns them."""
    return lab.until(task_id, S.COMPUTING, count=count)


def other_than(*workers: str) -> str:
    """A worker that has no part in a task."""
    return next(name for name in WORKERS if name not in workers)


def contributing(lab, task_id: str, worker: str) -> None:
    """Let the worker go on until its contribution waits for a block; blocks are held back."""
    lab.open_gate(task_id, worker)
    lab.until(task_id, S.CONTRIBUTING, worker)
    lab.until_waiting(worker)


def active(lab, task_id: str) -> None:
    """Wait until the task is initialized."""
    wait_until(lambda: lab.task(task_id)["chain_status"] == "ACTIVE")


@reaches(S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW, how="stake withdrawn while the app ran")
def test_a_worker_that_withdrew_its_stake_is_told_what_to_deposit(lab):
    task_id = lab.buy("gate", trust=3)
    poor, _ = computing(lab, task_id, 2)
    account = lab.network.owners[poor]
    stake = lab.stake(poor)
    lab.send(poor, Withdraw(NanoRlc(stake)))
    lab.open_gate(task_id, poor)
    status = S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW
    is_explained(lab, task_id, status, "deposit 0.3 RLC", poor)
    lab.send(poor, Deposit(NanoRlc(stake)))
    told = lab.finish(task_id)
    assert str(account) not in {
        e["worker"] for e in told["replicates"] if e["status"] == "COMPLETED"
    }


def operator(lab, worker: str, *words: str) -> dict:
    """Give a worker an order, as its operator does; returns what it answers."""
    return lab.network.ok("worker", *words, "--base", str(lab.network.home / "workers" / worker))


def advice(lab, worker: str) -> str:
    """The command by which, says a worker's page, its stake is put right; empty for none."""
    causes = operator(lab, worker, "status")["idle_causes"]
    told = next((each["change"] for each in causes if each["code"] == "stake"), "")
    return told.partition("`poolhand worker ")[2].partition("`")[0]


def connected(lab, worker: str) -> dict:
    """What the pool knows of a worker."""
    workers = WEB.get(f"{lab.network.info.pool_url}/v1/workers").json()
    return next(each for each in workers if each["worker"] == str(lab.network.owners[worker]))


def test_a_worker_told_to_deposit_does_so_while_it_runs_and_takes_tasks_again(lab):
    poor, *others = WORKERS
    stake = lab.stake(poor)
    lab.send(poor, Withdraw(NanoRlc(stake)))
    for name in WORKERS:
        operator(lab, name, "pause")
    try:
        task_id = lab.buy("gate", trust=3)
        wait_until(lambda: connected(lab, poor)["stake"] == 0)
        operator(lab, poor, "resume")
        told = operator(lab, poor, *wait_until(lambda: advice(lab, poor)).split())
        assert lab.stake(poor) == told["stake_nrlc"] == told["deposited_nrlc"] > 0
        lab.until(task_id, S.COMPUTING, poor)
    finally:
        operator(lab, poor, "deposit", f"{stake - lab.stake(poor)} nRLC")
        for name in others:
            operator(lab, name, "resume")
    lab.finish(task_id)
    lab.until(task_id, S.COMPLETED, poor)


@reaches(S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE, S.FAILED, how="another worker was a block ahead")
def test_a_worker_that_comes_second_is_told_that_the_task_is_over(lab):
    task_id = lab.buy("gate")
    (late,) = computing(lab, task_id)
    rival = other_than(late)
    active(lab, task_id)
    with lab.no_blocks():
        contributing(lab, task_id, late)
        lab.ahead(rival, lab.settlement(task_id, rival, WRONG))
    status = S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    is_explained(lab, task_id, status, "COMPLETED: contributions are over", late)


@reaches(S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE, S.FAILED, how="mined after the deadline")
def test_a_contribution_that_is_mined_too_late_is_told_so(lab):
    task_id = lab.buy("gate")
    (late,) = computing(lab, task_id)
    active(lab, task_id)
    deadline = lab.task(task_id)["contribution_deadline"]
    with lab.no_blocks():
        contributing(lab, task_id, late)
        lab.mine_at(deadline)
    status = S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE
    is_explained(lab, task_id, status, f"ended at {deadline}", late)
    lab.claimed([task_id], 3 * PERIOD)


@reaches(S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET, S.FAILED, how="wallet used elsewhere")
def test_a_wallet_that_was_used_elsewhere_is_told_so(lab):
    task_id = lab.buy("gate", trust=3)
    shared, _ = computing(lab, task_id, 2)
    active(lab, task_id)
    lab.send(shared, lab.contribution(task_id, shared, WRONG))
    lab.open_gate(task_id, shared)
    status = S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET
    is_explained(lab, task_id, status, "has contributed", shared)
    assert lab.finish(task_id)["status"] == "COMPLETED"


@reaches(S.ABORTED_ON_CONSENSUS_REACHED, how="another worker was faster")
def test_a_worker_that_is_too_slow_is_relieved(lab):
    task_id = lab.buy("gate")
    (slow,) = computing(lab, task_id)
    lab.pass_time(PERIOD + 1)
    quick = next(name for name in lab.until(task_id, S.COMPUTING, count=2) if name != slow)
    lab.open_gate(task_id, quick)
    lab.until(task_id, S.COMPLETED, quick)
    lab.until(task_id, S.ABORTED_ON_CONSENSUS_REACHED, slow)


@reaches(S.ABORTED_ON_CONTRIBUTION_TIMEOUT, how="deadline passed while the app ran")
def test_a_worker_that_computes_past_the_deadline_is_relieved(lab):
    task_id = lab.buy("gate")
    (slow,) = computing(lab, task_id)
    active(lab, task_id)
    before = lab.money()
    lab.pass_time(7 * PERIOD + 1)
    lab.until(task_id, S.ABORTED_ON_CONTRIBUTION_TIMEOUT, slow)
    lab.claimed([task_id], 3 * PERIOD)
    lab.refunded(before, 1)


@reaches(S.CONTRIBUTE_FAILED, S.FAILED, how="the contract refused it")
def test_a_contribution_that_the_contract_refuses_is_explained(lab):
    """While its transaction was lost, another contributed, revealed not, and was rejected."""
    task_id = lab.buy("gate")
    (unlucky,) = computing(lab, task_id)
    stray = other_than(unlucky)
    active(lab, task_id)
    with lab.no_blocks():
        contributing(lab, task_id, unlucky)
        with lab.stopped(unlucky):
            lab.rpc("anvil_dropAllTransactions")
            lab.ahead(stray, lab.contribution(task_id, stray, WRONG))
            wait_until(lambda: lab.task(task_id)["chain_status"] == "REVEALING")
            lab.mine_at(lab.task(task_id)["reveal_deadline"])
            lab.until_waiting("pool", about=task_id)  # it reopens it; it may close orders, too
            lab.rpc("evm_mine")
    is_explained(lab, task_id, S.CONTRIBUTE_FAILED, "another worker has contributed", unlucky)
    lab.claimed([task_id], 10 * PERIOD)


@reaches(S.OUT_OF_GAS, how="while contributing")
def test_a_worker_without_gas_waits_and_goes_on_once_refilled(lab):
    task_id = lab.buy("gate")
    (dry,) = computing(lab, task_id)
    account = str(lab.network.owners[dry])
    full = lab.rpc("eth_getBalance", account, "latest")
    lab.rpc("anvil_setBalance", account, hex(DRY))
    lab.open_gate(task_id, dry)
    told = lab.entry(task_id, S.OUT_OF_GAS, dry)
    assert account in told["detail"]
    assert STATUSES[S.OUT_OF_GAS].next_step in lab.logged(dry, task_id, S.OUT_OF_GAS)
    lab.rpc("anvil_setBalance", account, full)
    lab.until(task_id, S.COMPLETED, dry)
