"""The kernel of apps' machines: this computer's own, or one in a folder that the operator names.

Any kernel of a distribution does that has VirtIO, 9p, squashfs and overlayfs, built in or as
modules: Debian's linux-image-amd64 (its -cloud- has no 9p), Ubuntu's linux-image-generic.

Source: Linux 6.1, section ``modinfo`` of modules; /lib/modules/VERSION/modules.builtin.
"""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.containers.vm.programs import NoProgramsHere

MODULES_NEEDED: Final = (
    "virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "squashfs", "overlay", "9p",
    "9pnet_virtio",
)  # fmt: skip
"""Modules that a machine needs, unless they are built in."""
KERNEL_STEPS: Final = "apt install linux-image-amd64 qemu-system-x86 squashfs-tools"
_DEPENDS: Final = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")
_PREFIX: Final = "vmlinuz-"
_NUMBERS: Final = re.compile(r"\d+")


def _zstd(data: bytes) -> bytes:
    program = shutil.which("zstd")
    if program is None:
        raise NoProgramsHere("its kernel's modules are packed by zstd, and there is no zstd")
    return subprocess.run([program, "-dc"], input=data, capture_output=True, check=True).stdout  # noqa: S603


_UNPACK: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    ".ko": lambda data: data,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".zst": _zstd,
}


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel and its modules."""

    image: Path
    modules: Path

    def module_contents(self) -> Iterator[bytes]:
        """Yield the modules that a machine loads, each after those that it needs.

        Raises:
            NoProgramsHere: It lacks one.
        """
        files = {_name(each): each for each in self.modules.rglob("*.ko*")}
        builtin = {Path(each).stem.replace("-", "_") for each in self._builtin()}
        contents: dict[str, bytes] = {}
        for name in MODULES_NEEDED:
            self._add(name, files, builtin, contents)
        yield from contents.values()

    def _builtin(self) -> list[str]:
        try:
            return (self.modules / "modules.builtin").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def _add(
        self, name: str, files: Mapping[str, Path], builtin: set[str], contents: dict[str, bytes]
    ) -> None:
        if name in builtin or name in contents:
            return
        if name not in files:
            raise NoProgramsHere(f"the kernel {self.image} has no module {name}")
        content = _UNPACK[files[name].suffix](files[name].read_bytes())
        found = _DEPENDS.search(content)
        for other in (found[1].decode() if found else "").split(","):
            if other:
                self._add(other.replace("-", "_"), files, builtin, contents)
        contents[name] = content


def find_kernel(folder: Path | None, root: Path = Path("/")) -> GuestKernel:
    """Return the newest kernel that is readable.

    Args:
        folder: Into which a package of a kernel was unpacked; None: this computer's own.
        root: Below which this computer's files are.

    Raises:
        NoProgramsHere: There is none.
    """
    base = root if folder is None else folder
    images = sorted((base / "boot").glob(f"{_PREFIX}*"), key=_version, reverse=True)
    for image in images:
        version = image.name.removeprefix(_PREFIX)
        places = (base / "lib/modules" / version, base / "usr/lib/modules" / version)
        modules = next((each for each in places if (each / "kernel").is_dir()), None)
        if modules is not None and _is_readable(image):
            return GuestKernel(image, modules)
    where = "in /boot with its modules" if folder is None else f"below {folder}"
    raise NoProgramsHere(f"there is no kernel {where} that this user may read")


def _version(image: Path) -> list[int]:
    return [int(each) for each in _NUMBERS.findall(image.name)]


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")
