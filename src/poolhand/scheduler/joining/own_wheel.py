"""The wheel of the very program that runs, made of its own installed files.

An installation keeps what a wheel is made of: the package, and what the wheel said of itself. The
same files give the same bytes, whether they were installed from a wheel or stand in a checkout
(ADR 0078).
"""

from __future__ import annotations

import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from stat import S_IFREG
from typing import Final

import poolhand
from poolhand.domain.errors import Unavailable

WHEEL_NAME: Final = f"poolhand-{poolhand.__version__}-py3-none-any.whl"
"""As installers want it."""
_INFO: Final = f"poolhand-{poolhand.__version__}.dist-info"
_WHEEL: Final = (
    "Wheel-Version: 1.0\nGenerator: poolhand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that an archive can tell: when a file was written is nobody's business."""
_LEFT_OUT: Final = ("__pycache__",)


class NoOwnWheel(Unavailable):
    """The program's own files are not those that it was started from."""


@dataclass(frozen=True, slots=True)
class OwnWheel:
    """A wheel: the name that installers want, and its bytes."""

    name: str
    content: bytes


def own_wheel() -> OwnWheel:
    """Make the wheel of this program; it takes half a second, and the same bytes come each time.

    Raises:
        NoOwnWheel: Another version was installed since the program was started, or it runs from a
            folder that was never installed.
    """
    members = dict(_package(Path(poolhand.__file__).parent)) | _information(_installed())
    record = f"{_INFO}/RECORD"
    lines = [f"{name},sha256={_digest(body)},{len(body)}" for name, body in members.items()]
    members[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    return OwnWheel(WHEEL_NAME, _zipped(members))


def _package(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        below = path.relative_to(root.parent)
        if path.is_file() and not any(each in _LEFT_OUT for each in below.parts):
            yield below.as_posix(), path.read_bytes()


def _installed() -> Distribution:
    try:
        found = distribution("poolhand")
    except PackageNotFoundError as fault:
        raise NoOwnWheel(
            "this pool's program was never installed, so it has no wheel to give to workers: its "
            "owner must install it with pip and start it again"
        ) from fault
    if found.version != poolhand.__version__:
        raise NoOwnWheel(
            f"this pool runs version {poolhand.__version__} and {found.version} was installed "
            "since: its owner must start it again, then workers can join"
        )
    return found


def _information(installed: Distribution) -> dict[str, bytes]:
    """Return what the wheel says of itself, in the order of names."""
    texts: dict[str, str | None] = {"WHEEL": _WHEEL}
    licences = [f"licenses/{each}" for each in installed.metadata.get_all("License-File") or ()]
    for name in ("METADATA", "entry_points.txt", *licences):
        texts[name] = installed.read_text(name)
    return {f"{_INFO}/{name}": text.encode() for name, text in sorted(texts.items()) if text}


def _digest(body: bytes) -> str:
    return urlsafe_b64encode(sha256(body).digest()).rstrip(b"=").decode()


class _Member(zipfile.ZipInfo):
    """A file of the archive: nothing is told of when, where and by whom it was written."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _MOMENT)
        self.compress_type, self.create_system = zipfile.ZIP_DEFLATED, 3
        self.external_attr = (S_IFREG | 0o644) << 16


def _zipped(members: Mapping[str, bytes]) -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, body in members.items():
            archive.writestr(_Member(name), body)
    return written.getvalue()
