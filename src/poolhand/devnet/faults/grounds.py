"""What faults are brought about with, put in place around a devnet before its programs start.

Every program reaches node, pool, results and Docker through a line. The lines listen where the
services would without them, so that nobody but the services is set up differently.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.devnet.children import Child
from poolhand.devnet.engine import DevnetEngine
from poolhand.devnet.faults.bad_node import BadNode
from poolhand.devnet.faults.disks import Disk
from poolhand.devnet.faults.kinds import BadFault
from poolhand.devnet.faults.line import Line, to_port, to_socket
from poolhand.devnet.node import Anvil
from poolhand.devnet.ports import free_port

DEFAULT_ENGINE: Final = "unix:///var/run/docker.sock"
UNIX: Final = "unix://"


@dataclass(slots=True)
class Grounds:
    """What there is to misbehave.

    Attributes:
        node: The chain.
        bad_node: What stands in front of it and understands it.
        lines: By service.
        children: The programs by name; filled when they are started.
        own_ports: Where ``pool`` and ``results`` listen themselves, behind their lines.
        docker: DOCKER_HOST for workers; empty where Docker is not reached by a Unix socket.
        disks: Of programs that have one of their own.
        engine: Docker, if it is the devnet's own.
    """

    node: Anvil
    bad_node: BadNode
    lines: Mapping[str, Line]
    children: Mapping[str, Child]
    own_ports: Mapping[str, int]
    docker: str = ""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    engine: DevnetEngine | None = None

    def environment(self, pool_url: str, results_url: str) -> dict[str, str]:
        """Return the settings that put pool and results behind their lines, workers before one."""
        docker = {"DOCKER_HOST": self.docker} if self.docker else {}
        return {
            "IEXEC_CORE_PORT": str(self.own_ports["pool"]),
            "POOLHAND_PUBLIC_URL": pool_url,
            "POOLHAND_RESULTS_PORT": str(self.own_ports["results"]),
            "POOLHAND_RESULTS_URL": results_url,
            **docker,
        }


@asynccontextmanager
async def prepared(
    home: Path,
    node: Anvil,
    ports: Mapping[str, int],
    children: Mapping[str, Child],
    *,
    disks: Sequence[str] = (),
    own_engine: bool = False,
) -> AsyncIterator[Grounds]:
    """Draw the lines, mount the disks, start the engine; take all away in the end.

    Args:
        home: The devnet's folder.
        node: Running.
        ports: Where callers expect ``node``, ``pool`` and ``results``.
        children: The programs, once they are there.
        disks: Programs that get a disk of their own.
        own_engine: Whether the devnet gets a Docker engine of its own.

    Raises:
        NoDiskHere, NoEngineHere: That takes root.
        DiskFailed, EngineDied: The kernel or the engine would not.
    """
    async with AsyncExitStack() as stack:
        mounted = {name: Disk(home / "disks" / f"{name}.ext4", _data(home, name)) for name in disks}
        for disk in mounted.values():
            await stack.enter_async_context(disk)
        engine = (
            await stack.enter_async_context(DevnetEngine(home / "engine")) if own_engine else None
        )
        pids = _Pids(children)
        to_node = Line("node", ports["node"], to_port(lambda: bad_node.port), pids)
        bad_node = BadNode(lambda: node.url, to_node.caller_at)
        await stack.enter_async_context(bad_node)
        own = {name: free_port() for name in ("pool", "results")}
        to_own = {name: to_port(partial(own.__getitem__, name)) for name in own}
        lines = {name: Line(name, ports[name], dial, pids) for name, dial in to_own.items()}
        lines["node"] = to_node
        docker, line = _docker_line(engine, stack, pids)
        if line is not None:
            lines["docker"] = line
        for each in lines.values():
            await stack.enter_async_context(each)
        yield Grounds(node, bad_node, lines, children, own, docker, mounted, engine)


@dataclass(frozen=True, slots=True)
class _Pids:
    """The running programs, as ``callers`` looks for them."""

    children: Mapping[str, Child]

    def __call__(self) -> dict[str, int]:
        found = ((name, child.pid) for name, child in self.children.items())
        return {name: pid for name, pid in found if pid is not None}


def _docker_line(
    engine: DevnetEngine | None, stack: AsyncExitStack, pids: _Pids
) -> tuple[str, Line | None]:
    """Return the DOCKER_HOST of the line to Docker, and the line."""
    named = os.environ.get("DOCKER_HOST") or DEFAULT_ENGINE
    if engine is None and not named.startswith(UNIX):
        return named, None
    far = Path(named.removeprefix(UNIX)) if engine is None else engine.socket
    folder = Path(tempfile.mkdtemp(prefix="poolhand-"))  # short, as a socket's path has to be
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    near = folder / "docker.sock"
    return f"{UNIX}{near}", Line("docker", near, to_socket(far), pids)


def _data(home: Path, program: str) -> Path:
    """Return where a program keeps its data."""
    if program in ("pool", "results"):
        return home / program
    if program.startswith("worker-"):
        return home / "workers" / program
    raise BadFault(f"'{program}' has no data to be kept on a disk: name pool, results or a worker")
