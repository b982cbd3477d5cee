"""Workers that vanish and come back: another takes over, and nothing is done twice."""

from __future__ import annotations

import signal

from reaching import reaches

from poolhand.domain.replicate.status import Status

S = Status


@reaches(S.WORKER_LOST, S.ABORTED_ON_CONSENSUS_REACHED, how="the process stood still")
def test_a_worker_that_vanishes_is_replaced(lab):
    task_id = lab.buy("gate")
    (silent,) = lab.until(task_id, S.COMPUTING)
    with lab.stopped(silent):
        lab.until(task_id, S.WORKER_LOST, silent)
        other = next(name for name in lab.until(task_id, S.COMPUTING, count=2) if name != silent)
        lab.open_gate(task_id, other)
        lab.until(task_id, S.COMPLETED, other)
    lab.until(task_id, S.ABORTED_ON_CONSENSUS_REACHED, silent)


@reaches(S.RECOVERING, how="killed while the app ran")
def test_a_worker_that_was_killed_goes_on_where_it_was(lab):
    task_id = lab.buy("gate")
    (killed,) = lab.until(task_id, S.COMPUTING)
    lab.network.start(killed, lab.network.end(killed, signal.SIGKILL))
    lab.until(task_id, S.RECOVERING, killed)
    lab.open_gate(task_id, killed)
    (worker,) = lab.until(task_id, S.COMPLETED)
    assert worker == killed
    assert lab.history(task_id, killed).count(S.COMPUTED) == 1
