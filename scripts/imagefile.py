"""An image of one layer, loaded into the engine with the processor that it is for.

``docker import`` of older engines says that whatever it is given is for the engine's own.

Source: Docker Image Specification 1.2 (combined image JSON and layers, as ``docker load`` reads).
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from commands import NeedsSomething, told_by

EPOCH = "1970-01-01T00:00:00Z"


def load(name: str, platform: str, layer: Path, command: Sequence[str]) -> str:
    """Load an image under a name; the same layer gives the same digest, which is returned.

    Args:
        name: Repository and tag.
        platform: What it is for, such as ``linux/arm64``.
        layer: A tar archive of all its files.
        command: What it runs.

    Raises:
        NeedsSomething: The engine does not take it.
    """
    config = _config(platform, layer, command)
    identity = hashlib.sha256(config).hexdigest()
    names = {"Config": f"{identity}.json", "RepoTags": [name], "Layers": ["layer.tar"]}
    engine = subprocess.Popen(
        ("docker", "load", "--quiet"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert engine.stdin is not None
    try:
        with engine.stdin, tarfile.open(fileobj=engine.stdin, mode="w|") as archive:
            _add(archive, f"{identity}.json", len(config), io.BytesIO(config))
            with layer.open("rb") as content:
                _add(archive, "layer.tar", layer.stat().st_size, content)
            told = json.dumps([names]).encode()
            _add(archive, "manifest.json", len(told), io.BytesIO(told))
    except BrokenPipeError:
        pass  # it has said why
    if engine.wait():
        raise NeedsSomething(f"`docker load` of {name} failed: see above")
    return told_by(("docker", "image", "inspect", "--format", "{{.Id}}", name))


def _config(platform: str, layer: Path, command: Sequence[str]) -> bytes:
    system, _, machine = platform.partition("/")
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    members: dict[str, Any] = {
        "architecture": machine,
        "os": system,
        "created": EPOCH,
        "config": {"Cmd": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": EPOCH, "created_by": "poolhand"}],
    }
    return json.dumps(members, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)
