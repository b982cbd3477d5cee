"""A task's page at its pool: how it stands, how far it is, and what it prints, as it comes.

The frame and its files tell nothing. What fills it is the pool's public API; what a task prints
needs the token of its requester, which the browser has from a signature, unless the pool
publishes it.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from poolhand.domain.ids import TaskId
from poolhand.transport.page.assets import OWN_FILES_HEADERS

TASK_PAGE: Final = "/task/{task_id}"
_TASK_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Task {task}</title>
<link rel="icon" href="/owner/static/poolhand.svg">
<link rel="stylesheet" href="/owner/static/colours.css">
<link rel="stylesheet" href="/owner/static/live.css">
<link rel="stylesheet" href="/owner/static/task.css">
<script src="/owner/static/task.js" defer></script></head>
<body><a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand"><img src="/owner/static/poolhand.svg" alt="" width="24" height="24"> Poolhand
<span>a pool’s task</span></p></header>
<main id="main" tabindex="-1" data-task="{task}">
<p id="note" class="note" role="status">One moment…</p>
<h1>Task <span id="status" class="badge"></span></h1>
<p class="lead"><code>{task}</code></p>
<p id="meaning"></p>
<section id="confidential" class="card" hidden><h2>Confidential <span id="simulated" \
class="badge warn" hidden>simulated</span></h2>
<p id="framework"></p>
<p>Its result has to be signed by the enclave: <code id="enclave"></code></p></section>
<section id="causes" class="card" hidden><h2>Why workers did not do it</h2><ul></ul></section>
<section id="sign-in" hidden><h2>What it prints</h2>
<p>That is shown to whoever bought the task. Its wallet signs a message, which costs nothing and \
sends no transaction.</p>
<p><button type="button" id="sign">Sign with the browser’s wallet</button></p>
<p>Without a wallet in this browser, type <code>poolhand task logs {task} --follow</code>.</p>
</section>
<div id="workers"></div></main>
<footer><p>What it prints is its requester’s, unless the pool publishes it. Its result can be read \
by everybody who knows its link, which is on chain, unless it was bought encrypted.</p>
<p>For programs: <a href="/docs">the pool’s API</a>. Lines are shown without colours, the \
last 2,000 of each worker.</p></footer>
</body></html>
"""


def task_page_routes() -> tuple[BaseRoute, ...]:
    """Return what everybody may load; raises BadHex where a path names no task."""

    async def front(request: Request) -> HTMLResponse:
        name = TaskId.parse(request.path_params["task_id"])
        return HTMLResponse(_TASK_FRAME.replace("{task}", str(name)), headers=OWN_FILES_HEADERS)

    return (Route(TASK_PAGE, front),)
