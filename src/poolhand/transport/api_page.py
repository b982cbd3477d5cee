"""What a service tells of its endpoints: ``/openapi.json``, and ``/docs`` in plain HTML.

That page loads nothing. The document is made when somebody asks for it, once, and in a thread: to
load FastAPI alone may take a second, in which the service would answer nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from poolhand.transport.json_answer import JsonAnswer

API_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""What a browser may load for a page of ours: nothing."""
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 .25rem}p,li{white-space:pre-line}"
)


def api_pages(make: Callable[[], Mapping[str, Any]]) -> tuple[Route, Route]:
    """Return the routes that tell a service's endpoints.

    Args:
        make: Returns the OpenAPI document; it is called in a thread.
    """
    document = _MadeOnce(make)

    async def show(_: Request) -> HTMLResponse:
        page = _page(await document.get())
        return HTMLResponse(page, headers={"Content-Security-Policy": API_PAGE_POLICY})

    async def tell(_: Request) -> JsonAnswer:
        return JsonAnswer(await document.get())

    return Route("/docs", show), Route("/openapi.json", tell)


class _MadeOnce:
    """A document that all who ask for it wait for; what failed is made anew for the next."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make
        self._making: asyncio.Task[Mapping[str, Any]] | None = None

    async def get(self) -> Mapping[str, Any]:
        """Return the document; who leaves meanwhile ends nothing for others."""
        if self._making is None or _has_failed(self._making):
            self._making = asyncio.create_task(asyncio.to_thread(self._make))
        return await asyncio.shield(self._making)


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _page(schema: Mapping[str, Any]) -> str:
    title = escape(schema["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title} {escape(schema['info']['version'])}</h1>"
        f'<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{''.join(_endpoints(schema))}</html>"
    )


def _endpoints(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            yield f"<h2>{escape(method.upper())} {escape(path)}</h2>"
            yield f"<p>{escape(told.get('description') or told.get('summary', ''))}</p>"
            parameters = told.get("parameters", ())
            if parameters:
                yield f"<ul>{''.join(map(_parameter, parameters))}</ul>"


def _parameter(told: Mapping[str, Any]) -> str:
    needed = "" if told.get("required") else ", optional"
    about = told.get("description", "")
    text = f"{told['name']} ({told['in']}{needed}){': ' if about else ''}{about}"
    return f"<li>{escape(text)}</li>"
