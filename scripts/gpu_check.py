"""Try on this computer that a container computes on the GPU that it is given, and others see none.

    make gpu-check
    .venv/bin/python scripts/gpu_check.py FOLDER     simulated device files below a folder

By the product's own finder and container runtime, at the engine that ``DOCKER_HOST`` names or that
answers at the usual socket; the app is this machine's Python and ``gpu_sum``. Exit status 0: all of
it holds; 1: something does not; 3: nothing was tried, for there is no GPU or no engine here.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import logging
import os
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog
from aiodocker import Docker
from rich.console import Console
from rich.table import Table

from poolhand.appimage.layers import Copied, write_layer
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.errors import GpuUnready
from poolhand.containers.gpus import LIBRARIES_INSIDE
from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.images import ENVIRONMENT
from poolhand.devnet.python_layer import python_layer
from poolhand.domain.errors import PoolhandError
from poolhand.domain.gpu import Gpu, GpuMaker
from poolhand.domain.platforms import GO_NAMES
from poolhand.domain.sandbox_level import ANY_SANDBOX
from poolhand.domain.units import GIB, MIB, Seconds
from poolhand.observe.gpus import find_gpus
from poolhand.ports.runtime import GPU_LABEL, ContainerSpec, Limits

APP: Final = Path(__file__).parent / "gpu_sum.py"
NOTHING_TRIED: Final = 3
NEEDED: Final = ("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1")
"""Of the C library: what the driver's libraries load and Python may not."""
LIMITS: Final = Limits(memory=4 * GIB, cpus=1.0, pids=256, tmp=256 * MIB, log=100_000, output=MIB)


@dataclass(frozen=True)
class Row:
    """One thing that was tried."""

    what: str
    holds: bool
    seen: str


async def load(docker: Docker, folder: Path) -> str:
    """Load the app's image, which asks for every GPU as CUDA's images do; returns its name."""
    there = {str(each): Copied(each, executable=True) for each in _c_library()}
    more = write_layer(folder / "more.tar.gz", there)
    layers = [python_layer(DEFAULT_CACHE), more]
    blobs = [gzip.decompress(each.path.read_bytes()) for each in layers]
    name = f"poolhand-gpu-check:{uuid4().hex}"
    variables = {**ENVIRONMENT, "NVIDIA_VISIBLE_DEVICES": "all"}
    config = {
        "architecture": GO_NAMES[os.uname().machine],
        "os": "linux",
        "config": {"Env": [f"{name}={value}" for name, value in variables.items()]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in blobs],
        },
    }
    names = [f"{number}.tar" for number in range(len(blobs))]
    files = dict(zip(names, blobs, strict=True))
    files["config.json"] = json.dumps(config).encode()
    manifest = {"Config": "config.json", "RepoTags": [name], "Layers": names}
    files["manifest.json"] = json.dumps([manifest]).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    archive.seek(0)
    async for _ in docker.images.import_image(archive, stream=True):
        pass
    return name


def _c_library() -> list[Path]:
    """Return what of the C library the driver's libraries may need, as far as it is a file."""
    places = (Path("/lib") / str(sysconfig.get_config_var("MULTIARCH")), Path("/lib64"))
    folder = next((each for each in places if (each / "libc.so.6").exists()), places[0])
    return [folder / each for each in NEEDED if (folder / each).exists()]


async def run(runtime: DockerRuntime, image: str, gpu: Gpu | None) -> dict[str, Any]:
    """Run the app with a GPU, or with none; returns what it tells."""
    spec = ContainerSpec(
        f"poolhand-gpu-check-{uuid4().hex}", image, ("python3", "-c", APP.read_text()), {}, (),
        LIMITS, Seconds(120), labels={"poolhand.worker": "gpu-check"},
    )  # fmt: skip
    if gpu is not None:
        spec = replace(spec, gpu=gpu, labels={**spec.labels, GPU_LABEL: gpu.name})
    try:
        outcome = await runtime.run(spec)
    except GpuUnready as fault:
        return {"fault": str(fault), "devices": [], "sums": []}
    lines = (outcome.stdout or outcome.stderr).decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else f"exit code {outcome.exit_code}"
    try:
        told: dict[str, Any] = json.loads(last)
    except ValueError:
        return {"fault": last, "devices": [], "sums": []}
    return {"devices": [], "sums": [], **told}


def judge(gpu: Gpu, told: dict[str, Any]) -> list[Row]:
    """Say what a container with a GPU saw and did."""
    own, seen = gpu.devices[0], told["devices"]
    others = [each for each in seen if each not in gpu.devices and not _is_shared(each)]
    rows = [
        Row(f"{gpu} is seen alone", own in seen and not others, " ".join(seen) or "no device"),
    ]
    if gpu.maker is GpuMaker.AMD:
        version = told.get("kfd")
        words = "the driver does not answer" if version is None else f"kfd {version}"
        return [*rows, Row(f"{gpu} answers", version is not None, words)]
    sums = told["sums"]
    words = told.get("fault") or ", ".join(
        f"{each['name']}: sums {'right' if each['right'] else 'WRONG'}" for each in sums
    )
    holds = len(sums) == 1 and sums[0]["right"]
    return [*rows, Row(f"{gpu} computes", holds, words or f"cuInit answers {told.get('init')}")]


def _is_shared(device: str) -> bool:
    return device.startswith("/dev/nvidia-") or device == "/dev/nvidiactl"


async def check(url: str, gpus: Sequence[Gpu], root: Path) -> tuple[list[Row], str]:
    """Try all of it; returns the rows, and by what containers ran."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Docker(url) as docker,
            DockerRuntime.open(url, sandbox=ANY_SANDBOX, gpus=True, files=root) as runtime,
        ):
            version = (await docker.version())["Version"]
            image = await load(docker, Path(folder))
            try:
                told = await asyncio.gather(*(run(runtime, image, each) for each in gpus))
                rows = [
                    row for gpu, each in zip(gpus, told, strict=True) for row in judge(gpu, each)
                ]
                none = await run(runtime, image, None)
            finally:
                await docker.images.delete(image, force=True)
            uuids = [one["uuid"] for each in told for one in each["sums"]]
            if len(uuids) > 1:
                differ = len(set(uuids)) == len(uuids)
                rows.append(Row("at once each has another", differ, f"{len(set(uuids))} UUIDs"))
            empty = not none["devices"] and not none["sums"] and "fault" not in none
            saw = " ".join(none["devices"]) or none.get("fault") or "no device"
            rows.append(Row("a container that is given none sees none", empty, saw))
            found = runtime.sandbox
            by = "" if found is None else found.runtime or found.level
            return rows, f"Docker {version}, {by}, driver's libraries at {LIBRARIES_INSIDE} or CDI"


def main(root: Path = Path("/")) -> int:
    """Check, and print a table.

    Args:
        root: Below which this computer's files are; another folder: of a simulated one.
    """
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)
    console = Console(soft_wrap=True)
    found = find_gpus(root)
    for lack in found.lacks:
        console.print(f"gpu-check: {lack}")
    if not found.usable:
        console.print("gpu-check: nothing was tried: this computer has no GPU that can be given")
        return NOTHING_TRIED
    url = os.environ.get("DOCKER_HOST") or DEFAULT_URL
    try:
        rows, by = asyncio.run(check(url, found.usable, root))
    except PoolhandError as fault:
        console.print(f"gpu-check: nothing was tried: {fault}")
        return NOTHING_TRIED
    table = Table(title=f"{datetime.now(UTC):%Y-%m-%d}, {by}")
    for head in ("what", "holds", "seen"):
        table.add_column(head)
    for row in rows:
        table.add_row(row.what, "yes" if row.holds else "NO", row.seen)
    console.print(table)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
