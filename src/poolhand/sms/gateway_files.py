"""Files of IPFS by the gateways that the service's operator named, one after the other.

A file is taken from the first that gives the one that was asked for: a gateway that gives another
file is as good as one that is away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx

from poolhand.domain.content_id import ContentId, is_file_of
from poolhand.sms.bulk_datasets import ContentAway
from poolhand.web.client import AnswerTooLarge, Caps, GoesElsewhere, NoAnswer, ask
from poolhand.wire.bulk import MOST_BULK_FILE

LONGEST_GATEWAY_ANSWER: Final = 20.0
"""Seconds that one gateway may take."""
_CAPS: Final = Caps(MOST_BULK_FILE, LONGEST_GATEWAY_ANSWER, redirects=3)


class GatewayFiles:
    """Implements ``ContentFiles``.

    Args:
        http: Asks.
        gateways: Their URLs.
    """

    def __init__(self, http: httpx.AsyncClient, gateways: Sequence[str]) -> None:
        self._http, self._gateways = http, gateways

    async def read(self, content: ContentId) -> bytes:
        """Return a file that its address names; see ``ContentFiles.read``."""
        failures = []
        for gateway in self._gateways:
            url = f"{gateway.rstrip('/')}/ipfs/{content}"
            try:
                answer = await ask(self._http, "GET", url, _CAPS)
            except (NoAnswer, AnswerTooLarge, GoesElsewhere) as fault:
                failures.append(f"{gateway}: {fault}")
                continue
            if not answer.is_success:
                failures.append(f"{gateway}: HTTP {answer.status}")
            elif is_file_of(content, answer.content):
                return answer.content
            else:
                failures.append(f"{gateway}: another file, or one of several blocks")
        told = "; ".join(failures) or "no gateway is named (--ipfs-gateways)"
        raise ContentAway(f"{content} cannot be read from IPFS now: {told}")
