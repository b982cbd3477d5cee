"""What our sandbox costs on top of a bare ``docker run`` of the same image."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench.figures import Sample
from poolhand.containers.docker import DockerRuntime
from poolhand.devnet.images import publish
from poolhand.devnet.registry import Registry
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerSpec, Limits, Mount

NOOP = Path(__file__).parent / "noop"
LIMITS = Limits(memory=256 * 2**20, cpus=1.0, pids=64, tmp=16 * 2**20, log=65_536, output=2**20)
ROUNDS = 20


async def measure() -> tuple[Sample, Sample]:
    """Return milliseconds of our run and of the bare one, taken in turns."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        async with Registry(Path(folder) / "registry") as registry, DockerRuntime.open() as runtime:
            image = await publish(NOOP, "poolhand/noop:1.0", registry.host)
            pinned = await runtime.pull(image.reference, image.digest, Seconds(60))
            for turn in range(ROUNDS + 2):
                out = Path(folder) / f"out-{turn}"
                out.mkdir()
                started = time.perf_counter()
                await _ours(runtime, pinned, out, turn)
                between = time.perf_counter()
                await _bare(pinned, out)
                ended = time.perf_counter()
                if turn >= 2:
                    ours.append((between - started) * 1000)
                    bare.append((ended - between) * 1000)
    return Sample.of(ours), Sample.of(bare)


async def _ours(runtime: DockerRuntime, image: str, out: Path, turn: int) -> None:
    outcome = await runtime.run(
        ContainerSpec(
            name=f"poolhand-bench-{turn}",
            image=image,
            command=(),
            environment={"IEXEC_OUT": "/iexec_out"},
            mounts=(Mount(str(out), "/iexec_out", writable=True),),
            limits=LIMITS,
            timeout=Seconds(60),
        )
    )
    assert outcome.exit_code == 0, outcome


async def _bare(image: str, out: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "docker", "run", "--rm", "--network", "none", "-e", "IEXEC_OUT=/iexec_out",
        "-v", f"{out}:/iexec_out", image,
    )  # fmt: skip
    assert await process.wait() == 0
