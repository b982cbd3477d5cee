"""Trying a runtime of an engine: one container of it, with the settings that every app gets.

It needs no image from outside: an empty one is imported, and what runs in it is the engine's own
small init program, which the engine puts into every container of ours.

Source: Docker Engine API 1.41, ``POST /images/create?fromSrc=-``; seen on Docker 20.10 with runc
and runsc. The platform ``kvm`` of runsc never starts on some machines: hence the time limit.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4

from aiodocker import Docker, DockerError

from poolhand.containers.engine import inspect, remove, words_of
from poolhand.containers.sandbox import SandboxTerms, container_config
from poolhand.domain.sandbox_level import Sandbox
from poolhand.domain.text import shown
from poolhand.domain.units import MIB, Seconds
from poolhand.ports.runtime import ContainerSpec, Limits

TRIAL_SECONDS: Final = 20.0
"""For one trial: a container that does next to nothing, on a slow computer, too."""
CLEANING_SECONDS: Final = 5.0
"""For the removal of what it leaves."""
INIT: Final = ("/sbin/docker-init", "--version")
"""The engine's init program, run by itself: it prints a line and exits with 0."""
_LIMITS: Final = Limits(memory=64 * MIB, cpus=1.0, pids=16, tmp=MIB, log=4_096, output=MIB)
_LONGEST_CAUSE: Final = 200


async def try_out(
    docker: Docker, sandbox: Sandbox, seccomp: str, user: str, longest: float = TRIAL_SECONDS
) -> str:
    """Run a container in a sandbox, and take away all of it.

    Args:
        docker: The engine.
        sandbox: Which is tried.
        seccomp: Profile (JSON text), as apps get it.
        user: As whom, ``uid:gid``.
        longest: Seconds from the container's creation to its end.

    Returns:
        Why apps cannot be run in it; empty: they can.

    Raises:
        DockerError: The engine cannot even make an image.
    """
    name = f"poolhand-trial-{uuid4().hex}"
    async with _image(docker, name) as image:
        spec = ContainerSpec(name, image, INIT, {}, (), _LIMITS, Seconds(0))
        terms = SandboxTerms(user, "/")
        config = container_config(spec, terms, seccomp, sandbox)
        try:
            async with asyncio.timeout(longest):
                return await _ended(docker, name, config)
        except TimeoutError:
            return f"a container of it had not ended after {longest:g} s"
        except DockerError as fault:
            return shown(words_of(fault), _LONGEST_CAUSE)
        finally:
            await _clean(remove(docker, name))


async def _ended(docker: Docker, name: str, config: dict[str, Any]) -> str:
    container = await docker.containers.create(config, name=name)
    await container.start()
    await container.wait()
    found = await inspect(docker, name)
    code = None if found is None else found["State"]["ExitCode"]
    return "" if code == 0 else f"a container of it ended with exit code {code}"


@asynccontextmanager
async def _image(docker: Docker, name: str) -> AsyncIterator[str]:
    """Import an empty image under a name of its own, and take it away."""
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    asked = {"fromSrc": "-", "repo": name, "tag": "empty"}
    headers = {"Content-Type": "application/x-tar"}
    url = f"{docker.docker_host}/{docker.api_version}/images/create"
    async with docker.session.post(
        url, params=asked, data=buffer.getvalue(), headers=headers
    ) as answer:
        told = await answer.text()
        if answer.status != 200:
            raise DockerError(answer.status, told)
    try:
        yield f"{name}:empty"
    finally:
        await _clean(docker.images.delete(f"{name}:empty", force=True))


async def _clean(work: Any) -> None:
    """Take something away; what does not go now does no harm."""
    with suppress(DockerError, TimeoutError):
        async with asyncio.timeout(CLEANING_SECONDS):
            await work
