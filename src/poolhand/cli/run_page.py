"""What came of a purchase: as members, and as a page that fits 80 columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from poolhand.cli.causes import causes_report
from poolhand.cli.claiming import claim_members, claim_report
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.render import (
    coloured,
    deal_members,
    pairs,
    receipt_members,
    receipt_row,
    replicates_table,
    result_place,
    rlc,
    task_members,
)
from poolhand.cli.tables import indented
from poolhand.cli.timeline import transactions_paid
from poolhand.cli.verb import Answer
from poolhand.domain.orders.choosing import WITHOUT_DATASET
from poolhand.domain.units import NanoRlc

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.domain.orders.choosing import Bundle
    from poolhand.requester.claims import Claimed
    from poolhand.requester.results import Result
    from poolhand.requester.session import SessionDeal, Wished
    from poolhand.requester.watching import Progress, TaskProgress


@dataclass(frozen=True, slots=True)
class RunReport:
    """What came of a run."""

    bought: SessionDeal
    given: Wished
    results: tuple[Result, ...]
    waited: bool
    claimed: Claimed | None = None

    @property
    def progress(self) -> Progress:
        """How the tasks stood at last."""
        return self.bought.progress


def run_answer(report: RunReport) -> Answer:
    """Return the answer of ``poolhand run``."""
    failed = report.waited and not report.progress.succeeded
    return Answer(_members(report), lambda: Group(*_shown(report)), NOT_COMPLETED if failed else 0)


def _members(report: RunReport) -> dict[str, Any]:
    deal, paths = report.bought.deal, {each.task_id: each for each in report.results}
    tasks = []
    for task in report.progress.tasks:
        result = paths.get(task.task_id)
        tasks.append(
            {
                **task_members(task),
                "deal_id": str(deal.deal_id),
                "result_path": str(result.archive.resolve()) if result else None,
                "folder": str(result.folder.resolve()) if result and result.folder else None,
            }
        )
    return {
        **deal_members(deal),
        "arguments": list(report.given.arguments),
        "input_files": [{"name": name, "url": url} for name, url in report.given.inputs.items()],
        "resumed": report.bought.resumed,
        "transaction": receipt_members(report.bought.receipt),
        "sent_by": report.bought.sent_by,
        "why_not_by_pool": report.bought.why_not_by_pool or None,
        "claim": claim_members(report.claimed) if report.claimed else None,
        "tasks": tasks,
    }


def _shown(report: RunReport) -> Iterator[RenderableType]:
    deal = report.bought.deal
    cost = f"{rlc(deal.price * deal.bot_size)} for {deal.bot_size} task(s)"
    ids = (("deal", deal.deal_id), ("app", deal.app.address), ("cost", cost))
    yield pairs((*ids, ("transaction", receipt_row(report.bought.receipt)), *_sender(report)))
    if report.given.arguments or report.given.inputs:
        yield ""
        yield from (indented(line.lstrip(), _margin(line)) for line in given_lines(report.given))
    yield ""
    yield replicates_table(report.progress)
    why = list(causes_report(report.progress))
    yield from ("", *why) if why else ()
    results = {each.task_id: str(each.folder or each.archive) for each in report.results}
    for task in report.progress.tasks:
        yield ""
        yield _end(task, results.get(task.task_id))
    yield from _paid(report.progress)
    if report.claimed:
        yield from ("", claim_report(report.claimed))


def _sender(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yield who paid and sent the purchase where that was not the buyer."""
    deal = report.bought.deal
    if deal.sponsor != deal.requester:
        yield "paid by", f"{deal.sponsor}"
    if report.bought.sent_by:
        yield "sent by", f"the pool at {report.bought.sent_by},\nwhich paid the gas"


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def given_lines(given: Wished) -> Iterator[str]:
    """Yield what the app gets, and where its contract is written down."""
    if given.arguments:
        yield f"the app gets the arguments {json.dumps(list(given.arguments))}"
    for number, (name, url) in enumerate(given.inputs.items(), 1):
        yield f"input {number}: {url}"
        yield "  in /iexec_in as"
        yield f"  {name}"
    if given.inputs:
        yield "their names are in IEXEC_INPUT_FILE_NAME_1 and so on; what an app may"
        yield "rely on is told in docs/how-to/app-contract.md"


def offer_line(offer: Bundle, tasks: int) -> str:
    """Tell what an offer would cost, and of whom it is."""
    sellers = [
        offer.app,
        *(() if offer.dataset is WITHOUT_DATASET else (offer.dataset,)),
        offer.pool,
    ]
    parts = ", ".join(f"{each.kind} {each.resource} {rlc(each.price)}" for each in sellers)
    whole = NanoRlc(offer.price * tasks)
    return f"{tasks} task(s) would cost {rlc(whole)}, each {rlc(offer.price)}: {parts}"


def _end(task: TaskProgress, path: str | None) -> RenderableType:
    view = task.view
    return pairs(
        (
            ("task", task.task_id),
            ("status", coloured(task.status)),
            ("digest", view.digest if any(view.digest) else None),
            ("result", path or result_place(view.results)),
        )
    )


def _paid(progress: Progress) -> Iterator[RenderableType]:
    known = [task.news.transactions for task in progress.tasks if task.news]
    if any(known):
        yield from ("", Text("what the pool paid", style="bold"))
    for each in chain.from_iterable(known):
        yield from transactions_paid(each)
