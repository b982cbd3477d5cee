"""What our care for a container costs on top of a bare run of it.

Both runs have the same sandbox: the bare one is create, start, wait, remove and nothing else. The
difference is what the worker adds: preparing folders, looking before it leaps, watching time and
size, reading logs and the end. The two take turns, each first in half of the rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiodocker import Docker

from bench.figures import Sample
from bench.frame import Job, Keys
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.sandbox import SandboxTerms, container_config
from poolhand.devnet.images import publish
from poolhand.devnet.registry import Registry
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerSpec, Limits, Mount

NOOP = Path(__file__).parent / "noop"
LIMITS = Limits(memory=256 * 2**20, cpus=1.0, pids=64, tmp=16 * 2**20, log=65_536, output=2**20)
ROUNDS = 30
NOBODY = "65534:65534"

Run = Callable[[ContainerSpec], Awaitable[None]]


async def keys(job: Job) -> Keys:
    ours, bare = await measure(job.scaled(ROUNDS))
    job.say(f"ours {ours.p50:.0f} ms, bare {bare.p50:.0f} ms, ratio {ours.p50 / bare.p50:.2f}")
    return {"container_overhead_ms": round(ours.p50 - bare.p50, 1)}


async def measure(rounds: int) -> tuple[Sample, Sample]:
    """Return milliseconds of our runs and of the bare ones."""
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Registry(Path(folder) / "registry") as registry,
            DockerRuntime.open(os.environ.get("DOCKER_HOST")) as runtime,
        ):
            image = await publish(NOOP, "poolhand/noop:1.0", registry.host)
            pinned = await runtime.pull(image.reference, image.digest, Seconds(60))
            docker = Docker()
            try:
                runs: dict[str, Run] = {"ours": _ours(runtime), "bare": _bare(docker)}
                for turn in range(rounds + 2):
                    names = sorted(runs, reverse=bool(turn % 2))
                    for name in names:
                        spec = _spec(pinned, Path(folder), f"{name}-{turn}")
                        started = time.perf_counter()
                        await runs[name](spec)
                        if turn >= 2:
                            found[name].append((time.perf_counter() - started) * 1000)
            finally:
                await docker.close()
    return Sample.of(found["ours"]), Sample.of(found["bare"])


def _spec(image: str, folder: Path, name: str) -> ContainerSpec:
    out = folder / name
    out.mkdir()
    out.chmod(0o777)
    return ContainerSpec(
        name=f"poolhand-bench-{name}",
        image=image,
        command=(),
        environment={"IEXEC_OUT": "/iexec_out"},
        mounts=(Mount(str(out), "/iexec_out", writable=True),),
        limits=LIMITS,
        timeout=Seconds(60),
    )


def _ours(runtime: DockerRuntime) -> Run:
    async def run(spec: ContainerSpec) -> None:
        outcome = await runtime.run(spec)
        assert outcome.exit_code == 0, outcome

    return run


def _bare(docker: Docker) -> Run:
    async def run(spec: ContainerSpec) -> None:
        config = container_config(spec, SandboxTerms(NOBODY, None))
        container = await docker.containers.create(config, name=spec.name)
        await container.start()
        ended = await container.wait()
        assert ended["StatusCode"] == 0, ended
        await container.delete()

    return run
