"""Tries whether an app would reach the hosts that an operator allows, leaving nothing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.host_paths import own_container
from poolhand.containers.proxy_sidecar import LET_THROUGH
from poolhand.settings.doctor import DoctorSettings
from poolhand.worker.app_network import listen
from poolhand.worker.disk_watch import nearest


async def look_at_hosts(settings: DoctorSettings) -> str:
    """Say why an app would reach no host, by one whose connection is answered here.

    Args:
        settings: Of a worker whose apps run on an engine of this computer.

    Returns:
        The reason; empty: it was let through.

    Raises:
        RuntimeDown: No engine answers, or it cannot give the sandbox that is wanted.
        OSError: No socket can be made at the worker's folder.
    """
    place, url = nearest(settings.base), settings.docker or DEFAULT_URL
    image = settings.app_network.image
    with tempfile.TemporaryDirectory(prefix="poolhand-doctor-", dir=place) as folder:
        listener = await asyncio.to_thread(listen, Path(folder) / "proxy")
        server = await asyncio.start_unix_server(_let_through, sock=listener)
        async with (
            server,
            DockerRuntime.open(
                url, sandbox=settings.sandbox, sidecar_image=image, inside=own_container()
            ) as docker,
        ):
            return await docker.hosts_lack(str(Path(folder) / "proxy")) or ""


async def _let_through(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_THROUGH)
    writer.close()
