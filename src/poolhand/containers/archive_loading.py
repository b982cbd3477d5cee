"""An engine of this machine takes an image from an archive, as ``docker load`` has it do.

Source: Docker Engine API 1.41, ``POST /images/load``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from poolhand.containers.engine import DEFAULT_URL, answering, connect
from poolhand.domain.errors import Refused
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown

_PIECE: Final = 1024**2
_LASTS: Final = aiohttp.ClientTimeout(total=3600.0, connect=10)
"""However large an image is."""


class ArchiveNotLoaded(Refused):
    """The engine does not take the archive."""

    def __init__(self, why: str) -> None:
        super().__init__(
            shown(
                f"the engine does not take the image: {why[:400]}; look at its free disk, or write "
                "the archive with --output"
            )
        )


async def load_archive(file: Path, url: str = "") -> None:
    """Have an engine keep the image of an archive, under the name that stands in it.

    Args:
        file: As ``docker load`` reads it.
        url: Of the engine; empty: the usual socket.

    Raises:
        ArchiveNotLoaded: It says why.
        RuntimeDown: It does not answer.
    """
    where = url or DEFAULT_URL
    docker = connect(where)
    try:
        with answering(where):
            kind = {"Content-Type": "application/x-tar"}
            asked = docker.session.post(
                f"{docker.docker_host}/images/load",
                params={"quiet": "1"},
                data=_pieces(file),
                headers=kind,
                timeout=_LASTS,
            )
            async with asked as answer:
                _check(answer.status, (await answer.read()).decode(errors="replace"))
    finally:
        await docker.close()


def _check(status: int, text: str) -> None:
    for line in text.splitlines():
        try:
            told = parse_json(line)
        except ValueError:
            continue
        if isinstance(told, dict) and (fault := told.get("error") or told.get("message")):
            raise ArchiveNotLoaded(str(fault))
    if status != 200:
        raise ArchiveNotLoaded(f"HTTP {status}")


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece
