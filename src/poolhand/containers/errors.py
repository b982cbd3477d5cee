"""What can go wrong with images and containers, and who fixes it.

Their messages travel: over pool and chain to whoever bought the task. So none carries the words of
an engine or a registry.
"""

from __future__ import annotations

from collections.abc import Mapping

from poolhand.containers.pull_causes import PullCause
from poolhand.domain.errors import Refused, RuntimeDown, Unavailable
from poolhand.ports.runtime import ContainerSpec


class ImageNotFound(Refused):
    """No registry holds the image, or its name is none; whoever deployed the app must act."""

    def __init__(self, image: str, why: str) -> None:
        super().__init__(
            f"image {image} cannot be found ({why}): the app's owner must push it and deploy the "
            "app again with the right name and digest"
        )
        self.image = image


class ImageUnusable(Refused):
    """The image is there, and will never run here as it is."""

    def __init__(self, image: str, cause: PullCause, platform: str, found: str = "") -> None:
        instead = f" but for {found}" if found else ""
        super().__init__(
            f"image {image} cannot be used ({cause.happened}, {platform}{instead}): "
            f"{cause.advice(platform)}"
            if cause is PullCause.PLATFORM
            else f"image {image} cannot be used ({cause.happened}): {cause.advice(platform)}"
        )
        self.image, self.cause = image, cause


class ImagePullFailed(Unavailable):
    """The registry did not deliver; the image may well exist."""

    def __init__(self, image: str, cause: PullCause, platform: str) -> None:
        super().__init__(
            f"image {image} could not be pulled ({cause.happened}): {cause.advice(platform)}"
        )
        self.image, self.cause = image, cause


class ContainerRefused(Refused):
    """The engine would not create or start the container."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"container {name} was not started ({why}): correct the image, its command or the "
            "worker's limits"
        )
        self.name = name


class DiskUnready(RuntimeDown):
    """A disk for an app could not be made or filled: the worker's is full or broken.

    Nothing of that is the app's, so whoever runs it tries again, as with an engine that is away.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"container {name} was not started ({why}): free some space on the worker's disk, or "
            "repair it; the worker tries again by itself"
        )


class SandboxUnready(RuntimeDown):
    """The engine runs nothing in the sandbox that the operator wants; it may have done so before.

    Nothing of that is the app's, so whoever runs it tries again, as with an engine that is away.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"container {name} was not started (its sandbox does not work: {why}): let `poolhand "
            "worker doctor` say how to repair it; the worker tries again by itself"
        )


class SidecarUnready(RuntimeDown):
    """The container by which an app is to reach hosts does not work; the operator repairs it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"container {name} is to reach hosts by a second one, which did not come up ({why}): "
            "see that the engine has the image of --network-image, and that this has Python 3.8 or "
            "newer as python3"
        )
        self.why = why


class GpuUnready(RuntimeDown):
    """A GPU of this computer cannot be given to a container; another time it could be.

    Nothing of that is the app's, so whoever runs it tries again, as with an engine that is away.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"container {name} was not started (it gets no GPU: {why}): let `poolhand worker "
            "doctor` say how to repair it; the worker tries again by itself"
        )


class EngineFull(RuntimeDown):
    """The engine's own disk has no room for an image; that is neither the app's nor its owner's."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"image {image} could not be pulled (the engine's disk is full): free some space on "
            "it, as with docker system prune; the worker goes on by itself"
        )


def check_owner(spec: ContainerSpec, labels: Mapping[str, str]) -> None:
    """Refuse a container of another's that has the name of a run; ``labels`` are the container's.

    Raises:
        ContainerRefused: It lacks labels that the run gives.
    """
    if any(labels.get(key) != value for key, value in spec.labels.items()):
        raise ContainerRefused(spec.name, "somebody else's container has this name: rename it")


class ContainerRemoved(Unavailable):
    """Somebody removed the container while it ran; its outcome is lost."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"container {name} was removed while it ran: leave the worker's containers alone, "
            "then run the task again"
        )
        self.name = name


class NoNodeFree(Unavailable):
    """A cluster had no room for a job in time; neither the app's fault nor its owner's."""

    def __init__(self, name: str, waited: float) -> None:
        super().__init__(
            f"container {name} was not started (it waited {waited:.0f} s in the cluster's queue): "
            "the worker's operator must give it a partition with more room, or fewer tasks at once"
        )
        self.name = name
