"""How values of the API stand on a page: moments, ids, prices. Pure.

Each is total: what is no such value is shown as it is, for an answer may tell anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from shlex import quote
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from poolhand.domain.errors import BadHex
from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, REVEAL_GAS
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import TeeFramework
from poolhand.transport.page.words import GLUE, NOT_KNOWN, coin

_NOBODY: Final = "0x" + 40 * "0"


def number(count: Any) -> str:
    """Write a count; one that no order ever reaches is told as such."""
    if not isinstance(count, int):
        return NOT_KNOWN
    return "no limit" if count >= BULK_VOLUME else f"{count:,}"


def moment(text: Any) -> str:
    """Write a moment (ISO 8601) as people read it: ``28 Nov 2026, 16:02:11``, in UTC."""
    found = _read(text)
    return NOT_KNOWN if found is None else f"{found.day} {found:%b %Y, %H:%M:%S}"


def clock(text: Any) -> str:
    """Write the time of day of a moment (UTC)."""
    found = _read(text)
    return NOT_KNOWN if found is None else f"{found:%H:%M:%S}"


def _read(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def short(text: Any) -> str:
    """Write an id so that it fits: its first six and last four digits."""
    told = str(text)
    return f"{told[:8]}…{told[-4:]}" if told.startswith("0x") and len(told) > 16 else told


def pool_name(pool: Mapping[str, Any]) -> str:
    """Return how a pool is called: by its profile, else on chain, else by its address."""
    profile = pool.get("profile") or {}
    return str(profile.get("name") or pool.get("name") or short(pool.get("address")))


def percent(share: Any) -> str:
    """Write a share of a hundred."""
    return f"{share}{GLUE}%" if isinstance(share, int) else NOT_KNOWN


def workers_share(pool: Mapping[str, Any]) -> int | None:
    """Return the percent of what a pool is paid that its workers get; None: it was not read."""
    kept = pool["schedulerRewardRatio"]
    return 100 - kept if isinstance(kept, int) else None


def confidence(trust: Any) -> str:
    """Tell what a trust buys: how sure it is that a result is right (PoCo: 1 - 1/trust)."""
    if not isinstance(trust, int) or trust <= 1:
        return "the word of one worker"
    return f"at least {100 - 100 / trust:.4g}{GLUE}% sure that the result is right"


def shell(word: Any) -> str:
    """Write a word of a line that people paste into a shell: there it is nothing but a word."""
    return quote(str(word))


def gas_of_a_task(price: Any) -> str:
    """Write the coin that a contribution and its reveal take at most, at a price (wei per gas)."""
    if not isinstance(price, int):
        return NOT_KNOWN
    return coin((CONTRIBUTE_GAS + REVEAL_GAS) * price, at_most=True)


def is_nobody(address: Any) -> bool:
    """Whether an address is the placeholder: nobody, anybody, none."""
    return str(address).lower() == _NOBODY


def tags(text: Any) -> str:
    """Write what a tag demands, in words."""
    try:
        found = Tag.parse(str(text))
    except BadHex:
        return str(text)
    names = (*found.names, *(f"bit {bit}" for bit in found.unknown))
    return ", ".join(names) if names else "none"


def framework(tag: Any) -> str:
    """Return the framework that a tag asks of a confidential task; empty for a usual task.

    Tags that ask for an enclave and for no one framework are told as what they ask for.
    """
    try:
        found = Tag.parse(str(tag))
    except BadHex:
        return ""
    if not found.needs_tee:
        return ""
    return ", ".join(name for name in found.names if name in set(TeeFramework)) or "no framework"


def is_link(text: Any) -> bool:
    """Whether a text is the address of something on the web, and nothing that runs."""
    try:
        parts = urlsplit(str(text))
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def place(path: str, **query: Any) -> str:
    """Return the address of a page; members that are empty are left out."""
    told = {name: value for name, value in query.items() if value not in (None, "")}
    return path + ("?" + urlencode(told) if told else "")


def turned(path: str, query: Mapping[str, str], index: int) -> str:
    """Return the address of another part of a list."""
    return place(path, **{**query, "pageIndex": index or ""})
