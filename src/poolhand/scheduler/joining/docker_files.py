"""The files from which anybody builds the images of this very version: no registry has them.

``make images`` lays them into a folder; a pool gives them in one archive, with a ``.env`` that has
its own address, so that whoever joins it by Docker downloads one thing.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from poolhand.scheduler.joining.own_files import (
    file_text,
    pinned_requirements,
    worker_packages,
)
from poolhand.scheduler.joining.own_wheel import OwnWheel, own_wheel

if TYPE_CHECKING:
    from poolhand.scheduler.joining.join_files import JoinPlace

DOCKER_PATH: Final = "/join/docker.tar.gz"
DOCKER_FOLDER: Final = "poolhand-worker"
"""In which the files of the archive lie."""
BUILDING: Final = ("Dockerfile", "compose.yaml")


_PLAIN: Final = ":/?&=%@+,;~[]"
"""Of a URL, beside letters and digits: neither Compose nor ``docker run`` reads more into it."""


def docker_files(wheel: OwnWheel | None = None) -> Mapping[str, bytes]:
    """Return the files that a build needs, by name.

    Args:
        wheel: Of this program, where it is at hand.

    Raises:
        NoOwnWheel: This program has no wheel to give.
    """
    wheel = wheel or own_wheel()
    return {
        **{name: file_text(name).encode() for name in BUILDING},
        "requirements.txt": pinned_requirements(wheel, worker_packages()),
        wheel.name: wheel.content,
    }


class _DockerFile(tarfile.TarInfo):
    """A file of the archive, of ``size`` bytes; when and by whom it was written is not told."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__(f"{DOCKER_FOLDER}/{name}")
        self.size, self.mode = size, 0o644


def docker_archive(place: JoinPlace, wheel: OwnWheel) -> bytes:
    """Return the archive of a pool: the same files give the same bytes."""
    members = {**docker_files(wheel), ".env": environment(place).encode()}
    written = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=written, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in members.items():
            archive.addfile(_DockerFile(name, len(content)), io.BytesIO(content))
    return written.getvalue()


def environment(place: JoinPlace) -> str:
    """Return the settings by which a worker joins a pool, as Compose reads them."""
    chain = place.public_chain
    told = {"IEXEC_CORE_URL": place.url, "POOL_ADDRESS": str(place.workerpool)}
    if chain is not None:
        told["POOLHAND_CHAIN"] = chain
    else:
        told |= {
            "POOLHAND_HUB": str(place.hub),
            "POOLHAND_CHAIN_ID": str(place.chain_id),
            "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": place.rpc,
        }
    return "".join(f"{key}={quote(value, safe=_PLAIN)}\n" for key, value in told.items())
