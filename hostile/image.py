"""The image of all hostile programs: this machine's Python, the programs, and a setuid program."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from pathlib import Path

from aiodocker import Docker

from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.images import ENVIRONMENT
from poolhand.devnet.python_layer import python_layer

PROGRAMS = Path(__file__).parent / "programs"
FOLDER = "/hostile"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def command(name: str) -> tuple[str, ...]:
    """Return how a program of the image is started."""
    return ("python3", f"{FOLDER}/{name}.py")


async def load(docker: Docker, tag: str) -> str:
    """Load the image into an engine; returns its name."""
    name = f"poolhand-hostile:{tag}"
    async for _ in docker.images.import_image(_archive(name), stream=True):
        pass
    return name


def _archive(name: str) -> io.BytesIO:
    python = python_layer(DEFAULT_CACHE)
    layers = [gzip.decompress(python.path.read_bytes()), _programs()]
    digests = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()]},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    files = dict(zip(names, layers, strict=True))
    files["config.json"] = json.dumps(config).encode()
    files["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content, 0o644)
    buffer.seek(0)
    return buffer


def _programs() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(PROGRAMS.glob("*.py")):
            _add(tar, f"{FOLDER.lstrip('/')}/{path.name}", path.read_bytes(), 0o644)
        _add(tar, "usr/bin/rooted", Path(os.path.realpath(sys.executable)).read_bytes(), 0o4755)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))
