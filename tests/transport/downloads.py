"""Downloads as tests want them: at once, of little, and from wherever a name shall lead."""

from __future__ import annotations

import asyncio
import ssl
import sys
import threading
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from pathlib import Path

from poolhand.transport.address_rule import AddressRule
from poolhand.transport.downloading import FetchRules, WebDownloads
from poolhand.transport.errors import ForbiddenUri
from poolhand.transport.fetcher import SafeFetcher
from poolhand.transport.fetcher_process import FetcherProcess

OPEN = FetchRules(AddressRule(allow_http=True, allow_private=True))
TEXT = b"It was the best of times"
LIMIT = 1000
MOST = 50 * 10**6
LOADED_TOO_LATE = "ImportError", "ModuleNotFound", "unknown encoding", "not permitted", "codec"
"""What a download says that needed a file of Python's once none could be opened any more."""
QUICK = (sys.executable, "-P", str(Path(__file__).with_name("quick_fetcher.py")))
"""The fetcher's program, which tries again without a pause; behind it, an authority's certificate."""


async def at_once(_seconds):
    """Let no time pass between two tries."""


def over_web(rules=OPEN, folders=(), **parts):
    return SafeFetcher(WebDownloads(rules, **{"pause": at_once, **parts}), folders)


class InThisProcess:
    """Downloads as the fetcher's process does them, without that process."""

    async def __call__(
        self, uri, target, rules=OPEN, *, limit=LIMIT, timeout=10, folders=(), trust="", **parts
    ):
        if trust:
            parts["trust"] = ssl.create_default_context(cafile=trust)
        fetcher = over_web(rules, folders, **parts)
        return await fetcher.fetch(uri, str(target), limit, timeout)


class InProcesses:
    """Downloads through a process for each set of rules; they live in a loop of their own."""

    def __init__(self):
        self._loop, self._stack = asyncio.new_event_loop(), AsyncExitStack()
        self._processes, self._resolver = {}, None
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def __call__(self, *args, **more):
        coming = asyncio.run_coroutine_threadsafe(self._fetch(*args, **more), self._loop)
        (found,) = await asyncio.gather(asyncio.wrap_future(coming), return_exceptions=True)
        assert not [words for words in LOADED_TOO_LATE if words in str(found)], found
        if isinstance(found, BaseException):
            raise found
        return found

    async def _fetch(
        self, uri, target, rules=OPEN, *, limit=LIMIT, timeout=10, folders=(), trust="",
        resolver=None,
    ):  # fmt: skip
        self._resolver = resolver
        downloads = await self._process(rules, str(trust))
        return await SafeFetcher(downloads, folders).fetch(uri, str(target), limit, timeout)

    async def _process(self, rules, trust):
        if (rules, trust) not in self._processes:
            program = (*QUICK, trust) if trust else QUICK
            made = FetcherProcess(rules, MOST, self._resolve, at_once, program=program)
            self._processes[rules, trust] = await self._stack.enter_async_context(made.at_work())
            with suppress(ForbiddenUri):  # its start is nobody's time
                await made.download("ftp://nowhere.example/", 0, 0, 60)
        return self._processes[rules, trust]

    async def _resolve(self, host, port):
        if self._resolver is not None:
            return await self._resolver(host, port)
        found = await self._loop.getaddrinfo(host, port)
        return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

    def close(self):
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def nothing_left(target):
    return list(target.parent.iterdir()) == []


def resolver(*answers):
    """Resolve every name to the next of ``answers``; the last one repeats."""
    queue, asked = list(answers), []

    async def resolve(host, _port):
        asked.append(host)
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        return tuple(ip_address(each) for each in found)

    resolve.asked = asked
    return resolve
