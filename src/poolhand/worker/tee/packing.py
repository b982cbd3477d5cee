"""Programs of ours for containers that have nothing: with an interpreter, or for an image with one.

The launcher must start in any image: so it comes with the Python that runs us, the modules that it
imports, the shared libraries of both, and the loader, started by its own path. The services before
and after an app are images that have a Python: they get the modules alone.

Source: ld.so(8), ``--library-path`` and ``--argv0``; Python 3.11, "Sourceless imports".
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Final

import poolhand
from poolhand.containers.folders import remove
from poolhand.containers.vm.programs import compiled, libraries
from poolhand.observe.private import private_folder
from poolhand.worker.tee import post_compute, pre_compute, tee_launcher
from poolhand.worker.tee.relay_line import LAUNCHER_FOLDER

LAUNCHER_MODULES: Final = (tee_launcher.__name__,)
STAGE_MODULES: Final = (pre_compute.__name__, post_compute.__name__)
_PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_DROPPED: Final = frozenset({"__pycache__", "SelfTest", "test", "tests"})
_LIST_MODULES: Final = """
import sys
sys.path[:0] = sys.argv[1].split(':')
for name in ('rich', 'greenlet', 'better_exceptions'):
    sys.modules[name] = None
for name in sys.argv[2:]:
    __import__(name)
import encodings.idna, encodings.latin_1, encodings.ascii
for name, each in list(sys.modules.items()):
    if getattr(each, '__file__', None):
        print(name, each.__file__)
"""


@dataclass(frozen=True, slots=True)
class PackedPrograms:
    """Files by their place below a folder: ours, and Python's own that they import."""

    packages: Mapping[str, Path]
    standard: Mapping[str, Path]


def packed_programs(names: Sequence[str]) -> PackedPrograms:
    """Find the modules that programs of ours import, and all of foreign packages among them.

    Raises:
        OSError: A file cannot be read.
    """
    source, foreign = _homes()
    standard = Path(sysconfig.get_path("stdlib"))
    packages: dict[str, Path] = {}
    own: dict[str, Path] = {}
    for name, path in _modules([source, foreign], names):
        if path.is_relative_to(standard) and "site-packages" not in path.parts:
            own[str(path.relative_to(standard))] = path
        elif name.split(".")[0] == "poolhand":
            packages[str(path.relative_to(source))] = path
        else:
            packages |= _whole(foreign, path.relative_to(foreign))
    return PackedPrograms(packages, own)


def module_bytes(place: str, path: Path) -> tuple[str, bytes]:
    """Return a file as it is packed: its place and content; modules are compiled."""
    if path.suffix != ".py":
        return place, path.read_bytes()
    return str(PurePosixPath(place).with_suffix(".pyc")), compiled(path)


def launcher_words() -> tuple[str, ...]:
    """Return the words that start the launcher inside, before those of the image's own program."""
    loader, place = f"{LAUNCHER_FOLDER}/lib/loader", f"{LAUNCHER_FOLDER}/bin/python3"
    begin = f"import sys; sys.path.insert(0, '{LAUNCHER_FOLDER}/packages'); "
    run = "from poolhand.worker.tee.tee_launcher import main; main(sys.argv[1:])"
    words = loader, "--library-path", f"{LAUNCHER_FOLDER}/lib", "--argv0", place, place
    return (*words, "-I", "-S", "-B", "-c", begin + run)


def install_launcher(base: Path) -> Path:
    """Lay the launcher down below ``base``, unless it is there; returns its folder.

    Raises:
        NoProgramsHere: This computer's Python cannot be packed.
        OSError: The disk refuses.
    """
    private_folder(base)
    found = packed_programs(LAUNCHER_MODULES)
    target = base / f"launcher-{_mark(found)}"
    if target.is_dir():
        return target
    draft = Path(mkdtemp(dir=base, prefix=".launcher-"))
    for place, content in _launcher_files(found):
        path = draft / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    for folder, _, _ in os.walk(draft):
        Path(folder).chmod(0o755)
    try:
        draft.rename(target)
    except OSError:  # another worker of this folder was quicker
        remove(draft)
        if not target.is_dir():
            raise
    return target


def _mark(found: PackedPrograms) -> str:
    """Tell these files, and the Python that runs us, from what an update makes of them."""
    paths = *found.packages.values(), *found.standard.values(), Path(sys.executable).resolve()
    facts = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in paths]
    return hashlib.sha256(repr((sys.version, sorted(facts))).encode()).hexdigest()[:16]


def _launcher_files(found: PackedPrograms) -> Iterator[tuple[str, bytes]]:
    """Yield the launcher's files, by their places below its folder."""
    interpreter = Path(sys.executable).resolve()
    for place, path in found.packages.items():
        yield module_bytes(f"packages/{place}", path)
    for place, path in found.standard.items():
        yield module_bytes(f"lib/{_PYTHON}/{place}", path)
    yield "bin/python3", interpreter.read_bytes()
    every = (*found.packages.values(), *found.standard.values())
    needed = libraries([interpreter, *(each for each in every if each.suffix == ".so")])
    for place, content in needed.items():
        name = Path(place).name
        yield f"lib/{'loader' if name.startswith('ld-') else name}", content


def _homes() -> tuple[Path, Path]:
    """Return where our package lies, and where the packages lie that it needs."""
    return Path(poolhand.__file__).parents[1], Path(sysconfig.get_path("purelib"))


def _modules(homes: Sequence[Path], names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    words = [sys.executable, "-I", "-S", "-X", "frozen_modules=off", "-c", _LIST_MODULES]
    words += [":".join(map(str, homes)), *names]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    for line in done.stdout.splitlines():
        name, _, path = line.partition(" ")
        if Path(path).exists():
            yield name, Path(path)


def _whole(home: Path, inside: Path) -> dict[str, Path]:
    """Return all of a package, or a module alone: libraries load parts of themselves by need."""
    top = home / inside.parts[0]
    if top.is_file():
        return {str(inside): top}
    files = [each for each in top.rglob("*") if each.suffix in (".py", ".so")]
    files += (each for name in _distributions().get(top.name, ()) for each in _about(home, name))
    told = {str(each.relative_to(home)): each for each in files}
    return {place: each for place, each in told.items() if not _DROPPED & set(each.parts)}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _about(home: Path, name: str) -> list[Path]:
    """Return what a package is asked for its own version by."""
    return list(home.glob(f"{name.replace('-', '_')}-*.dist-info/METADATA"))
