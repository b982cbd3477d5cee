"""What Slurm's programs answer, as recorded of 22.05, and how often they are asked."""

from __future__ import annotations

import asyncio
import os

import pytest

from poolhand.containers.slurm.client import (
    ClusterRoom,
    JobState,
    Place,
    SlurmClient,
    SlurmJob,
    read_jobs,
    read_room,
)
from poolhand.domain.errors import RuntimeDown

SQUEUE = """\
12|RUNNING|n1|poolhand-a.1|None
13|PENDING||poolhand-b.1|Resources
11|NODE_FAIL|n2|poolhand-c.1|NodeDown
14|PENDING||poolhand-c.1|(Nodes required for job are DOWN, DRAINED or reserved)
9|COMPLETED|n1|a|b|c|None
15_3|RUNNING|n1|array|None
16|SOMETHING_NEW|n1|later|None
slurm_load_jobs error: Unable to contact slurm controller
"""


def test_jobs_are_read_by_name_and_the_newest_counts():
    jobs = read_jobs(SQUEUE)
    assert jobs["poolhand-a.1"] == SlurmJob(12, JobState.RUNNING, "n1", "poolhand-a.1", "None")
    assert jobs["poolhand-b.1"].state is JobState.WAITING
    assert (jobs["poolhand-c.1"].number, jobs["poolhand-c.1"].state) == (14, JobState.WAITING)
    assert jobs["later"].state is JobState.RUNNING
    assert "array" not in jobs


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETING", JobState.RUNNING),
        ("COMPLETED", JobState.ENDED),
        ("FAILED", JobState.ENDED),
        ("CANCELLED", JobState.CANCELLED),
        ("OUT_OF_MEMORY", JobState.OUT_OF_MEMORY),
        ("NODE_FAIL", JobState.LOST),
        ("PREEMPTED", JobState.LOST),
        ("TIMEOUT", JobState.LOST),
        ("CONFIGURING", JobState.WAITING),
    ],
)
def test_states_mean_what_the_manual_says(word, state):
    assert read_jobs(f"1|{word}|n1|x|None\n")["x"].state is state


@pytest.mark.parametrize(
    ("told", "room"),
    [
        ("2/6/0/8|4\n", ClusterRoom(8, 6, 4)),
        ("2/6/0/8|4\n0/0/2/2|1\n", ClusterRoom(8, 6, 4)),
        ("0/0/4/4|2\n", ClusterRoom(0, 0, 0)),
        ("", ClusterRoom(0, 0, 0)),
        ("n/a|x\n", ClusterRoom(0, 0, 0)),
    ],
)
def test_room_is_what_nodes_have_that_are_up(told, room):
    assert read_room(told) == room


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("IEXEC_WORKER_WALLET_PASSWORD", "hunter2")
    return tmp_path


async def test_all_who_ask_at_a_time_share_one_question(programs):
    program(programs, "squeue", f"echo asked >>{programs}/count; echo '1|RUNNING|n|x|None'")
    client = SlurmClient(Place(), clock=lambda: 100.0)
    answers = await asyncio.gather(*(client.jobs() for _ in range(50)))
    assert all(each["x"].number == 1 for each in answers)
    await client.jobs()
    assert (programs / "count").read_text() == "asked\n"


async def test_a_job_inherits_no_secret_of_the_worker(programs):
    program(programs, "sbatch", f"env >{programs}/seen; cat >/dev/null; echo '7;cluster'")
    place = Place("p", "a", ("--qos=low",))
    assert await SlurmClient(place).submit("#!/bin/sh\n", ["--mem=1M"]) == 7
    assert "hunter2" not in (programs / "seen").read_text()


async def test_jobs_go_where_the_operator_says(programs):
    program(programs, "sbatch", f'echo "$@" >{programs}/seen; cat >/dev/null; echo 7')
    await SlurmClient(Place("p", "a", ("--qos=low",))).submit("", ["--mem=1M"])
    told = (programs / "seen").read_text().split()
    assert told == ["--parsable", "--mem=1M", "--partition=p", "--account=a", "--qos=low"]


async def test_lost_nodes_are_left_out_beside_those_that_the_operator_leaves_out(programs):
    program(programs, "sbatch", f'echo "$@" >{programs}/seen; cat >/dev/null; echo 7')
    client = SlurmClient(Place("", "", ("--exclude=n1,n2", "--qos=low")))
    await client.submit("", [], ("n7", "n8"))
    told = (programs / "seen").read_text().split()
    assert told == ["--parsable", "--qos=low", "--exclude=n1,n2,n7,n8"]


async def test_a_controller_that_is_away_is_the_clusters_fault(programs):
    program(programs, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(RuntimeDown, match="Unable to contact"):
        await SlurmClient(Place()).jobs()


async def test_a_machine_without_slurm_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeDown, match="client installed"):
        await SlurmClient(Place()).version()
