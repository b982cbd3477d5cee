"""Write docs/statuses.md from the tables of the domain: run by ``make docs``."""  # noqa: INP001

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from poolhand.domain.replicate.status import (
    CONTRIBUTION_MINED,
    EDGE_TABLE,
    EDGES,
    FAILURES,
    FINAL,
    REVEAL_MINED,
    STATUS_ROWS,
    Edge,
    Party,
    Status,
)
from poolhand.domain.task.status import MEANINGS, TASK_EDGES, TaskStatus

S, T = Status, TaskStatus
PAGE = Path(__file__).with_name("statuses.md")

INTERRUPTIONS = frozenset({S.WORKER_LOST, S.RECOVERING})
HITCHES = frozenset(
    {
        S.OUT_OF_GAS,
        S.CANT_REVEAL,
        S.REVEAL_FAILED,
        S.RESULT_UPLOAD_FAILED,
        S.RESULT_UPLOAD_REQUEST_FAILED,
    }
)
"""What a replicate gets over."""
MAIN = [s for s in Status if s not in FINAL | FAILURES | INTERRUPTIONS | HITCHES]
COMMON = INTERRUPTIONS | FINAL
"""Statuses that may follow (nearly) every one."""
USUAL = (
    (T.RECEIVED, T.INITIALIZING, "a worker takes it"),
    (T.INITIALIZING, T.RUNNING, "initialize is mined"),
    (T.INITIALIZED, T.RUNNING, "a worker takes it"),
    (T.RUNNING, T.CONSENSUS_REACHED, "enough workers agree"),
    (T.RUNNING, T.COMPLETED, "contributeAndFinalize is mined"),
    (T.RUNNING, T.RUNNING_FAILED, "it failed on too many workers"),
    (T.RUNNING, T.CONTRIBUTION_TIMEOUT, "7 periods"),
    (T.RUNNING_FAILED, T.CONTRIBUTION_TIMEOUT, "7 periods"),
    (T.CONSENSUS_REACHED, T.AT_LEAST_ONE_REVEALED, "a reveal is mined"),
    (T.CONSENSUS_REACHED, T.REOPENING, "nobody revealed"),
    (T.CONSENSUS_REACHED, T.CONTRIBUTION_TIMEOUT, "nobody revealed, too late to reopen"),
    (T.REOPENING, T.RUNNING, "reopen is mined"),
    (T.AT_LEAST_ONE_REVEALED, T.RESULT_UPLOADING, "a winner uploads"),
    (T.RESULT_UPLOADING, T.AT_LEAST_ONE_REVEALED, "the upload failed"),
    (T.RESULT_UPLOADING, T.RESULT_UPLOADED, "stored"),
    (T.RESULT_UPLOADED, T.FINALIZING, "all revealed, or time is up"),
    (T.FINALIZING, T.COMPLETED, "finalize is mined"),
    (T.CONTRIBUTION_TIMEOUT, T.FINAL_DEADLINE_REACHED, "10 periods"),
    (T.FINAL_DEADLINE_REACHED, T.FAILED, "claim is mined"),
)
"""The moves of a task that a reader should see; each is one of ``TASK_EDGES``."""


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        (
            "# Statuses",
            "",
            "<!-- Made by `make docs` from the tables in src/poolhand/domain; do not edit. -->",
            "",
            "`poolhand statuses NAME` explains one on the command line. Which test reaches each of",
            "them: [statuses-tested.md](statuses-tested.md).",
            "",
            "## A replicate: one worker's part in a task",
            "",
            *_replicates(),
            "## A task: what the scheduler sees",
            "",
            *_tasks(),
        )
    )


def _replicates() -> Iterator[str]:
    yield from _diagram("The way to the reward", _main_edges())
    yield from _diagram("What can go wrong, and what follows", _failure_edges())
    yield "*anywhere* is any status that is not final. The chain has the last word: it may end a"
    yield "replicate wherever it stands. When a re-organisation takes back what was mined,"
    yield "CONTRIBUTING or REVEALING follows again; the pictures leave that out."
    yield ""
    columns = "status", "meaning", "cause", "moved by", "who must act", "next step", "followed by"
    rows = (
        (_named(r.status), r.meaning, r.cause, r.by, r.acts, r.next_step, _followers(r.status))
        for r in STATUS_ROWS
    )
    yield from _table(columns, rows)


def _named(status: Status) -> str:
    """Return a status as other pages may link to it: ``statuses.md#computed``."""
    return f'<a id="{status.lower()}"></a>`{status}`'


def _takes_back(edge: Edge) -> bool:
    """Whether only a re-organisation makes this move."""
    rests = {S.CONTRIBUTING: CONTRIBUTION_MINED, S.REVEALING: REVEAL_MINED}
    return edge.start in rests.get(edge.finish, frozenset())


def _main_edges() -> Iterator[str]:
    """Yield the main path; it ends where the scheduler finalizes."""
    acts = {row.status: row.acts for row in STATUS_ROWS}
    yield "[*] --> CREATED"
    for edge in EDGE_TABLE:
        if _takes_back(edge):
            continue
        paid = edge.finish is S.COMPLETED and acts[edge.start] is Party.SCHEDULER
        if edge.start in MAIN and (edge.finish in MAIN or paid):
            yield f"{edge.start} --> {edge.finish}"
    yield "COMPLETED --> [*]"


def _failure_edges() -> Iterator[str]:
    """Yield ways into and out of hitches, failures, interruptions and ends."""
    for edge in EDGE_TABLE:
        ends = {edge.start, edge.finish}
        if _takes_back(edge):
            continue
        given_up = edge.start in FAILURES and edge.finish is S.FAILED
        if given_up or (ends & (FAILURES | HITCHES) and not ends & COMMON):
            yield f"{edge.start} --> {edge.finish}"
    yield from (f"anywhere --> {status}" for status in Status if status in COMMON)
    yield from (f"{status} --> anywhere" for status in Status if status in INTERRUPTIONS)
    yield from (f"{status} --> [*]" for status in Status if status in FINAL)


def _followers(status: Status) -> str:
    following = EDGES[status]
    if not following:
        return "nothing: it is final"
    if status in FAILURES:
        return "`FAILED`, any other end, `WORKER_LOST`"
    if following >= FINAL:
        special = [name for name in Status if name in following - COMMON]
        names = ["the status before"] if status in INTERRUPTIONS else [f"`{s}`" for s in special]
        return ", ".join([*names, "any interruption or end"])
    return ", ".join(f"`{name}`" for name in Status if name in following)


def _tasks() -> Iterator[str]:
    strangers = [(a, b) for a, b, _ in USUAL if b not in TASK_EDGES[a]]
    if strangers:
        raise SystemExit(f"no such moves in TASK_EDGES: {strangers}")
    edges = [f"{start} --> {finish}: {why}" for start, finish, why in USUAL]
    yield from _diagram("The usual moves", ["[*] --> RECEIVED", *edges])
    yield "A scheduler that was away skips what happened meanwhile, and a re-organised chain may"
    yield "lead back: the table has every permitted move."
    yield ""
    rows = ((f"`{s}`", MEANINGS[s], _names(TASK_EDGES[s])) for s in TaskStatus)
    yield from _table(("status", "meaning", "followed by"), rows)


def _names(following: frozenset[TaskStatus]) -> str:
    if len(following) == len(TaskStatus) - 1:
        return "any other"
    return ", ".join(f"`{s}`" for s in TaskStatus if s in following) or "nothing: it is final"


def _diagram(title: str, edges: Iterable[str]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f"    {edge}" for edge in dict.fromkeys(edges))
    yield "```"
    yield ""


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
