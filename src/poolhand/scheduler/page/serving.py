"""The owner's page over HTTP: a frame that tells nothing, and what fills it, for the owner.

The frame and its files are for everybody. Whatever is told needs the token of a session, which the
browser has from a signature, or from the fragment of the address that ``poolhand pool page``
prints, and sends in a header: so no other site's page can use it (ADR 98, ADR 105).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.scheduler.api.dashboard import DashboardTeller
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.owner_workers import MOST_WORKERS_LISTED, OwnersWorkers
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.page import sections
from poolhand.scheduler.page.sections import OWNER_SECTIONS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.page.assets import OWN_FILES_HEADERS, file_route

OWNER_PAGE: Final = "/owner"
OWNER_STATIC: Final = "/owner/static/{name}"
OWNER_PARTS: Final = "/owner/parts"
OWNER_WORKERS_SHOWN: Final = 100
OWNER_TASKS_SHOWN: Final = 25
_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Poolhand pool</title>
<link rel="icon" href="/owner/static/poolhand.svg">
<link rel="stylesheet" href="/owner/static/colours.css">
<link rel="stylesheet" href="/owner/static/live.css">
<link rel="stylesheet" href="/owner/static/owner.css">
<script src="/owner/static/owner.js" defer></script></head>
<body><a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand"><img src="/owner/static/poolhand.svg" alt="" width="24" height="24"> Poolhand
<span>pool owner</span></p>
<div id="orders" role="group" aria-label="Orders" hidden>
<button type="button" id="pool-drain" data-drains="true">Sell nothing new</button>
<button type="button" id="pool-resume" data-drains="false">Sell again</button>
<button type="button" id="sign-out">Sign out</button>
</div></header>
<main id="main" tabindex="-1"><p id="note" class="note" role="status">One moment…</p>
<section id="sign-in" hidden><h1>Your pool</h1>
<p>This page is the pool owner’s. Sign in with the wallet that owns the workerpool: it signs a \
message, which costs nothing and sends no transaction.</p>
<p><button type="button" id="sign">Sign in with the browser’s wallet</button></p>
<p>Without a wallet in this browser, type <code>poolhand pool page</code> where the wallet is, and \
open the address that it prints.</p></section>
<div id="live">{sections}</div></main>
<dialog id="ask" aria-labelledby="ask-title"><form method="dialog">
<h2 id="ask-title"></h2><p id="ask-says"></p>
<label for="ask-text" id="ask-label"></label>
<textarea id="ask-text" rows="3" maxlength="200"></textarea>
<p class="choice"><button type="submit" value="" id="ask-no">Leave it</button>
<button type="submit" value="yes" id="ask-yes"></button></p></form></dialog>
<footer><p>For programs: <a href="/docs">the pool’s API</a>, <a href="/health">health</a>,
<a href="/metrics">metrics</a> (Prometheus). <a href="/join">Bring a computer into the pool</a>.
Times are UTC.</p></footer>
</body></html>
"""


@cache
def frame() -> str:
    """Return the page without anything of the pool's."""
    places = "".join(f'<section id="{name}"></section>' for name in OWNER_SECTIONS)
    return _FRAME.replace("{sections}", places)


class NoSuchPage(Refused):
    """So many rows are on no page."""

    def __init__(self) -> None:
        super().__init__(f"limit is a number from 1 to {MOST_WORKERS_LISTED}")


class OwnerPage:
    """Makes the parts of the page.

    Args:
        dashboard: Has the figures.
        workers: Has workers, and whom the owner keeps from work.
        known: Finds tasks.
        tasks: Puts them into words.
    """

    def __init__(
        self,
        dashboard: DashboardTeller,
        workers: OwnersWorkers,
        known: KnownTasks,
        tasks: TaskTeller,
    ) -> None:
        self._dashboard, self._workers, self._known, self._tasks = dashboard, workers, known, tasks

    async def parts(
        self,
        workers_after: Address | None,
        excluded_after: Address | None,
        before: TaskId | None,
        limit: int = OWNER_WORKERS_SHOWN,
    ) -> dict[str, Any]:
        """Return the page's title and every part by its id.

        Args:
            workers_after: The last worker of the page before; None: the first page.
            excluded_after: The same of those that are kept from work.
            before: The last task of the page before; None: the newest.
            limit: Workers of one list at most.
        """
        told = await self._dashboard.tell()
        page = await self._known.page(None, before, OWNER_TASKS_SHOWN)
        listed = [self._tasks.in_list(each) for each in page]
        made = (
            sections.head(told),
            sections.alerts(told),
            sections.figures(told),
            sections.queue(told),
            sections.workers(self._workers.page(workers_after, limit)),
            sections.excluded(self._workers.excluded(excluded_after, limit)),
            sections.tasks(listed, sum(told.tasks.values()), OWNER_TASKS_SHOWN),
            sections.earnings(told),
            sections.pool_facts(told),
        )
        parts = dict(zip(OWNER_SECTIONS, made, strict=True))
        return {"title": sections.title(told), "sections": parts, "draining": told.draining}


def frame_routes() -> tuple[BaseRoute, ...]:
    """Return what everybody may load: the frame and its files."""

    async def front(_: Request) -> HTMLResponse:
        return HTMLResponse(frame(), headers=OWN_FILES_HEADERS)

    return Route(OWNER_PAGE, front), file_route(OWNER_STATIC, "poolhand.scheduler.page")


def part_routes(page: OwnerPage) -> tuple[BaseRoute, ...]:
    """Return what fills the frame, for the owner alone: ``transport.bearer`` stands before it."""

    async def parts(request: Request) -> JsonAnswer:
        asked = request.query_params
        found = await page.parts(
            _read(Address, asked.get("workers")),
            _read(Address, asked.get("excluded")),
            _read(TaskId, asked.get("tasks")),
            _limit(asked.get("limit")),
        )
        return JsonAnswer(found, headers=OWN_FILES_HEADERS)

    return (Route(OWNER_PARTS, parts),)


def _limit(text: str | None) -> int:
    """Return how many workers a list has; raises NoSuchPage."""
    if text is None:
        return OWNER_WORKERS_SHOWN
    found = int(text) if text.isdecimal() and len(text) <= 9 else 0
    if not 1 <= found <= MOST_WORKERS_LISTED:
        raise NoSuchPage
    return found


def _read(kind: Any, text: str | None) -> Any:
    return kind.parse(text) if text else None
