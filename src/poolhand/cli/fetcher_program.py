"""The fetcher: ``python -m poolhand.cli.fetcher_program DESCRIPTOR``, which a worker starts.

It downloads into files that it is handed open, and has neither key nor engine. It loads as little
as it can, for it lives as long as its worker; and all of that before it gives up files.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from poolhand.domain.errors import Malformed, PoolhandError
from poolhand.keys.confinement import confine_downloads, drop_streams, hide
from poolhand.keys.parent_end import PARENT_GONE, ask_kernel, end_with_parent, hung_up

if TYPE_CHECKING:
    import ssl

    from poolhand.transport.again import Sleep

FETCHER_MISUSED: Final = 3
"""Exit code of a fetcher whose worker did not keep to the form."""
_SCRATCH: Final = 16
"""Bytes of the file that is downloaded from ourselves."""


def main(trust: ssl.SSLContext | None = None, pause: Sleep = asyncio.sleep) -> int:
    """Serve the line whose descriptor is the last argument; returns the exit code.

    Args:
        trust: Whose certificates count; None for the usual authorities.
        pause: Lets seconds pass between tries.
    """
    hide()
    sys.modules["click"] = None  # type: ignore[assignment] # httpx's command line: 4 MB
    line = socket.socket(fileno=int(sys.argv[-1]))
    end_with_parent(hung_up(line.fileno()))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its worker, which may still owe
    try:
        return asyncio.run(_serve(line, trust, pause))
    except Malformed:
        return FETCHER_MISUSED
    except OSError:
        return PARENT_GONE


async def _serve(line: socket.socket, trust: ssl.SSLContext | None, pause: Sleep) -> int:
    from poolhand.transport.address_rule import AddressRule
    from poolhand.transport.descriptor_line import DescriptorLine
    from poolhand.transport.downloading import FetchRules
    from poolhand.transport.fetcher_service import FetcherService
    from poolhand.wire.fetcher_api import FETCHER_LINE, BeginFetching, FetcherReady

    made = DescriptorLine(line, FETCHER_LINE, takes_files=True)
    asked = await made.receive()
    if not isinstance(asked, BeginFetching):
        return FETCHER_MISUSED
    places = AddressRule(asked.allow_http, asked.allow_private, frozenset(asked.hosts))
    service = FetcherService(made, FetchRules(places, asked.ipfs_gateways), trust, pause)
    await _warm_up()
    drop_streams()
    bounds = confine_downloads(asked.most)
    ask_kernel(hung_up(line.fileno()))
    made.put(FetcherReady(bounds))
    await service.serve()
    return 0


async def _warm_up() -> None:
    """Download from ourselves what is worth nothing, so that all is loaded that will be needed.

    Once as it should be; once without an answer, and once with one that is no TLS, for faults load
    as well. On a machine without a loopback interface, what has not been loaded fails later.
    """
    import httpx

    from poolhand.transport.address_rule import OPEN_RULE
    from poolhand.transport.downloading import FetchRules, WebDownloads

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            await reader.read(_SCRATCH)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            await writer.drain()
        writer.close()

    async def at_once(_seconds: float) -> None:
        """Try again without a pause."""

    httpx.URL("https://bücher.example/")  # the tables of international names
    downloads = WebDownloads(FetchRules(OPEN_RULE), pause=at_once)
    with suppress(OSError), _scratch_file() as scratch:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for url in (f"http://{place}", f"https://{place}", "http://127.0.0.1:1/"):
            with suppress(PoolhandError):
                await downloads.download(url, scratch.fileno(), _SCRATCH, 5)  # type: ignore[arg-type]
        server.close()


def _scratch_file() -> IO[bytes]:
    """Return a file that has no name, where the system has such without a folder to write in."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("scratch"), "wb")
    return tempfile.TemporaryFile()


if __name__ == "__main__":
    sys.exit(main())
