"""The first page: what happens now."""

from __future__ import annotations

from poolhand.market.pages.shown import Shown, Visit


async def overview(visit: Visit) -> Shown:
    """Show the block, open orders, prices by category and the newest deals."""
    return Shown("overview.html", "What happens now", {"now": await visit.ask("/overview")})
