"""The page ``/docs`` of a service: its endpoints, in plain HTML that loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may load for a page of ours: nothing."""
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 .25rem}p,li{white-space:pre-line}"
)


def api_page(document: Callable[[], Mapping[str, Any]]) -> Route:
    """Return the route that shows the endpoints of an OpenAPI document."""

    async def show(_: Request) -> HTMLResponse:
        return HTMLResponse(_page(document()), headers={"Content-Security-Policy": POLICY})

    return Route("/docs", show, include_in_schema=False)


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
