"""The Python that runs us, as a layer of an image: no image from elsewhere, no root, no network.

Interpreter, standard library (with its bytecode, since the containers' file system is read-only)
and the shared libraries they need. Source: systems-lab.md §4.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from poolhand.appimage.layers import (
    Copied,
    Layer,
    LayerEntry,
    LayerLink,
    LayerPlace,
    Text,
    write_layer,
)
from poolhand.domain.errors import Refused

RECIPE: Final = 2
"""Raised when this module makes another layer of the same interpreter."""
PYTHON_VERSION: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON_HOME: Final = f"/usr/lib/{PYTHON_VERSION}"
DROPPED_FOLDERS: Final = frozenset(
    {"__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data"}
    | {"site-packages", "test", "tests", "tkinter", "turtledemo", "venv"}
)
DROPPED_FILES: Final = re.compile(r"(site|user)customize\.py|turtle\.py|(_test|_tkinter|xx).*\.so")
LIBRARY: Final = re.compile(r"^\s*(\S+) => (/\S+) \(0x", re.MULTILINE)
LOADER: Final = re.compile(r"^\s*(/\S+) \(0x", re.MULTILINE)
LIBC: Final = "libc.so.6"
OF_WHEELS: Final = (
    *("libgcc_s.so.1", "libstdc++.so.6", "libm.so.6"),
    *("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"),
)
"""What wheels expect of a system (PEP 599); Docker's images of Python have it."""
USERS: Final = "root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\n"
GROUPS: Final = "root:x:0:\nnogroup:x:65534:\n"


class NoImagesHere(Refused):
    """This machine's Python cannot become a Linux image."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"app images cannot be built from this Python ({why}): run the devnet on Linux with "
            "glibc, where `ldd` exists"
        )


def python_layer(cache: Path) -> Layer:
    """Return the layer of the running interpreter, made once and then kept in ``cache``.

    It has ``/usr/bin/python3``, world-writable ``/tmp``, and the folders ``/iexec_in`` and
    ``/iexec_out``.

    Raises:
        NoImagesHere: Not Linux, or no ``ldd``.
    """
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{PYTHON_VERSION}-{_fingerprint()}.tar.gz"
    note = kept.with_suffix(".json")
    try:
        members = json.loads(note.read_text(encoding="utf-8"))
        whole = kept.stat().st_size == members["size"]
        if whole and _facts(map(Path, members.pop("libraries"))) == members.pop("facts"):
            return Layer(**{**members, "path": kept})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        libraries, made = _make(Path(folder))
        made.path.replace(kept)
        names = sorted(map(str, libraries))
        told = {**asdict(made), "path": kept.name, "libraries": names, "facts": _facts(libraries)}
        draft = Path(folder) / "note"
        draft.write_text(json.dumps(told), encoding="utf-8")
        draft.replace(note)
    return Layer(kept, made.digest, made.diff_id, made.size)


def _make(folder: Path) -> tuple[frozenset[Path], Layer]:
    """Write the layer; returns the shared libraries of this machine that are in it, too."""
    interpreter = Path(sys.executable).resolve()
    staged = folder / PYTHON_VERSION
    _stage(Path(sysconfig.get_path("stdlib")), staged)
    _compile(interpreter, staged)
    extensions = sorted(staged.rglob("*.so"))
    libraries = _libraries([interpreter, *extensions])
    expected = _of_wheels(libraries)
    libraries |= expected | _libraries([interpreter, *(each.path for each in expected.values())])
    entries: dict[str, LayerEntry] = {
        **libraries,
        **{f"{PYTHON_HOME}/{path.relative_to(staged)}": Copied(path) for path in _files(staged)},
        f"/usr/bin/{PYTHON_VERSION}": Copied(interpreter, executable=True),
        "/usr/bin/python3": LayerLink(PYTHON_VERSION),
        "/usr/bin/python": LayerLink(PYTHON_VERSION),
        "/etc/passwd": Text(USERS),
        "/etc/group": Text(GROUPS),
        "/tmp": LayerPlace(0o1777),  # noqa: S108 - of the image
        "/iexec_in": LayerPlace(),
        "/iexec_out": LayerPlace(0o1777),
    }
    made = write_layer(folder / "layer.tar.gz", entries)
    return frozenset(each.path for each in libraries.values()), made


def _stage(library: Path, into: Path) -> None:
    """Copy the standard library, without tests, graphics and installers."""

    def dropped(_: str, names: list[str]) -> set[str]:
        return {name for name in names if _is_dropped(name)}

    shutil.copytree(library, into, ignore=dropped, ignore_dangling_symlinks=True)


def _is_dropped(name: str) -> bool:
    whole = name in DROPPED_FOLDERS or name.startswith("config-")
    return whole or DROPPED_FILES.fullmatch(name) is not None or name.endswith((".a", ".o"))


def _compile(interpreter: Path, staged: Path) -> None:
    """Write bytecode that never asks for the time of its source: the same at every build."""
    how = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    names = ["-s", str(staged), "-p", PYTHON_HOME, str(staged)]
    subprocess.run(  # noqa: S603 - our own interpreter
        [str(interpreter), "-s", "-S", *how, *names],
        env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
        stdout=subprocess.DEVNULL,
        check=False,  # a template that is no Python (lib2to3 had some) does not matter
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _libraries(programs: Iterable[Path]) -> dict[str, Copied]:
    """Return the shared libraries that ELF files need, all beside libc, and the loader.

    The loader looks there for sure, wherever this machine keeps them.
    """
    ldd = shutil.which("ldd")
    if platform.system() != "Linux" or ldd is None:
        raise NoImagesHere(f"{platform.system()}, ldd {'found' if ldd else 'missing'}")
    command = [ldd, *map(str, programs)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = {name: Path(path) for name, path in LIBRARY.findall(told)}
    if LIBC not in found:
        raise NoImagesHere(f"it is not linked with {LIBC}")
    beside = found[LIBC].parent
    loaders = {Path(path) for path in LOADER.findall(told)}
    places = {beside / name: path for name, path in found.items()} | {x: x for x in loaders}
    return {str(place): Copied(path, executable=True) for place, path in places.items()}


def _of_wheels(libraries: Iterable[str]) -> dict[str, Copied]:
    """Return what packages expect of a system, as far as this machine has it, beside libc."""
    beside = next(Path(each).parent for each in libraries if each.endswith(f"/{LIBC}"))
    folders = beside, Path("/usr") / beside.relative_to("/")
    found = ((name, folder / name) for name in OF_WHEELS for folder in reversed(folders))
    return {
        str(beside / name): Copied(path, executable=True) for name, path in found if path.is_file()
    }


def _fingerprint() -> str:
    """Tell this interpreter from others, and from itself after an upgrade."""
    program = Path(sys.executable).resolve()
    facts = program.stat()
    told = (RECIPE, OF_WHEELS, sys.version, str(program), facts.st_size, facts.st_mtime_ns)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _facts(libraries: Iterable[Path]) -> str:
    """Tell these files from what an update of this machine makes of them."""
    told = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in libraries]
    return hashlib.sha256(repr(sorted(told)).encode()).hexdigest()
