"""How texts and facts stand on pages that are kept up to date. Pure; each returns escaped text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from poolhand.domain.text import shown
from poolhand.transport.page.words import GLUE, NOT_KNOWN

MOST_TEXT_SHOWN: Final = 600
"""Characters of one text."""


def text(value: Any) -> str:
    """Write a text from anywhere: what commands or hides is told, not done."""
    return escape(shown(str(value), MOST_TEXT_SHOWN))


def moment(at: float | None) -> str:
    """Write a moment (Unix seconds) as people read it, in UTC."""
    if at is None:
        return NOT_KNOWN
    found = datetime.fromtimestamp(at, UTC)
    told = f"{found.day} {found:%b %Y, %H:%M:%S}"
    return f'<time datetime="{found:%Y-%m-%dT%H:%M:%SZ}">{told}</time>'


def short(name: Any) -> str:
    """Write an id so that it fits, with the whole of it in its title."""
    told = str(name)
    fits = f"{told[:10]}…{told[-4:]}" if len(told) > 18 else told
    return f'<span class="id" title="{text(told)}">{text(fits)}</span>'


def badge(word: str, kind: str = "") -> str:
    """Write a word that stands out; ``kind`` is good, warn, bad or none of them."""
    return f'<span class="badge {kind}">{text(word)}</span>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """Write a table of cells that are written already; the last ``numbers`` columns are amounts."""
    first_number = len(heads) - numbers
    kinds = [' class="n"' if place >= first_number else "" for place in range(len(heads))]
    pairs = zip(heads, kinds, strict=True)
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in pairs)
    body = []
    for row in rows:
        cells = [f'<th scope="row">{row[0]}</th>']
        cells += [
            f'<td{kind} data-label="{name}">{cell}</td>'
            for cell, name, kind in zip(row[1:], heads[1:], kinds[1:], strict=True)
        ]
        body.append("<tr>" + "".join(cells) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def figure(name: str, value: str, more: str = "") -> str:
    """Write one figure with its name; a line may end before its unit, for it is large."""
    below = f'<dd class="faint">{more}</dd>' if more else ""
    return f"<div><dt>{name}</dt><dd>{value.replace(GLUE, ' ')}</dd>{below}</div>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Write names and values."""
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
        + "</dl>"
    )
