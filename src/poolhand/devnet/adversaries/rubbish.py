"""*Simulated*: uploads that are not the result."""

from __future__ import annotations

import asyncio
import json
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.computed import COMPUTED_FILE
from poolhand.domain.ids import Address
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.result_key import ResultKey
from poolhand.ports.files import ResultsClient

BOMB_BYTES: Final = 64 * 1024**2
"""What the bomb expands to; it is about a thousandth of that itself."""
FALSE_LINK: Final = json.dumps({"storage": "ipfs", "location": "/ipfs/simulated-adversary"})
log = structlog.get_logger()
_COMPUTED: Final = json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})


class Rubbish(StrEnum):
    """What is uploaded: a task of index n gets number n, from the start again after the last."""

    ANOTHER_RESULT = "another-result"
    NO_ARCHIVE = "no-archive"
    ESCAPING_PATHS = "escaping-paths"
    BOMB = "bomb"
    FALSE_CLAIM = "false-claim"


def rubbish_for(index: int) -> Rubbish:
    """Return what is uploaded for task ``index`` of a deal."""
    return tuple(Rubbish)[index % len(Rubbish)]


class Litterer:
    """Uploads something else, by the honest way. Implements ``ports.files.ResultsClient``."""

    def __init__(self, service: ResultsClient) -> None:
        self._service = service

    async def upload(self, offer: Offer, archive: str) -> str:
        """Upload rubbish, or only claim to have uploaded; raises what the service raises."""
        what = rubbish_for(offer.index)
        log.warning("simulated_adversary_acts", task_id=str(offer.task_id), stage="upload")
        if what is Rubbish.FALSE_CLAIM:
            return FALSE_LINK
        rubbish = Path(archive).with_name("rubbish.zip")
        await asyncio.to_thread(write_rubbish, what, rubbish)
        return await self._service.upload(offer, str(rubbish))

    async def key_of(self, owner: Address) -> ResultKey | None:
        """Return the key that results for ``owner`` are encrypted to."""
        return await self._service.key_of(owner)


def write_rubbish(what: Rubbish, path: Path) -> None:
    """Write a file that no results service should take for a result."""
    if what is Rubbish.NO_ARCHIVE:
        path.write_bytes(b"simulated adversary: this is no archive")
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(COMPUTED_FILE, _COMPUTED)
        made.writestr("result.txt", "simulated adversary: another result")
        if what is Rubbish.ESCAPING_PATHS:
            made.writestr("../../simulated-adversary.txt", "outside")
        if what is Rubbish.BOMB:
            with made.open("bomb.bin", "w") as entry:
                for _ in range(BOMB_BYTES // 1024**2):
                    entry.write(bytes(1024**2))
