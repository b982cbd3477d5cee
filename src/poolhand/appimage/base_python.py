"""Whether a base has a Python that it says nothing of: its layers are listed, and none is unpacked.

Docker's images of Python say their version; any other base may have one all the same, or none, and
then every task of the app would fail after it was paid. So the layers are looked through for the
program, the newest first, where that costs no more than a download of some size.
"""

from __future__ import annotations

import gzip
import tarfile
import threading
import zlib
from pathlib import Path
from typing import Final

from poolhand.appimage.archive import fetch_layer
from poolhand.appimage.base import LAYER_KIND, ZSTD_KIND, BaseImage, UnfitBase
from poolhand.appimage.pushing import TellStep
from poolhand.appimage.registry_api import RegistryApi
from poolhand.appimage.threads import in_thread
from poolhand.containers.slurm.layer_archive import BadLayer, LayerArchive, LayersTooLarge
from poolhand.domain.doctor.machine import show_bytes

MOST_LOOKED_THROUGH: Final = 2 * 1024**3
"""Bytes of a base, packed, that are fetched to look for a Python in them."""
MOST_UNPACKED_LAYER: Final = 16 * 1024**3
"""Bytes of one layer, as workers unpack no more of a whole image."""
_BROKEN: Final = (
    LayersTooLarge, tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError
)  # fmt: skip


async def demand_python(
    source: RegistryApi, base: BaseImage, version: str, folder: Path, told: TellStep
) -> None:
    """Refuse a base that surely has no Python of a version.

    Args:
        source: Has its layers.
        base: Says nothing of a Python.
        version: Such as ``3.12``.
        folder: For a layer at a time.
        told: Of what is fetched.

    Raises:
        UnfitBase: No layer has the program, or one is no archive.
        NoSuchImage, RegistryDown, FalseRegistry: A layer cannot be had.
    """
    if sum(each.size for each in base.layers) > MOST_LOOKED_THROUGH:
        told(f"base: taken to have Python {version}, which it does not say")
        return
    known = True
    for layer in reversed(base.layers):
        if layer.kind == ZSTD_KIND:
            known = False
            continue
        told(f"base: looking for Python {version} in {show_bytes(layer.size)}")
        path = await fetch_layer(source, layer, folder)
        try:
            packed = layer.kind == LAYER_KIND
            if await in_thread(lambda gone, p=path, z=packed: _has(p, z, version, gone)):  # type: ignore[misc]
                return
        except BadLayer as fault:
            raise UnfitBase(base.name, "a layer of it is no archive: name another") from fault
        finally:
            path.unlink(missing_ok=True)
    if known:
        raise UnfitBase(
            base.name,
            f"none of its layers has a program python{version}: name one that has (--from)",
        )


def _has(path: Path, packed: bool, version: str, abandoned: threading.Event) -> bool:
    """Whether a layer has the program of a Python, whatever lies over it."""
    wanted = f"bin/python{version}"
    try:
        with gzip.open(path) if packed else path.open("rb") as content:
            archive = LayerArchive(content, MOST_UNPACKED_LAYER, abandoned)  # type: ignore[arg-type]
            return any(f"/{each.name}".endswith(f"/{wanted}") for each in archive)
    except _BROKEN as fault:
        raise BadLayer(type(fault).__name__) from fault
