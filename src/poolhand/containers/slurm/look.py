"""What is to be seen of a cluster from the worker's machine, for the doctor; nothing is changed."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from poolhand.containers.slurm.client import Place, SlurmClient
from poolhand.containers.slurm.images import platform_of_machine
from poolhand.containers.slurm.shared_files import find_init
from poolhand.domain.doctor.engine import SLURM, EngineFacts
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown


async def look_at_cluster(shared: Path, place: Place) -> EngineFacts:
    """Ask a cluster what it is.

    Args:
        shared: The folder that all nodes see.
        place: Where jobs go.

    Raises:
        RuntimeDown: It cannot be used from here; the message says what is missing.
    """
    client = SlurmClient(place)
    version = await client.version()
    room = await client.room()
    if not room.nodes:
        raise RuntimeDown(
            f"partition {place.partition or '(the usual one)'} has no node that is up: name "
            "another one (--slurm-partition), or ask the cluster's operator (sinfo shows them)"
        )
    if shutil.which("skopeo") is None:
        raise RuntimeDown(
            "skopeo, which fetches images, is not installed here: apt install skopeo, or the "
            "package of that name of your system"
        )
    find_init()
    nearest = next(each for each in (shared, *shared.parents) if each.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RuntimeDown(
            f"the cluster's shared folder {shared} cannot be written: let this user write there, "
            "or name another one (--slurm-shared)"
        )
    return EngineFacts(
        name=SLURM,
        version=shown(version, 80),
        platform=platform_of_machine(platform.machine()),
        room=shutil.disk_usage(nearest).free,
        found=f"{room.nodes} nodes with {room.processors} processors, {room.free} of them free",
    )
