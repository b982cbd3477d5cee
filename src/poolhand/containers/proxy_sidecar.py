"""The way out of an app that may reach hosts: a second container beside it, and nothing else.

An app without a network has its loopback interface alone. One that may reach hosts shares this with
a container of ours, the sidecar, which has no other network either: it listens there and hands
every connection on to a socket in a folder of the worker, which decides. So the app has no
interface, no route and no name server of its own; what it cannot reach by the sidecar, it cannot
reach at all.

Source: Docker Engine API 1.41 (``NetworkMode: container:NAME``); what clients read of the variables
of a proxy: curl(1), "ENVIRONMENT"; Python, urllib.request.getproxies.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final
from uuid import uuid4

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import CONFLICT, NO_ANSWER, inspect, read_logs, remove, words_of
from poolhand.containers.errors import SidecarUnready
from poolhand.containers.host_paths import OutsidePaths
from poolhand.containers.sandbox import SANDBOX_USER, SandboxTerms, container_config
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.domain.text import shown
from poolhand.domain.units import MIB, Seconds
from poolhand.ports.runtime import PROXY_SOCKET, ContainerSpec, Limits, Mount

PROXY_PORT: Final = 3_128
"""On the app's loopback interface."""
LONGEST_SIDECAR_START: Final = 30.0
"""Seconds until a sidecar listens."""
PAUSE_BETWEEN_SIDECAR_LOOKS: Final = 0.05
"""Seconds."""
_SUFFIX: Final = "-proxy"
_FOLDER: Final = "/proxy"
_READY: Final = b"ready"
_LIMITS: Final = Limits(memory=64 * MIB, cpus=0.5, pids=4, tmp=MIB, log=4_096, output=MIB)
_MOST_CONNECTIONS: Final = 64
PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_NOT_BY_PROXY: Final = ("no_proxy", "NO_PROXY")
LONGEST_HOSTS_TRIAL: Final = 20.0
"""Seconds for an app that connects once, on a slow computer, too."""
LET_THROUGH: Final = b"let through"
"""What stands for a host answers this in a trial."""
_TRIAL: Final = f"""
import socket
with socket.create_connection(('127.0.0.1', {PROXY_PORT}), 10) as s:
    print(s.recv({len(LET_THROUGH)}).decode())
"""
"""What an app does in a trial: it connects, and tells what it is sent."""
_PROGRAM: Final = f"""
import asyncio
async def carry(source, target):
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.write_eof()
    except OSError:
        target.close()
async def serve(reader, writer, room):
    async with room:
        try:
            there, back = await asyncio.open_unix_connection('{_FOLDER}/{PROXY_SOCKET}')
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, back), carry(there, writer))
        writer.close()
        back.close()
async def main():
    room = asyncio.Semaphore({_MOST_CONNECTIONS})
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, room), '127.0.0.1', {PROXY_PORT})
    print('{_READY.decode()}', flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""What a sidecar does: it needs nothing but Python, and knows nothing but its two ends."""

log = structlog.get_logger()


class ProxySidecars:
    """The sidecars of one engine's apps.

    Args:
        docker: The engine.
        outside: What our folders are called outside.
        seccomp: Profile (JSON text) for every container.
        image: With Python in it, for sidecars; empty: there are none.
    """

    def __init__(self, docker: Docker, outside: OutsidePaths, seccomp: str, image: str) -> None:
        self._docker, self._outside, self._seccomp = docker, outside, seccomp
        self._image = image

    async def lack(self, sandbox: Sandbox) -> str:
        """Say why no app could have one; empty: nothing speaks against it.

        Raises:
            DockerError: The engine does not tell.
        """
        if not self._image:
            return "no image for it is set (--network-image)"
        if sandbox.level is not SandboxLevel.RUNC:
            return (
                f"apps run in {sandbox.level}, which has a loopback interface of its own: only "
                "--sandbox runc lets them share one"
            )
        try:
            await self._docker.images.inspect(self._image)
        except DockerError as fault:
            return f"{self._image} is not there ({shown(words_of(fault), 200)}): docker pull it"
        return ""

    async def opened(
        self, spec: ContainerSpec, config: dict[str, Any], sandbox: Sandbox
    ) -> dict[str, Any]:
        """Return a container's body as it is created, once the sidecar that it needs is open.

        Raises:
            SidecarUnready: Here it can have none, or it does not open.
            DockerError: The engine does not do it.
        """
        if not spec.proxy:
            return config
        lack = await self.lack(sandbox)
        if lack:
            raise SidecarUnready(spec.name, lack)
        await self._open(spec)
        host = {**config["HostConfig"], "NetworkMode": f"container:{sidecar_name(spec.name)}"}
        return {**config, "NetworkDisabled": False, "HostConfig": host}

    async def tried(self, sandbox: Sandbox, folder: str) -> str:
        """Say why an app would reach no host, by one that is let through; leaves nothing.

        Args:
            sandbox: In which apps run.
            folder: With a socket where ``LET_THROUGH`` is answered to whoever connects.

        Returns:
            The reason; empty: it was let through.

        Raises:
            DockerError: The engine does not answer.
        """
        if lack := await self.lack(sandbox):
            return lack
        name = f"poolhand-trial-{uuid4().hex}"
        spec = ContainerSpec(
            name, self._image, (), proxy_environment(), (), _LIMITS, Seconds(0), proxy=folder
        )
        try:
            config = await self.opened(spec, _running(_TRIAL, spec, self._seccomp), sandbox)
            container = await self._docker.containers.create(config, name=name)
            await container.start()
            async with asyncio.timeout(LONGEST_HOSTS_TRIAL):
                await container.wait()
            out, err = await read_logs(self._docker, name, _LIMITS.log)
        except SidecarUnready as fault:
            return fault.why
        except DockerError as fault:
            if fault.status == NO_ANSWER:
                raise
            return shown(words_of(fault), 200)
        except TimeoutError:
            return f"a container that tried it had not ended after {LONGEST_HOSTS_TRIAL:g} s"
        finally:
            await remove(self._docker, name)
            await self.remove(name)
        if LET_THROUGH in out:
            return ""
        told = shown((out + err).decode(errors="replace").strip()[-200:], 200)
        return f"a container that tried it was not let through, and said: {told}"

    async def remove(self, name: str) -> None:
        """Remove the sidecar of an app's container; none is fine."""
        await remove(self._docker, sidecar_name(name))

    async def _open(self, spec: ContainerSpec) -> None:
        name = sidecar_name(spec.name)
        found = await inspect(self._docker, name)
        if found is not None and not found["State"]["Running"]:
            await remove(self._docker, name)
            found = None
        if found is None:
            await self._start(spec, name)
        try:
            async with asyncio.timeout(LONGEST_SIDECAR_START):
                await self._ready(spec, name)
        except TimeoutError as fault:
            await remove(self._docker, name)
            raise SidecarUnready(
                spec.name, f"it did not listen in {LONGEST_SIDECAR_START:g} s"
            ) from fault

    async def _start(self, spec: ContainerSpec, name: str) -> None:
        config = await self._outside.seen(sidecar_config(spec, self._image, self._seccomp))
        try:
            container = await self._docker.containers.create(config, name=name)
        except DockerError as fault:
            if fault.status != CONFLICT:
                raise
            return  # another life of this worker is about it
        await container.start()

    async def _ready(self, spec: ContainerSpec, name: str) -> None:
        """Wait until it says that it listens."""
        while True:
            out, err = await read_logs(self._docker, name, _LIMITS.log)
            if _READY in out:
                return
            found = await inspect(self._docker, name)
            if found is None or found["State"]["Status"] == "exited":
                await remove(self._docker, name)
                told = shown((out + err).decode(errors="replace").strip()[-200:], 200)
                raise SidecarUnready(spec.name, f"its program ended: {told}")
            await asyncio.sleep(PAUSE_BETWEEN_SIDECAR_LOOKS)


def sidecar_name(name: str) -> str:
    """Name the sidecar of an app's container."""
    return f"{name}{_SUFFIX}"


def app_name(container: str) -> str:
    """Name the app's container that a container is or belongs to."""
    return container.removesuffix(_SUFFIX)


def sidecar_config(spec: ContainerSpec, image: str, seccomp: str) -> dict[str, Any]:
    """Return the body of ``POST /containers/create`` for the sidecar of a container.

    It is kept as apps are, without a network, and may write nowhere.
    """
    sidecar = ContainerSpec(
        sidecar_name(spec.name),
        image,
        (),
        {},
        (Mount(spec.proxy, _FOLDER, writable=False),),
        _LIMITS,
        Seconds(0),
        labels=spec.labels,
    )
    return _running(_PROGRAM, sidecar, seccomp)


def _running(program: str, spec: ContainerSpec, seccomp: str) -> dict[str, Any]:
    user = f"{os.getuid() or SANDBOX_USER}:{os.getgid() or SANDBOX_USER}"
    config = container_config(spec, SandboxTerms(user, "/"), seccomp)
    return {**config, "Entrypoint": ["python3", "-I", "-c", program], "Cmd": []}


def proxy_environment() -> dict[str, str]:
    """Return the variables by which clients find the sidecar."""
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    ours = dict.fromkeys(_NOT_BY_PROXY, "localhost,127.0.0.1,::1")
    return {**dict.fromkeys(PROXY_VARIABLES, proxy), **ours}
