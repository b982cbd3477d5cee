"""How an order stands, in words: in the market and on chain are two things.

Taken out of a market, an order is still valid on chain for whoever has it, until its owner cancels
it there.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.market.book import BookStatus

UNTIL_CANCELLED: Final = "still valid on chain until cancelled"


def in_words(status: BookStatus | None, left: int, volume: int, *, asked: bool = True) -> str:
    """Say how an order stands.

    Args:
        status: In the market; None: it is not there.
        left: Tasks that it has left on chain.
        volume: Tasks that it was signed for.
        asked: Whether a market was asked.
    """
    if left <= 0:
        ended = "cancelled" if status is BookStatus.CANCELED else "used up or cancelled"
        return f"{ended} on chain: nobody can use it any more"
    tasks = f"{left} of {volume} tasks left"
    if not asked:
        return f"{UNTIL_CANCELLED}, {tasks}; no market was asked"
    match status:
        case BookStatus.OPEN:
            return f"for sale in the market: {tasks}"
        case BookStatus.DEAD:
            return (
                f"in the market, but nobody can use it now (stake, owner or an order that it needs "
                f"is missing); {UNTIL_CANCELLED}: {tasks}"
            )
        case BookStatus.FILLED | BookStatus.CANCELED:
            return f"the market shows it no more, the chain is not so far yet: {tasks}"
        case None:
            return f"not in the market; {UNTIL_CANCELLED}: whoever has it can use the {tasks}"
