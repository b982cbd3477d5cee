"""What a browser shows at the worker's address: its status, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc
from poolhand.worker.idle import show_moment

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded, nothing is run, nobody may frame it."""
REFRESH: Final = 5
"""Seconds between two looks of a browser that stays."""
MOST: Final = 300
"""Characters of one cell."""
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}"
    "table{border-collapse:collapse;margin-bottom:2rem}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0;overflow-wrap:anywhere}"
)


def front_page(told: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        told: As ``WorkerTeller.show`` has it.
    """
    title = f"Worker {_cell(told['name'])}"
    parts = [_table((), _facts(told))]
    if told["idle_causes"]:
        columns = ("why nothing new runs", "who acts", "what would change it")
        causes = told["idle_causes"]
        parts.append(_table(columns, ((c["sentence"], c["acts"], c["change"]) for c in causes)))
    if told["replicates"]:
        heads = ("task", "status", "meaning", "who acts", "next")
        parts.append(_table(heads, map(_replicate, told["replicates"])))
    parts.append(
        '<p><a href="/doctor">Is all there that it needs?</a> '
        'For programs: <a href="/v1/status">/v1/status</a> (JSON), '
        '<a href="/metrics">/metrics</a> (Prometheus). Orders are given with '
        "<code>poolhand worker pause|resume|deposit|stop</code>.</p>"
    )
    return _page(title, parts, f'<meta http-equiv="refresh" content="{REFRESH}">')


def doctor_page(told: Mapping[str, Any]) -> str:
    """Return the page of what a running worker needs.

    Args:
        told: As ``wire.doctor_json`` has it.
    """
    order = {outcome: place for place, outcome in enumerate(CheckOutcome)}
    checks = sorted(told["checks"], key=lambda each: -order[each["outcome"]])  # worst first
    rows = ((c["check"], c["outcome"], c["found"], c["fix"]) for c in checks)
    parts = [
        _table(("check", "outcome", "what is found", "what would mend it"), rows),
        (
            '<p>Looked at once a minute at most, while somebody asks. <a href="/">Its status</a>. '
            'For programs: <a href="/v1/doctor">/v1/doctor</a> (JSON). What it found out by '
            "starting is looked at, too, by <code>poolhand worker doctor</code>.</p>"
        ),
    ]
    return _page("What this worker needs", parts)


def _page(title: str, parts: Iterable[str], more: str = "") -> str:
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"{more}<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    chain, gas, stake = told["chain"], told["gas"], told["stake"]
    yield "wallet", told["worker"]
    yield "workerpool", told["workerpool"]
    yield "session", "connected" if told["connected"] else f"none: {told['problem']}"
    yield "takes tasks", f"no: {told['paused']}" if told["paused"] else "yes"
    since = chain["stalled_since"]
    yield (
        "chain",
        f"block {chain['block']}"
        + (f", and nothing new since {show_moment(since)}" if since else ""),
    )
    yield "slots", told["slots"]
    if gas["balance_wei"] is not None:
        yield "coin for gas", show_coin(Wei(gas["balance_wei"]))
    if stake["free_nrlc"] is not None:
        free, locked = (NanoRlc(stake[each]) for each in ("free_nrlc", "locked_nrlc"))
        yield "stake", f"{show_rlc(free)} RLC free, {show_rlc(locked)} RLC locked"
    yield "folder", told["folder"]
    yield "version", told["version"]


def _replicate(each: Mapping[str, Any]) -> tuple[Any, ...]:
    return each["task_id"], each["status"], each["meaning"], each["acts"], each["next_step"]


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    lines = [f"<tr>{head}</tr>"] if head else []
    for row in rows:
        first = "th" if not columns else "td"
        cells = [f"<{first}>{_cell(row[0])}</{first}>", *(f"<td>{_cell(c)}</td>" for c in row[1:])]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "\n".join(lines) + "</table>"


def _cell(value: Any) -> str:
    return escape(shown(str(value), MOST))
