"""What a pool says of itself in a market: one rule for its texts, and when it counts as there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.ids import Address
from poolhand.domain.market.refusals import BadParameter, MarketRule
from poolhand.domain.text import UnfitText, checked

MOST_NAME: Final = 80
"""Characters of a pool's name."""
MOST_DESCRIPTION: Final = 1000
"""Characters of its description, with line ends."""
MOST_URL: Final = 300
"""Characters of a URL."""
POOL_IS_THERE_FOR: Final = 60_000
"""Milliseconds since a pool answered for which it counts as there."""


@dataclass(frozen=True, slots=True)
class PoolProfile:
    """A pool as its owner describes it; ``url`` is where its public API is reached."""

    workerpool: Address
    owner: Address
    name: str
    description: str
    url: str
    results_url: str


class NotOwnPool(MarketRule):
    """Somebody else than the pool's owner registers it, or has it forgotten."""

    def __init__(self, owner: Address | None) -> None:
        super().__init__(
            "Resource not deployed"
            if owner is None
            else f"only the owner {owner} of the workerpool can register it"
        )


def checked_profile(profile: PoolProfile) -> PoolProfile:
    """Return a profile that a person may be shown; raises BadParameter."""
    try:
        checked(profile.name, "the name", MOST_NAME)
        checked(profile.description, "the description", MOST_DESCRIPTION, lines=True)
    except UnfitText as fault:
        raise BadParameter(str(fault)) from fault
    if not profile.name.strip():
        raise BadParameter("name is a required field")
    for name, url in (("url", profile.url), ("resultsUrl", profile.results_url)):
        if not is_web_url(url):
            raise BadParameter(f"{name} must be a plain http or https URL of {MOST_URL} characters")
    return profile


def is_web_url(url: str) -> bool:
    """Whether a text is a URL of a service: http or https, a host, no password, nothing hidden."""
    if len(url) > MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        is_placed = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in ("http", "https") and is_placed and not has_more
