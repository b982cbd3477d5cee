"""The way to the reward, in both flows: every status that a good replicate goes through."""

from __future__ import annotations

from reaching import reaches

from poolhand.domain.replicate.status import Status

S = Status

COMPUTING = [
    S.CREATED,
    S.RUNNING,
    S.APP_DOWNLOADING,
    S.APP_DOWNLOADED,
    S.DATA_DOWNLOADING,
    S.DATA_DOWNLOADED,
    S.COMPUTING,
    S.COMPUTED,
]
CONTRIBUTION = [S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.CONTRIBUTED]
UPLOAD = [S.RESULT_UPLOADING, S.RESULT_UPLOADED]


@reaches(
    S.CREATED,
    S.RUNNING,
    S.APP_DOWNLOADING,
    S.APP_DOWNLOADED,
    S.DATA_DOWNLOADING,
    S.DATA_DOWNLOADED,
    S.COMPUTING,
    S.COMPUTED,
    S.RESULT_UPLOADING,
    S.RESULT_UPLOADED,
    S.CAN_CONTRIBUTE,
    S.CONTRIBUTING,
    S.CONTRIBUTED,
    S.COMPLETED,
    how="trust 1: settled in one transaction",
)
def test_one_worker_settles_a_task_of_trust_1(lab):
    task_id = lab.buy()
    ((worker, *_),) = (lab.until(task_id, S.COMPLETED),)
    assert lab.history(task_id, worker) == [*COMPUTING, *UPLOAD, *CONTRIBUTION, S.COMPLETED]
    assert lab.entry(task_id, S.CONTRIBUTED)["tx"]


@reaches(
    S.CREATED,
    S.RUNNING,
    S.APP_DOWNLOADING,
    S.APP_DOWNLOADED,
    S.DATA_DOWNLOADING,
    S.DATA_DOWNLOADED,
    S.COMPUTING,
    S.COMPUTED,
    S.CAN_CONTRIBUTE,
    S.CONTRIBUTING,
    S.CONTRIBUTED,
    S.REVEALING,
    S.REVEALED,
    S.RESULT_UPLOAD_REQUESTED,
    S.RESULT_UPLOADING,
    S.RESULT_UPLOADED,
    S.COMPLETED,
    how="trust 3: contributed, revealed, uploaded on request",
)
def test_two_workers_agree_on_a_task_of_trust_3(lab):
    task_id = lab.buy(trust=3)
    workers = lab.until(task_id, S.COMPLETED, count=2)
    (uploader,) = lab.until(task_id, S.RESULT_UPLOAD_REQUESTED)
    way = [*COMPUTING, *CONTRIBUTION, S.REVEALING, S.REVEALED]
    for worker in workers:
        end = [S.RESULT_UPLOAD_REQUESTED, *UPLOAD] if worker == uploader else []
        assert lab.history(task_id, worker) == [*way, *end, S.COMPLETED]
