"""Lets apps through to the hosts that their orders ask for and this worker's operator allows.

For each such app there is a socket in its task's folder. What comes by it is handed on to the
process that downloads, which has the network and nothing else of this worker; here nothing that an
app says is read. Bytes are counted over all connections of a computation, not over restarts of the
worker.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.ids import TaskId
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.text import shown
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import PROXY_SOCKET
from poolhand.ports.tunnels import TunnelReport, Tunnels

MOST_APP_CONNECTIONS: Final = 16
"""Connections of one app at once; more wait."""
PAUSE_AFTER_UNHEARD: Final = 1.0
"""Seconds."""
MOST_TOLD_TEXT: Final = 300
"""Characters of what an app asked for, and of why it was refused, in a line of the log."""

log = structlog.get_logger()


class AppNetwork:
    """Listens for apps.

    Args:
        tunnels: Serves their connections.
        most: Bytes that one app may send and get in all.
        clock: Tells how long a connection lasted.
    """

    def __init__(self, tunnels: Tunnels, most: int, clock: Clock) -> None:
        self._tunnels, self._most, self._clock = tunnels, most, clock
        self._numbers = count()
        self._ending = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def open_to(
        self, task_id: TaskId, folder: Path, hosts: tuple[NetworkHost, ...]
    ) -> AsyncIterator[None]:
        """Let one app through to some hosts until the end of the context; none: nothing is done.

        Args:
            task_id: Whose app it is.
            folder: Where its socket is made.
            hosts: Where it may go.

        Raises:
            OSError: The socket cannot be made.
        """
        if not hosts:
            yield
            return
        listener = await asyncio.to_thread(listen, folder)
        app = _OpenApp(self._tunnels, next(self._numbers), task_id, hosts, self._most, self._clock)
        accepting = asyncio.create_task(app.accept(listener))
        try:
            yield
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()
            for each in app.cut():
                self._ending.add(each)
                each.add_done_callback(self._ending.discard)
            await asyncio.to_thread((folder / PROXY_SOCKET).unlink, missing_ok=True)


class _OpenApp:
    """One app and its connections."""

    def __init__(
        self,
        tunnels: Tunnels,
        number: int,
        task_id: TaskId,
        hosts: tuple[NetworkHost, ...],
        left: int,
        clock: Clock,
    ) -> None:
        self._tunnels, self._number, self._task_id = tunnels, number, task_id
        self._hosts, self._left, self._clock = hosts, left, clock
        self._room = asyncio.Semaphore(MOST_APP_CONNECTIONS)
        self._serving: dict[asyncio.Task[None], socket.socket] = {}

    async def accept(self, listener: socket.socket) -> None:
        """Serve connections until cancelled; those that are open go on."""
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as fault:  # this process has no file to spare: another moment
                log.warning("app_not_heard", task_id=str(self._task_id), cause=str(fault))
                self._room.release()
                await self._clock.sleep(PAUSE_AFTER_UNHEARD)
                continue
            task = asyncio.create_task(self._serve(connection))
            self._serving[task] = connection
            task.add_done_callback(self._serving.pop)

    def cut(self) -> tuple[asyncio.Task[None], ...]:
        """Cut those that are open, whoever holds them; returns what will tell of each."""
        for connection in self._serving.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return tuple(self._serving)

    async def _serve(self, connection: socket.socket) -> None:
        began = self._clock.steady()
        try:
            with connection:
                report = await self._tunnels.let_through(
                    connection.fileno(), self._number, self._hosts, self._left
                )
        except OSError as fault:
            report = TunnelReport(why=str(fault))
        finally:
            self._room.release()
        self._left -= report.up + report.down
        self._tell(report, self._clock.steady() - began)

    def _tell(self, report: TunnelReport, seconds: float) -> None:
        log.info(
            "app_connected" if report.address else "app_not_connected",
            task_id=str(self._task_id),
            host=shown(report.host, MOST_TOLD_TEXT),
            address=report.address,
            bytes_up=report.up,
            bytes_down=report.down,
            seconds=round(seconds, 1),
            cause=shown(report.why, MOST_TOLD_TEXT),
        )


def listen(folder: Path) -> socket.socket:
    """Make the socket of an app in its folder, in place of one that an earlier life has left.

    The folder is named by its descriptor: the path of a socket may have 107 bytes.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    place = folder / PROXY_SOCKET
    place.unlink(missing_ok=True)
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"/proc/self/fd/{opened}/{PROXY_SOCKET}")
        place.chmod(0o666)  # the sidecar is another user; the folder above lets in nobody else
        made.listen(MOST_APP_CONNECTIONS)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(opened)
    return made
