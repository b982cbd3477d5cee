"""What is to be seen of a cluster of Kubernetes from here, for the doctor; nothing is changed."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Final

import httpx

from poolhand.containers.kubernetes.api import KubernetesApi
from poolhand.containers.kubernetes.engine import cpus_of
from poolhand.containers.kubernetes.manifest import KubernetesPlace
from poolhand.containers.slurm.images import platform_of_machine
from poolhand.domain.doctor.engine import KUBERNETES, EngineFacts
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown

NEEDED: Final = (
    ("batch", "jobs", "create"), ("batch", "jobs", "list"), ("batch", "jobs", "delete"),
    ("", "pods", "list"), ("", "pods", "delete"), ("", "pods/log", "get"),
    ("networking.k8s.io", "networkpolicies", "create"),
)  # fmt: skip
"""What a worker's role must allow: API group, resource, verb."""


async def look_at_kubernetes(http: httpx.AsyncClient, place: KubernetesPlace) -> EngineFacts:
    """Ask a cluster what it is, and whether this worker may use it.

    Args:
        http: Speaks to its API as this worker.
        place: Where jobs are to run.

    Raises:
        RuntimeDown: It cannot be used from here; the message says what is missing.
    """
    api = KubernetesApi(http, place.namespace)
    version = await api.version()
    for group, resource, verb in NEEDED:
        if not await api.may(group, resource, verb):
            raise RuntimeDown(
                f"this worker may not {verb} {resource} in namespace {place.namespace}: have the "
                "cluster's operator bind it to a role that allows it"
            )
    if not await api.has_claim(place.claim):
        raise RuntimeDown(
            f"namespace {place.namespace} has no volume claim {place.claim}: name another one "
            "(--kubernetes-claim), or have one made that many nodes may write (ReadWriteMany)"
        )
    if shutil.which("skopeo") is None:
        raise RuntimeDown(
            "skopeo, which looks images through, is not installed here: apt install skopeo, or the "
            "package of that name of your system"
        )
    nearest = next(each for each in (place.shared, *place.shared.parents) if each.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RuntimeDown(
            f"the cluster's shared folder {place.shared} cannot be written: let this user write "
            "there, or name another one (--kubernetes-shared)"
        )
    nodes = await api.nodes()
    found = "its nodes may not be seen"
    if nodes is not None:
        cpus = sum(cpus_of(each["status"]["allocatable"]["cpu"]) for each in nodes)
        found = f"{len(nodes)} nodes with {cpus:g} processors"
    return EngineFacts(
        name=KUBERNETES,
        version=shown(version.removeprefix("v"), 80),
        platform=platform_of_machine(platform.machine()),
        room=shutil.disk_usage(nearest).free,
        found=found,
    )
