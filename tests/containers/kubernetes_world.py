"""What a test needs of Kubernetes, simulated: the tiny image, and the suite's programs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from archives import entry, packed
from container_world import PROGRAMS, World
from simulated_kubernetes import NAMESPACE, SimulatedKubernetes
from slurm_world import lay_image

from poolhand.containers.kubernetes.engine import KubernetesRuntime
from poolhand.containers.kubernetes.manifest import KubernetesPlace

IMAGE = packed(
    entry("usr/bin/python3", content=b"not run"),
    entry("etc/passwd", content=b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n"),
)


async def play(words, folders, tell):
    """Be one of the suite's programs; returns its exit code and why it ended."""
    code, out = words[-1], folders["/iexec_out"]
    if code == PROGRAMS["hello"].code:
        tell(b"hello\noh\n")
        return 3, "Error"
    if code == PROGRAMS["chatty"].code:
        tell(b"one\ntwo\noh\n")
    (out / "token").write_text(uuid4().hex)
    while not (folders["/iexec_in"] / "go").exists():  # noqa: ASYNC110 - a file sets no Event
        await asyncio.sleep(0.005)
    return 0, "Completed"


class KubernetesWorld(World):
    """A simulated cluster, with the tiny image."""

    cpus = None
    """A job keeps the processors that it began with."""

    has_two_streams = False

    def __init__(self, runtime, cluster: SimulatedKubernetes, folder: Path, image: str) -> None:
        super().__init__(folder)
        self.runtime, self.cluster, self.image = runtime, cluster, image

    def hold(self):
        (self.input / "go").unlink(missing_ok=True)

    def release(self):
        (self.input / "go").touch()


@asynccontextmanager
async def kubernetes_world(folder: Path, config=None, *, patience=120.0, pause=0.01):
    image = lay_image(folder, IMAGE, config or {}, "ab" * 32)
    cluster = SimulatedKubernetes(folder, play)
    place = KubernetesPlace(NAMESPACE, "shared", folder)
    (folder / "run").mkdir()
    async with (
        cluster.client() as http,
        KubernetesRuntime.open(http, place, pause=pause, patience=patience) as runtime,
    ):
        yield KubernetesWorld(runtime, cluster, folder / "run", image)
