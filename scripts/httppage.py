"""Writes docs/reference/http.md: what pool, results service, secrets and market answer over HTTP.

It is read from the same routes and models that the services run (docs/adr/0035), made over parts
that do nothing: only their description is asked for. Tests hold each running service to the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter

from poolhand.market.api.about import about_routes
from poolhand.market.api.accounts import account_routes
from poolhand.market.api.deals import deal_routes as market_deal_routes
from poolhand.market.api.orders import order_routes as market_order_routes
from poolhand.market.api.overview import overview_routes
from poolhand.market.api.pools import pool_routes
from poolhand.market.api.registry import registry_routes
from poolhand.market.api.tasks import task_routes as market_task_routes
from poolhand.results.api import routes as result_routes
from poolhand.results.logins import login_routes
from poolhand.scheduler.api.core_tasks import CoreTasks, core_routes
from poolhand.scheduler.api.deals import deal_routes
from poolhand.scheduler.api.drain import drain_routes
from poolhand.scheduler.api.health import health_routes
from poolhand.scheduler.api.joining import join_routes
from poolhand.scheduler.api.orders import order_routes
from poolhand.scheduler.api.purchases import purchase_routes
from poolhand.scheduler.api.selling import selling_routes
from poolhand.scheduler.api.statuses import status_routes
from poolhand.scheduler.api.summary import summary_routes
from poolhand.scheduler.api.task_output import output_routes, reader_sign_in_routes
from poolhand.scheduler.api.tasks import task_routes
from poolhand.scheduler.api.workers import worker_routes
from poolhand.sms.api import about_routes as secrets_about_routes
from poolhand.sms.api import secret_routes
from poolhand.sms.tee_api import TeeFace, tee_routes
from poolhand.transport.described import DescribedRoute, document_of

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "http.md"
HEAD: Final = """# HTTP

<!-- Made by `make docs` from the routes and models of the services; do not edit. -->

Every service tells this of itself, too: for people at `/docs`, for programs at `/openapi.json`.
Sums of RLC are whole nRLC, times Unix seconds where nothing else is said, ids and addresses
hexadecimal with `0x`. What is refused is answered with its reason as JSON. How the market words its
refusals, and who may write in it, is told in [the market's API](market-api.md); what workers and
pools say to one another in [the worker protocol](../protocol/worker-protocol.md).
"""
_SPACES = re.compile(r"\s+")
_METHODS: Final = ("get", "post", "put", "delete", "patch")


class _Nothing:
    """Stands for every part of a service whose routes are only described."""

    def __getattr__(self, name: str) -> _Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> _Nothing:
        return self


def documents() -> dict[str, dict[str, Any]]:
    """Return the OpenAPI document of each service, by its title."""
    return {name: document_of(name, _routes(routers)) for name, routers in _services().items()}


def _routes(routers: tuple[APIRouter | list[DescribedRoute], ...]) -> Iterator[Any]:
    for router in routers:
        yield from router.routes if isinstance(router, APIRouter) else router


def _services() -> dict[str, tuple[APIRouter | list[DescribedRoute], ...]]:
    part: Any = _Nothing()
    pool = (
        selling_routes(part, part), purchase_routes(part), order_routes(part), drain_routes(part),
        summary_routes(part), worker_routes(part, part, part, part), status_routes(),
        task_routes(part, part, part, part), reader_sign_in_routes(part, part),
        output_routes(part, part, part), core_routes(CoreTasks(part, part, part, part, part, "")),
        deal_routes(part, part, part), join_routes(part, part, part), health_routes(part, part),
    )  # fmt: skip
    market = (
        pool_routes(part, part), market_task_routes(part, part), market_order_routes(part),
        market_deal_routes(part), about_routes(part), overview_routes(part), account_routes(part),
        registry_routes(part, part),
    )  # fmt: skip
    results = login_routes(part, part), result_routes(part, part, part, part)
    secrets = (
        secret_routes(part, part),
        tee_routes(TeeFace(*[part] * 7)),
        secrets_about_routes([part], part, part, part),
    )
    return {
        "The pool": pool,
        "The results service": results,
        "The secret management service": secrets,
        "The market": market,
    }


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name, document in documents().items():
        parts += [f"\n## {name}\n", *_endpoints(document)]
    return "\n".join(parts).rstrip() + "\n"


def _endpoints(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        asked = _METHODS if "get" in methods else ("head", *_METHODS)
        for method in (each for each in asked if each in methods):
            told = methods[method]
            yield f"### `{method.upper()} {path}`\n"
            yield f"{_prose(told.get('description') or told.get('summary', ''))}\n"
            yield from _parameters(told.get("parameters", ()))
            yield from _answer(told, document)


def _parameters(told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for each in told:
        needed = "" if each.get("required") else ", optional"
        kind = f"{_kind(each.get('schema', {}))}{needed}"
        rows.append((f"`{each['name']}`", each["in"], kind, _cell(each.get("description", ""))))
    yield from _table(("parameter", "in", "is", "meaning"), rows)


def _answer(told: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a success holds: the members of its model, if it has one."""
    for status, answer in sorted(told.get("responses", {}).items()):
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        members = _model(schema, document).get("properties", {})
        if status.startswith("2") and members:
            yield f"Answers {_kind(schema)}:\n"
            rows: list[tuple[str, ...]] = [
                (f"`{name}`", _kind(each), _cell(each.get("description", "")))
                for name, each in members.items()
            ]
            yield from _table(("member", "is", "meaning"), rows)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table; the last column is left out where it says nothing."""
    shown = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    if rows:
        yield f"| {' | '.join(columns[:shown])} |\n|{'---|' * shown}"
        yield from (f"| {' | '.join(row[:shown])} |" for row in rows)
        yield ""


def _model(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the model of an answer, or of each member of a list; empty where there is none."""
    if schema.get("type") == "array":
        schema = schema.get("items", {})
    found = schema.get("$ref", "").rpartition("/")[2]
    models: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    model: Mapping[str, Any] = models.get(found, {})
    return model


def _kind(schema: Mapping[str, Any]) -> str:
    """Return what a value is, in a word or two."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return " or ".join(dict.fromkeys(_kind(each) for each in several))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"`{each}`" for each in values)
    words = {"null": "nothing", "object": "object", "integer": "whole number", "string": "text"}
    kind = str(schema.get("type", "anything"))
    return words.get(kind, kind)


def _prose(text: str) -> str:
    return _SPACES.sub(" ", text).strip().replace("<", "&lt;").replace("``", "`")


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
