"""How a payload gets to workers: within the deal, or as a file that the deal names by its sha256.

What is in the deal is on chain for ever, so it is short. A longer one is left at a results service
before anything is paid, and taken away when every task of the deal has ended.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from poolhand.client.functions.errors import PayloadTooLarge
from poolhand.domain.input_url import UnreadableInput, check_input_url
from poolhand.requester.requester import Requester
from poolhand.requester.result_places import NoResultsService

MOST_INLINE: Final = 16 * 1024
"""Characters of a payload that may stand in the deal itself."""
_FILE_MARK: Final = "sha256:"
"""Before the digest of a payload that is the first input file, in the app's arguments."""


@dataclass(frozen=True, slots=True)
class SentPayload:
    """A payload on its way.

    Attributes:
        word: By which the app finds it, the last of its arguments.
        inputs: URLs of the deal's input files.
    """

    word: str
    inputs: tuple[str, ...] = ()


async def sent(payload: bytes, requester: Requester) -> SentPayload:
    """Send a payload on its way; nothing is paid.

    Raises:
        PayloadTooLarge: It does not go into a deal, and no results service keeps it for workers.
        InputNotLeft, ResultsDown: The results service does not take it.
    """
    text = base64.urlsafe_b64encode(payload).decode()
    if len(text) <= MOST_INLINE:
        return SentPayload(text)
    try:
        station = await requester.inputs()
        check_input_url(station.url)
    except (NoResultsService, UnreadableInput) as fault:
        raise PayloadTooLarge(len(payload), MOST_INLINE * 3 // 4) from fault
    where = check_input_url(await station.leave(payload))
    return SentPayload(_FILE_MARK + sha256(payload).hexdigest(), (where,))


async def released(order: Mapping[str, Any], requester: Requester) -> None:
    """Take away the file of an order that needs it no more, where it has one; repeatable.

    Raises:
        NoResultsService, InputNotLeft, ResultsDown: It goes by itself, later.
    """
    for url in order["inputs"]:
        service, _, name = url.partition("/v1/inputs/")
        station = await requester.inputs(service)
        await station.release(bytes.fromhex(name.rpartition("/")[2]))
