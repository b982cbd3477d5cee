"""Programs of this computer with all that they need, for a container that has nothing else.

Python comes with those modules alone that our programs import, compiled; every program with the
shared libraries that ``ldd`` names, where the loader looks for them.

Source: ldd(1); Python 3.11, "Sourceless imports" and the landmark ``lib/python3.X/os.pyc``.
"""

from __future__ import annotations

import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from poolhand.containers.vm import channel, guest, launcher

PYTHON_INSIDE: Final = "/usr/bin/python3"
OURS_INSIDE: Final = "/vm"
"""Where our own modules are."""
QEMU: Final = "qemu-system-x86_64"
FIRMWARE: Final = ("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin")
FIRMWARE_INSIDE: Final = "/usr/share/qemu"
_FIRMWARE_FOLDERS: Final = ("share/qemu", "share/seabios", "share/qemu-firmware")
_LIBRARY: Final = re.compile(r"^\s*(\S+) => (/\S+) \(0x", re.MULTILINE)
_LOADER: Final = re.compile(r"^\s*(/\S+) \(0x", re.MULTILINE)
_LIBC: Final = "libc.so.6"
_OURS: Final = (channel, guest, launcher)
_LIST_MODULES: Final = """
import sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    __import__(name)
for each in list(sys.modules.values()):
    if getattr(each, "__file__", None):
        print(each.__file__)
"""


class NoProgramsHere(Exception):
    """A program, or something that it needs, is not on this computer; the words say what."""


def python_files() -> dict[str, bytes]:
    """Return the interpreter that runs us and our modules, by their paths inside.

    Raises:
        NoProgramsHere: It is no Python for Linux with glibc.
    """
    interpreter = Path(sys.executable).resolve()
    package = Path(channel.__file__).parents[3]
    home = Path(sysconfig.get_path("stdlib"))
    names = [each.__name__ for each in _OURS]
    files = [Path(each) for each in _modules(interpreter, package, names)]
    inside = {each: _place(each, home, package) for each in files if each.exists()}
    found = {
        str(Path(place).with_suffix(".pyc")) if each.suffix == ".py" else place: _content(each)
        for each, place in inside.items()
    }
    found |= {PYTHON_INSIDE: interpreter.read_bytes()}
    return found | libraries([interpreter, *(each for each in files if each.suffix == ".so")])


def qemu_files() -> dict[str, bytes]:
    """Return QEMU, its emulator and its firmware, by their paths inside.

    Raises:
        NoProgramsHere: Something of it is missing.
    """
    program = Path(which(QEMU)).resolve()
    base = Path(which(QEMU)).parents[1]
    parts = sorted(base.glob("lib/**/qemu/accel-tcg-x86_64.so"))
    found = {f"/usr/bin/{QEMU}": program.read_bytes()}
    found |= {str(each): each.read_bytes() for each in parts}
    for name in FIRMWARE:
        places = [base / each / name for each in _FIRMWARE_FOLDERS]
        there = next((each for each in places if each.exists()), None)
        if there is None:
            raise NoProgramsHere(f"QEMU's {name} is missing")
        found[f"{FIRMWARE_INSIDE}/{name}"] = there.read_bytes()
    return found | libraries([program, *parts])


def which(program: str) -> str:
    """Return where a program is; raises NoProgramsHere."""
    found = shutil.which(program)
    if found is None:
        raise NoProgramsHere(f"there is no {program}")
    return found


def libraries(programs: Iterable[Path]) -> dict[str, bytes]:
    """Return the shared libraries that ELF files need, all beside libc, and the loader.

    Raises:
        NoProgramsHere: There is no ``ldd``, or they are not linked with glibc.
    """
    told = _printed([which("ldd"), *map(str, programs)])
    found = {name: Path(path) for name, path in _LIBRARY.findall(told)}
    if _LIBC not in found:
        raise NoProgramsHere(f"its programs are not linked with {_LIBC}")
    beside = found[_LIBC].parent
    places = {beside / name: path for name, path in found.items()}
    places |= {Path(each): Path(each) for each in _LOADER.findall(told)}
    return {str(place): path.read_bytes() for place, path in places.items()}


def _modules(interpreter: Path, package: Path, names: Iterable[str]) -> list[str]:
    words = [str(interpreter), "-I", "-S", "-X", "frozen_modules=off", "-c", _LIST_MODULES]
    return _printed([*words, str(package), *names]).splitlines()


def _place(path: Path, home: Path, package: Path) -> str:
    """Return where a module lies inside, by where it lies here."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if path.is_relative_to(package):
        return f"{OURS_INSIDE}/{path.relative_to(package)}"
    if path.is_relative_to(home):
        return f"/usr/lib/{version}/{path.relative_to(home)}"
    return f"/usr/lib/{version}/lib-dynload/{path.name}"


def _content(path: Path) -> bytes:
    if path.suffix != ".py":
        return path.read_bytes()
    if path.name == "__init__.py" and path.parent.name == "poolhand":
        return compiled(None)
    return compiled(path)


def compiled(path: Path | None) -> bytes:
    """Return a module's code, which never asks for the time of its source; None: an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "m.py", Path(folder) / "m.pyc"
        source.write_bytes(b"" if path is None else path.read_bytes())
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        shown = "" if path is None else path.name
        py_compile.compile(str(source), str(made), shown, doraise=True, invalidation_mode=mode)
        return made.read_bytes()


def _printed(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.stdout


def fingerprint(paths: Mapping[str, Path]) -> str:
    """Tell files from what an update of this computer makes of them."""
    facts = {name: path.stat() for name, path in paths.items()}
    return repr(sorted((name, each.st_size, each.st_mtime_ns) for name, each in facts.items()))
