"""A connection to a Docker engine, and what its silence means."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiodocker import Docker, DockerError

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.json_text import parse_json
from poolhand.observe.kernel_log import outgrew_memory

DEFAULT_URL: Final = "unix:///var/run/docker.sock"
NO_ANSWER: Final = 900
"""The status under which aiodocker reports that it could not connect."""
STATUS_NOT_FOUND: Final = 404
OWN_FAULT: Final = range(500, 600)
"""Statuses with which an engine tells of a fault that the request did not have."""
CONFLICT: Final = 409
"""A name that is taken, or a container in another state than asked for."""
ENDING: Final = re.compile(
    r'(\{"message": ?")?'  # where the client has not read the JSON
    r"(grpc: the client connection is closing|transport is closing|context canceled)"
)
"""How what an ending engine says begins: its link to what runs containers is being cut."""
LONGEST_ENGINE_ANSWER: Final = 120.0
"""For one request, except those that last as long as a pull or a computation."""
MOST_ENGINE_ANSWER: Final = 8 * 1024**2
"""Bytes of an answer that is read whole: engines quote in theirs all that a registry says with an
error, and all labels of an image, however much that is."""
_FRAME: Final = struct.Struct(">BxxxL")
_STDOUT: Final = 1


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn an engine's silence into RuntimeDown; what it answers passes, but its last words.

    Raises:
        RuntimeDown: No connection, a broken one, no answer in time, or an engine that ends.
    """
    try:
        yield
    except DockerError as fault:
        if fault.status != NO_ANSWER and not is_ending(fault):
            raise
        raise _down(url, fault.message) from fault
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as fault:
        raise _down(url, str(fault) or type(fault).__name__) from fault


@contextmanager
def working(url: str) -> Iterator[None]:
    """As ``answering``, and an engine that cannot do what it always can is as good as down.

    Raises:
        RuntimeDown: No answer, or one that tells of a fault of the engine's own.
    """
    try:
        with answering(url):
            yield
    except DockerError as fault:
        raise _down(url, fault.message) from fault


def _down(url: str, why: str) -> RuntimeDown:
    return RuntimeDown(
        f"no container engine works at {url} ({why}): start Docker on this machine, let this "
        "user use its socket, or name another engine with DOCKER_HOST"
    )


def is_ending(fault: DockerError) -> bool:
    """Tell whether an engine says that it ends, whatever it was asked.

    Only by how its words begin: further on, they quote images, commands and registries.
    """
    return ENDING.match(fault.message) is not None


def words_of(fault: DockerError) -> str:
    """Return what an engine says is wrong; the client hands some of it on as the JSON it was."""
    try:
        told = parse_json(fault.message)
    except ValueError:
        return fault.message
    return str(told.get("message", "")) if isinstance(told, dict) else fault.message


def connect(url: str) -> Docker:
    """Return a client; nothing is sent yet.

    Raises:
        RuntimeDown: ``url`` is of a kind that no engine has.
    """
    timeout = aiohttp.ClientTimeout(total=LONGEST_ENGINE_ANSWER, connect=10)
    try:
        docker = Docker(url, timeout=timeout)
    except ValueError as fault:
        raise _down(url, str(fault)) from fault
    docker.session.detach()
    docker.session = aiohttp.ClientSession(
        connector=docker.connector, timeout=timeout, response_class=_BoundedAnswer
    )
    return docker


class AnswerTooLong(aiohttp.ClientPayloadError):
    """An engine's answer has more than ``MOST_ENGINE_ANSWER`` bytes; what came is thrown away."""

    def __init__(self) -> None:
        super().__init__(f"an answer of more than {MOST_ENGINE_ANSWER} bytes")


class _BoundedAnswer(aiohttp.ClientResponse):
    """An answer of which the client library keeps no more than ``MOST_ENGINE_ANSWER`` bytes."""

    async def read(self) -> bytes:
        """Read all of it.

        Raises:
            AnswerTooLong: It is longer.
        """
        if self._body is None:
            try:
                self._body = await self._whole()
            except BaseException:  # as the library itself does, whose callers close nothing
                self.close()
                raise
        return await super().read()

    async def _whole(self) -> bytes:
        kept = bytearray()
        async for piece in self.content.iter_any():
            kept += piece
            if len(kept) > MOST_ENGINE_ANSWER:
                raise AnswerTooLong
        return bytes(kept)


class Tail:
    """The last ``most`` bytes of a stream."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Append, forgetting what is too old."""
        self._kept += data
        if len(self._kept) > 2 * self._most:
            self._cut()

    def _cut(self) -> None:
        del self._kept[: max(len(self._kept) - self._most, 0)]

    def __bytes__(self) -> bytes:
        self._cut()
        return bytes(self._kept)


async def read_logs(docker: Docker, container: str, most: int) -> tuple[bytes, bytes]:
    """Return the last ``most`` bytes of each of stdout and stderr, as they were written.

    The client library decodes text, which would alter the bytes of ``stdout.txt`` and so the
    digest of a result; hence its session is used directly. (Docker 20.10 itself loses the newline
    behind a line of more than 16 KiB.)

    Raises:
        DockerError: The engine knows no such container.
    """
    out, err = Tail(most), Tail(most)
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/logs"
    async with docker.session.get(url, params={"stdout": "1", "stderr": "1"}) as answer:
        if answer.status != 200:
            raise DockerError(answer.status, await answer.text())
        async for stream, data in frames(answer.content):
            (out if stream == _STDOUT else err).add(data)
    return bytes(out), bytes(err)


async def frames(content: aiohttp.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Yield what the engine tells of a container's output: stream (1 or 2) and bytes."""
    with suppress(asyncio.IncompleteReadError):  # the end, or a line cut by the log's rotation
        while True:
            stream, length = _FRAME.unpack(await content.readexactly(_FRAME.size))
            yield stream, await content.readexactly(length)


async def remove(docker: Docker, container: str) -> None:
    """Kill and remove a container; none is fine, and so is one that is being removed."""
    try:
        await docker.containers.container(container).delete(force=True, v=True)
    except DockerError as fault:
        if fault.status not in (STATUS_NOT_FOUND, CONFLICT):
            raise


async def removal(docker: Docker, container: str) -> None:
    """Wait until a container that is being removed is gone."""
    try:
        await docker.containers.container(container).wait(condition="removed")
    except DockerError as fault:
        if fault.status != STATUS_NOT_FOUND:
            raise


async def stop(docker: Docker, container: str) -> bool:
    """Kill a container; tells whether that ended it: one that is gone or has ended is fine."""
    try:
        await docker.containers.container(container).kill()
    except DockerError as fault:
        if fault.status not in (STATUS_NOT_FOUND, CONFLICT):
            raise
        return False
    return True


async def inspect(docker: Docker, container: str) -> dict[str, Any] | None:
    """Return the engine's account of a container; None: there is no such."""
    try:
        return await docker.containers.container(container).show()
    except DockerError as fault:
        if fault.status != STATUS_NOT_FOUND:
            raise
        return None


async def ran_out_of_memory(found: dict[str, Any], kernel_log: Path) -> bool:
    """Tell whether a container that has ended was short of memory.

    The engine's mark may be missing, above all on a busy machine: what runs containers tells of the
    want and of the end by two ways, and the first is dropped where the second was quicker
    (containerd 1.6; Docker 20.10 notes it at the end or never). The kernel's log has it then.

    Args:
        found: The engine's account.
        kernel_log: Of this machine.
    """
    state = found["State"]
    if state["OOMKilled"] or state["ExitCode"] == 0:
        return bool(state["OOMKilled"])
    return await asyncio.to_thread(outgrew_memory, found["Id"], kernel_log)
