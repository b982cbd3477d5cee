"""A small image made of this machine's Python alone: no network, no other package."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

NAME = f"poolhand-test/python-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
"""Of this process: others that run tests at the same time remove their own."""
LEFT_OUT = {"test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__",
            "pydoc_data", "site-packages", "dist-packages"}  # fmt: skip
HOME = f"usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
ENV = ["PATH=/usr/bin", "PYTHONHOME=/usr", "PYTHONDONTWRITEBYTECODE=1"]
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\nnobody:x:65534:65534::/:\n"


def layer() -> bytes:
    """Return a tar of the interpreter, its libraries and its standard library."""
    python = Path(sys.executable).resolve()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, mode in (
            ("root", 0o700),
            ("tmp", 0o1777),
            ("data", 0o777),
            ("etc", 0o755),
            ("usr/bin", 0o755),
        ):
            tar.addfile(_folder(folder, mode))
        _add(tar, "etc/passwd", PASSWD.encode(), 0o644)
        _add(tar, "usr/bin/python3", python.read_bytes(), 0o755)
        stdlib = Path(sysconfig.get_path("stdlib"))
        for library in _libraries(python, *stdlib.glob("lib-dynload/_ctypes.*.so")):
            name = library if "/ld-" in library else f"/usr/lib/{Path(library).name}"
            _add(tar, name.lstrip("/"), Path(library).read_bytes(), 0o755)
        for path in sorted(stdlib.rglob("*")):
            if (
                path.is_file()
                and path.suffix != ".a"
                and not LEFT_OUT & set(path.relative_to(stdlib).parts)
            ):
                _add(tar, f"{HOME}/{path.relative_to(stdlib)}", path.read_bytes(), 0o644)
    return buffer.getvalue()


def archive(variants: dict[str, dict[str, object]]) -> io.BytesIO:
    """Return a ``docker load`` archive; ``variants``: tag to image configuration."""
    content = layer()
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]}
    manifest, buffer = [], io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "layer.tar", content, 0o644)
        for tag, config in variants.items():
            full = {"Env": ENV, **config}
            text = {"architecture": "amd64", "os": "linux", "config": full, "rootfs": rootfs}
            _add(tar, f"{tag}.json", json.dumps(text).encode(), 0o644)
            manifest.append(
                {"Config": f"{tag}.json", "RepoTags": [f"{NAME}:{tag}"], "Layers": ["layer.tar"]}
            )
        _add(tar, "manifest.json", json.dumps(manifest).encode(), 0o644)
    buffer.seek(0)
    return buffer


def _libraries(*programs: Path) -> list[str]:
    told = [_ldd(program) for program in programs]
    return sorted({word for text in told for word in text.split() if word.startswith("/")})


def _ldd(program: Path) -> str:
    return subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout


def _folder(name: str, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))
