"""Files that an order names, under their names on this machine: whole, bounded, with their digest.

What comes over the network is brought by ``Downloads``, which know neither path nor digest. Files
of this machine, where the operator allows any, are copied here.
"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from poolhand.domain.errors import is_machines_fault
from poolhand.domain.units import Seconds
from poolhand.transport.downloading import Downloads
from poolhand.transport.errors import DownloadFailed, DownloadTooLarge, FileUnwritten, ForbiddenUri
from poolhand.transport.sink import NothingCame, PartFile, Sink, TooMuch, Unwritten
from poolhand.web.client import BODY_READ_SIZE


class SafeFetcher:
    """Implements ``ports.files.Fetcher``.

    Args:
        downloads: Of the network.
        folders: Below which ``file:`` URIs may read.
    """

    def __init__(self, downloads: Downloads, folders: tuple[Path, ...] = ()) -> None:
        self._downloads, self._folders = downloads, folders

    async def fetch(self, uri: str, target: str, limit: int, timeout: Seconds) -> str:
        """Stream a file to ``target`` and return its sha256; see ``Fetcher.fetch``.

        What may pass is tried again within the time allowed.
        """
        try:
            async with asyncio.timeout(timeout), PartFile(Path(target)) as part:
                await self._bring(uri, part.descriptor, limit, timeout)
                return await part.keep(limit)
        except TimeoutError as fault:
            raise DownloadFailed(uri, f"not complete after {timeout} s") from fault
        except TooMuch as fault:
            raise DownloadTooLarge(uri, limit) from fault
        except NothingCame as fault:
            raise DownloadFailed(uri, "the file is empty") from fault
        except Unwritten as fault:
            raise FileUnwritten(uri, str(fault)) from fault
        except OSError as fault:
            why = str(fault) or type(fault).__name__
            kind = FileUnwritten if is_machines_fault(fault) else DownloadFailed
            raise kind(uri, why) from fault

    async def _bring(self, uri: str, descriptor: int, limit: int, timeout: Seconds) -> None:
        if uri.lower().startswith("file:"):
            await _copy(uri, self._folders, Sink(descriptor, limit))
        else:
            await self._downloads.download(uri, descriptor, limit, timeout)


async def _copy(uri: str, folders: tuple[Path, ...], sink: Sink) -> None:
    descriptor = await asyncio.to_thread(_open_allowed, uri, folders)
    with os.fdopen(descriptor, "rb") as source:
        while data := await asyncio.to_thread(source.read, BODY_READ_SIZE):
            await asyncio.to_thread(sink.write, data)


def _open_allowed(uri: str, folders: tuple[Path, ...]) -> int:
    """Open a regular file below one of ``folders`` and return its descriptor.

    Raises:
        ForbiddenUri: It lies elsewhere, wherever its symbolic links lead.
        OSError: It cannot be read.
    """
    try:
        parts = urlsplit(uri)
        real = Path(os.path.realpath(unquote(parts.path)))
    except ValueError as fault:
        raise ForbiddenUri(uri, "it names no file") from fault
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ForbiddenUri(uri, "it names no file of this machine")
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in folders):
        raise ForbiddenUri(uri, "files of this machine are private")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ForbiddenUri(uri, "it is no regular file")
    return descriptor
