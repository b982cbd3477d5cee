"""The seed's 36 statuses, every way between them, and the page that explains them."""

import json
import re
import runpy
from pathlib import Path

import pytest

from poolhand.domain.replicate.status import (
    EDGE_TABLE,
    EDGES,
    FAILURES,
    FINAL,
    STATUS_ROWS,
    STATUSES,
    Party,
    Status,
)
from poolhand.domain.task.status import FINAL_TASK, MEANINGS, TASK_EDGES, TaskStatus

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "replicate_edges.json"
GUIDE = """
    CREATED RUNNING
    APP_DOWNLOADING APP_DOWNLOADED APP_DOWNLOAD_FAILED
    DATA_DOWNLOADING DATA_DOWNLOADED DATA_DOWNLOAD_FAILED
    COMPUTING COMPUTED COMPUTE_FAILED
    CAN_CONTRIBUTE CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET
    CONTRIBUTING CONTRIBUTE_FAILED CONTRIBUTED
    CANT_REVEAL REVEALING REVEALED REVEAL_FAILED
    RESULT_UPLOAD_REQUESTED RESULT_UPLOAD_REQUEST_FAILED
    RESULT_UPLOADING RESULT_UPLOADED RESULT_UPLOAD_FAILED
    COMPLETED REVEAL_TIMEOUT WORKER_LOST
    ABORTED_ON_CONSENSUS_REACHED ABORTED_ON_CONTRIBUTION_TIMEOUT
    FAILED OUT_OF_GAS RECOVERING
"""
SEED = GUIDE.split()
"""The names of the seed's worker guide, in its order."""


def test_the_statuses_are_exactly_the_seeds():
    assert len(SEED) == 36
    assert [status.value for status in Status] == SEED
    assert [status.name for status in Status] == SEED
    assert [row.status for row in STATUS_ROWS] == [Status(name) for name in SEED]


def test_papers_count_the_statuses_as_they_are():
    for name in ("README.md", "GLOSSARY.md", "ARCHITECTURE.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        told = re.findall(r"\b(\d+) (?:replicate )?statuses\b", text)
        assert set(told) <= {str(len(Status))}, name


def test_every_status_can_be_reached_from_created():
    reached, frontier = set(), {Status.CREATED}
    while frontier:
        reached |= frontier
        frontier = {finish for start in frontier for finish in EDGES[start]} - reached
    assert reached == set(Status)


def test_nothing_follows_a_final_status_and_something_every_other():
    assert {status for status in Status if not EDGES[status]} == FINAL
    assert Status.CREATED not in set().union(*EDGES.values())


def test_every_failure_leads_to_failed():
    assert all(Status.FAILED in EDGES[status] for status in FAILURES)


@pytest.mark.parametrize("status", Status)
def test_every_status_is_explained(status):
    row = STATUSES[status]
    assert row.by in (Party.WORKER, Party.SCHEDULER)
    assert row.acts in Party
    for sentence in (row.meaning, row.cause, row.next_step):
        assert len(sentence) > 8
        assert "|" not in sentence, "it would break the table in docs/statuses.md"


def test_every_edge_says_cause_party_and_next_step():
    for edge in EDGE_TABLE:
        row = STATUSES[edge.finish]
        assert edge.start is not edge.finish
        assert (edge.by, edge.cause, edge.acts, edge.next_step) == (
            row.by,
            row.cause,
            row.acts,
            row.next_step,
        )
    assert len(EDGE_TABLE) == sum(len(finishes) for finishes in EDGES.values())


def test_the_edges_are_the_golden_ones():
    """A changed edge is a changed protocol: edit the file with the reason in the commit."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    golden.pop("provenance")
    assert {start: sorted(EDGES[start]) for start in Status} == golden


def test_a_task_is_explained_and_ends_where_the_chain_ends_it():
    assert MEANINGS.keys() == TASK_EDGES.keys() == set(TaskStatus)
    assert {status for status in TaskStatus if not TASK_EDGES[status]} == FINAL_TASK
    assert all(status not in TASK_EDGES[status] for status in TaskStatus)
    for status in set(TaskStatus) - FINAL_TASK:
        assert TASK_EDGES[status] >= FINAL_TASK


def test_the_page_is_made_from_the_tables():
    """If this fails: make docs."""
    made = runpy.run_path(str(ROOT / "docs" / "generate.py"))["page"]()
    assert (ROOT / "docs" / "statuses.md").read_text(encoding="utf-8") == made
    for status in (*Status, *TaskStatus):
        assert re.search(rf'^\| (<a id="[a-z_]+"></a>)?`{status}` \|', made, re.MULTILINE)
