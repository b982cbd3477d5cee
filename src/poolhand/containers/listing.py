"""Which containers of an engine are whose, by their labels."""

from __future__ import annotations

from collections.abc import Mapping

from aiodocker import Docker
from aiodocker.containers import DockerContainer

from poolhand.containers.proxy_sidecar import app_name
from poolhand.ports.runtime import GPU_LABEL


async def labelled(docker: Docker, label: str) -> tuple[str, ...]:
    """Return the names of the apps' containers with a label ``key=value``, running or not.

    Raises:
        DockerError: The engine does not tell.
    """
    return tuple(sorted({_name(each) for each in await _found(docker, label)}))


async def held_gpus(docker: Docker, label: str) -> Mapping[str, str]:
    """Return the names of the GPUs that such containers have, by these; raises as ``labelled``."""
    return {
        _name(each): each["Labels"][GPU_LABEL] for each in await _found(docker, label, GPU_LABEL)
    }


async def _found(docker: Docker, *labels: str) -> list[DockerContainer]:
    return await docker.containers.list(all=True, filters={"label": [*labels]})


def _name(listed: DockerContainer) -> str:
    """Return the name of the app's container that is listed, or to which it belongs."""
    name: str = listed["Names"][0]
    return app_name(name.removeprefix("/"))
