"""What a browser shows of what a worker needs, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.text import shown

STATUS_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded, nothing is run, nobody may frame it."""
MOST_CELL: Final = 300
"""Characters of one cell."""
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}"
    "table{border-collapse:collapse;margin-bottom:2rem}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0;overflow-wrap:anywhere}"
)


def doctor_page(told: Mapping[str, Any]) -> str:
    """Return the page of what a running worker needs.

    Args:
        told: As ``wire.doctor_json`` has it.
    """
    order = {outcome: place for place, outcome in enumerate(CheckOutcome)}
    checks = sorted(told["checks"], key=lambda each: -order[each["outcome"]])  # worst first
    rows = ((c["check"], c["outcome"], c["found"], c["fix"]) for c in checks)
    parts = [
        _table(("check", "outcome", "what is found", "what would fix it"), rows),
        (
            '<p>Looked at once a minute at most, while somebody asks. <a href="/">Its page</a>. '
            'For programs: <a href="/v1/doctor">/v1/doctor</a> (JSON). What it found out by '
            "starting is looked at, too, by <code>poolhand worker doctor</code>.</p>"
        ),
    ]
    return _page("What this worker needs", parts)


def _page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    lines = [f"<tr>{head}</tr>"] if head else []
    for row in rows:
        first = "th" if not columns else "td"
        cells = [f"<{first}>{_cell(row[0])}</{first}>", *(f"<td>{_cell(c)}</td>" for c in row[1:])]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "\n".join(lines) + "</table>"


def _cell(value: Any) -> str:
    return escape(shown(str(value), MOST_CELL))
