"""What a market's refusal means, and who must do what: its texts are iExec's, and say neither.

Source: services-api.md 2.3, ``domain.market.refusals``.
"""

from __future__ import annotations

import re
from typing import Final

from poolhand.domain.market.refusals import OrderAlreadyPublished, ResourceNotDeployed

_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (
        "invalid authorization",
        (
            "the market does not take this wallet's signature of its challenge: run it again; if "
            "it stays so, the market is one of another chain"
        ),
    ),
    (
        "order already published",
        (
            "this very order was published before: `poolhand order show HASH` tells how it stands; "
            "where it is used up or cancelled on chain, sign a new one (`poolhand order create`)"
        ),
    ),
    (
        "Resource not deployed",
        (
            "no contract of this chain has that address: check it, or create it first "
            "(`poolhand app deploy`, `dataset deploy`, `pool create`)"
        ),
    ),
    (
        "only order signer .* can (publish|unpublish) an order",
        "use the wallet of that address (--wallet)",
    ),
    (
        "invalid sign",
        "the order is not signed by its owner for this chain and hub: sign it again",
    ),
    (
        "maximum of .* open .* has been reached .*",
        (
            "take some of them out of the market first: `poolhand order list` shows them, "
            "`poolhand order unpublish` takes one"
        ),
    ),
    (
        "order already consumed",
        "all tasks of this order are used up, or it is cancelled on chain: sign a new one",
    ),
    (
        "workerpool owner's stake is too low .*",
        "the pool's owner must deposit more (`poolhand account deposit`), or sell fewer tasks",
    ),
    (
        "requester stake is too low .*",
        "deposit more (`poolhand account deposit`), or ask for fewer tasks",
    ),
    (
        "No .* published for (app|dataset) .*",
        "its owner must publish an order for it first (`poolhand app publish`, `dataset publish`)",
    ),
    (
        "(app|dataset)maxprice for .* is too low.*",
        (
            "sign a request that pays as much as that (--app-price, --dataset-price of "
            "`poolhand order request`)"
        ),
    ),
    (
        "the book is full: .*",
        (
            "the market keeps the requests that offer most: sign one that pays more (`poolhand "
            "order request`), or buy from the pool itself (`poolhand run --by-signature`)"
        ),
    ),
    (
        ".* with orderHash .* is not published",
        "the market does not show it now: `poolhand order show HASH` tells how it stands",
    ),
    (
        "no open .* published by signer .*",
        "there is nothing to take out of the market",
    ),
    (
        "chainId .* is not supported",
        "this market is one of another chain: name another (--market)",
    ),
    (
        ".* not found",
        (
            "the market does not have it: it was never published there, or was taken out again (an "
            "order is then still valid on chain until cancelled); publish it, or ask another market"
        ),
    ),
    (
        "the request is over .*|the request body is over .*",
        "shorten it",
    ),
)
"""A text of the market, as a pattern of all of it, and what to do."""
_COMPILED: Final = tuple((re.compile(pattern), told) for pattern, told in _ADVICE)


def advice(said: str) -> str | None:
    """Return what to do about a market's refusal; None for one that nobody foresaw."""
    return next((told for pattern, told in _COMPILED if pattern.fullmatch(said)), None)


def is_not_deployed(said: str) -> bool:
    """Whether a market refuses an order because it knows no such app, dataset or workerpool."""
    return said == str(ResourceNotDeployed())


def is_known_already(said: str) -> bool:
    """Whether a market refuses to publish an order because it has it."""
    return said == str(OrderAlreadyPublished())
