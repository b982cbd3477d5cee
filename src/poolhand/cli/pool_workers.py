"""What the pool's owner sees of single workers, and decides about them, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel
from rich.console import Group

from poolhand.cli.pool_sign_in import owner_page
from poolhand.cli.render import grid, moment, pairs, rlc
from poolhand.cli.worker_page import WorkerSilent
from poolhand.domain.errors import Unavailable
from poolhand.domain.exclusion import ExclusionKind
from poolhand.domain.ids import Address
from poolhand.wire.json_models import read_model
from poolhand.wire.pool_owner import Decided, ExcludedWorkers, OwnedWorker, OwnedWorkers, Said

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.cli.command_run import CommandRun

LONGEST_OWNER_ORDER: Final = 30.0
"""For a pool to write down what is asked of it."""
_KEPT: Final = {ExclusionKind.DRAIN: "is drained", ExclusionKind.BAN: "is banned"}

M = TypeVar("M", bound=BaseModel)


class PoolAnswersNobody(Unavailable):
    """The pool does not answer its owner."""

    def __init__(self, url: str) -> None:
        which = f"the pool at {url}" if url else "the pool that runs here"
        super().__init__(f"{which} does not answer: wait until it is up, or check --pool-url")


def list_workers(command: CommandRun, limit: int, after: str) -> OwnedWorkers:
    """Return a page of the connected workers; raises as ``ask_pool``."""
    return _listed(command, OwnedWorkers, "workers", limit, after)


def list_excluded(command: CommandRun, limit: int, after: str) -> ExcludedWorkers:
    """Return a page of the workers that are kept from work; raises as ``ask_pool``."""
    return _listed(command, ExcludedWorkers, "excluded", limit, after)


def _listed(command: CommandRun, kind: type[M], what: str, limit: int, after: str) -> M:
    query: dict[str, Any] = {"limit": limit}
    if after:
        query["after"] = str(Address.parse(after))
    return ask_pool(command, kind, f"owner/{what}?{urlencode(query)}")


def decide(command: CommandRun, worker: Address, what: str, reason: str | None) -> Decided:
    """Drain, ban or readmit a worker; raises as ``ask_pool``."""
    body = {} if reason is None else {"reason": reason}
    return ask_pool(command, Decided, f"owner/workers/{worker}/{what}", body)


def say(command: CommandRun, worker: Address, text: str) -> Said:
    """Tell a worker's operator something; raises as ``ask_pool``."""
    return ask_pool(command, Said, f"owner/workers/{worker}/message", {"text": text})


def ask_pool(
    command: CommandRun, kind: type[M], what: str, body: dict[str, Any] | None = None
) -> M:
    """Ask a pool for something that is its owner's: the one named, or the one that runs here.

    Args:
        command: Names the wallet, and the pool.
        kind: What is answered.
        what: Path and query.
        body: What is ordered; None: it is only told.

    Raises:
        NoPoolRuns, HolderIsNoPool, WalletInUse: None is named, and no pool of the wallet runs
            here.
        PoolAnswersNobody: It does not answer.
        OrderRefused, PageFault, OrderUnavailable: As the pool says.
    """
    try:
        page = owner_page(command)
        told = page.tell(what) if body is None else page.order(what, body, LONGEST_OWNER_ORDER)
    except WorkerSilent as fault:
        raise PoolAnswersNobody(command.found["pool-url"]) from fault
    return read_model(kind, told, "the pool")


def workers_report(found: OwnedWorkers) -> RenderableType:
    """Return the connected workers for a person."""
    if not found.workers:
        return "no worker is connected" if not found.connected else "no further worker is connected"
    columns = (
        "worker",
        "name",
        "state",
        "version",
        "sandbox",
        "slots",
        "GPUs",
        "holds",
        "settled",
        "stake",
        "from",
    )
    rows = [
        (
            each.worker,
            each.name,
            worker_state(each),
            each.version,
            _within(each),
            each.slots,
            each.gpus,
            each.replicates,
            _record(each),
            "" if each.stake is None else rlc(each.stake),
            each.source or "this or a private network",
        )
        for each in found.workers
    ]
    return Group(grid(columns, rows), *_more(len(rows), found.connected, found.after))


def _within(worker: OwnedWorker) -> str:
    """Say in what its apps run, and in which enclaves."""
    return ", ".join(filter(None, (worker.sandbox, worker.tee_told)))


def worker_state(worker: OwnedWorker) -> str:
    """Say in a few words how a worker is."""
    if worker.exclusion is not None:
        return f"drained: {worker.exclusion.reason}" if worker.exclusion.reason else "drained"
    if worker.paused:
        return f"paused: {worker.reason}" if worker.reason else "paused"
    return "at work" if worker.replicates else "free"


def _record(worker: OwnedWorker) -> str:
    faults = f", then {worker.faults} fault(s)" if worker.faults else ""
    return f"{worker.settled}{faults}"


def _more(shown: int, all_of_them: int, after: Address | None) -> list[str]:
    return [f"{shown} of {all_of_them}; the next with --after {after}"] if after else []


def excluded_report(found: ExcludedWorkers) -> RenderableType:
    """Return the workers that are kept from work for a person."""
    if not found.workers:
        return "no worker is drained or banned"
    rows = [
        (
            each.worker,
            "banned" if each.kind is ExclusionKind.BAN else "drained",
            moment(each.since),
            each.reason or "none told",
            "yes" if each.connected else "no",
        )
        for each in found.workers
    ]
    columns = ("worker", "is", "since", "reason", "connected")
    return Group(grid(columns, rows), *_more(len(rows), found.excluded, found.after))


def decided_report(decided: Decided) -> RenderableType:
    """Say what holds for a worker now."""
    if decided.exclusion is None:
        return (
            f"{decided.worker} works like any other again"
            if decided.changed
            else f"{decided.worker} was neither drained nor banned"
        )
    rows = [
        ("worker", f"{decided.worker} {_KEPT[decided.exclusion.kind]}"),
        ("reason", decided.exclusion.reason or "none told"),
        ("connected", "yes" if decided.connected else "no"),
        ("taken back by", f"poolhand pool readmit {decided.worker}"),
    ]
    return pairs(rows)
