"""What a container prints and uses while it runs, as the engine tells it.

The engine keeps the output (bounded by the sandbox's log options) and sends it at the pace of the
reader, so that nothing is held here and a slow reader holds no app up.

Source: Docker Engine API 1.41, ``/containers/{id}/logs`` and ``/containers/{id}/stats``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import aiohttp
from aiodocker import Docker, DockerError

from poolhand.containers.engine import CONFLICT, STATUS_NOT_FOUND, frames
from poolhand.domain.json_text import parse_json
from poolhand.ports.runtime import MOST_APP_LINE, ContainerUse, LogLine

_STDERR: Final = 2
_CONNECT: Final = 10
_NANOSECONDS: Final = 1e9
"""In a second; an engine tells of time, and of parts of a processor, in billionths."""


class LineSplitter:
    """Cuts the pieces of two streams into lines; one without an end is told in parts."""

    def __init__(self) -> None:
        self._open = {False: b"", True: b""}

    def add(self, data: bytes, *, is_error: bool) -> Iterator[LogLine]:
        """Yield the lines that a piece completes."""
        *lines, rest = (self._open[is_error] + data).split(b"\n")
        for line in lines:
            yield from _parts(line, is_error)
        while len(rest) > MOST_APP_LINE:  # one of just that size may end here: parts are the same
            yield LogLine(is_error, rest[:MOST_APP_LINE])
            rest = rest[MOST_APP_LINE:]
        self._open[is_error] = rest

    def end(self) -> Iterator[LogLine]:
        """Yield what was printed without a line's end."""
        for is_error, rest in self._open.items():
            if rest:
                yield LogLine(is_error, rest)


def _parts(line: bytes, is_error: bool) -> Iterator[LogLine]:
    for start in range(0, max(len(line), 1), MOST_APP_LINE):
        yield LogLine(is_error, line[start : start + MOST_APP_LINE])


async def follow_logs(
    docker: Docker, container: str, tail: int, *, live: bool
) -> AsyncIterator[LogLine]:
    """Yield the last ``tail`` lines, and with ``live`` what comes until the container ends.

    Raises:
        DockerError: The engine knows no such container.
    """
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/logs"
    asked = {"stdout": "1", "stderr": "1", "tail": str(tail), "follow": str(int(live))}
    lasts = aiohttp.ClientTimeout(total=None, connect=_CONNECT)
    splitter = LineSplitter()
    async with docker.session.get(url, params=asked, timeout=lasts) as answer:
        if answer.status != 200:
            raise DockerError(answer.status, await answer.text())
        async for stream, data in frames(answer.content):
            for line in splitter.add(data, is_error=stream == _STDERR):
                yield line
    for line in splitter.end():
        yield line


async def usage_of(docker: Docker, container: str) -> ContainerUse | None:
    """Return what a container uses now; None where none of this name runs."""
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/stats"
    asked = {"stream": "0", "one-shot": "1"}  # the client's own call waits a second for two looks
    async with docker.session.get(url, params=asked) as answer:
        if answer.status == STATUS_NOT_FOUND:
            return None
        if answer.status != 200:
            raise DockerError(answer.status, await answer.text())
        return _use(parse_json(await answer.read()))


async def set_cpus(docker: Docker, container: str, cpus: float) -> None:
    """Give a running container so many processors; one that is gone or has ended is fine."""
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/update"
    async with docker.session.post(url, json={"NanoCpus": int(cpus * _NANOSECONDS)}) as answer:
        if answer.status not in (200, STATUS_NOT_FOUND, CONFLICT):
            raise DockerError(answer.status, await answer.text())


def _use(told: dict[str, Any]) -> ContainerUse | None:
    memory, spent = told.get("memory_stats", {}), told.get("cpu_stats", {}).get("cpu_usage", {})
    if "usage" not in memory:  # it has ended
        return None
    return ContainerUse(
        memory=int(memory["usage"]),
        cpu_seconds=int(spent.get("total_usage", 0)) / _NANOSECONDS,
        processes=int(told.get("pids_stats", {}).get("current", 0)),
    )
