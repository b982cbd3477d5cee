"""What the API tells of a pod, read for its run: where it stands, and how it ended.

Source: Kubernetes API reference, core/v1 PodStatus; kubelet, images/types.go, container
reasons, eviction/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from poolhand.domain.text import shown

_PULLS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull"}
)
_REFUSED: Final = frozenset(
    {
        "InvalidImageName", "ImageInspectError", "CreateContainerConfigError",
        "CreateContainerError", "RunContainerError",
    }
)  # fmt: skip
_NEVER_STARTED: Final = frozenset({"ContainerCannotRun", "StartError", "ContainerStatusUnknown"})
_LOST: Final = frozenset(
    {
        "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Evicted", "Preempting",
        "NodeAffinity", "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods",
    }
)  # fmt: skip
_OWN_EXCESS: Final = (
    "exceeded its local ephemeral storage limit", "ephemeral local storage usage exceeds",
    "usage of emptydir volume",
)  # fmt: skip
"""Words of a kubelet's about a pod that it evicts for what the pod itself did."""
_LONGEST_REASON: Final = 300


class PodState(Enum):
    """What a pod's status means for a run."""

    WAITING = "waiting"
    UNSCHEDULABLE = "unschedulable"
    PULL_FAILS = "pull fails"
    REFUSED = "refused"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as far as a run is concerned.

    Attributes:
        name: Its own.
        attempt: Whose it is, of its run.
        node: Where; empty while it waits.
        state: What its status means.
        why: The cluster's words.
        exit_code: Once it has ended.
        out_of_memory: Whether the kernel ended it because memory ran short.
        began: Unix seconds at which its container started; 0: it has not.
        ended: Unix seconds at which it ended; 0: it has not.
    """

    name: str
    attempt: int
    node: str
    state: PodState
    why: str = ""
    exit_code: int = 0
    out_of_memory: bool = False
    began: float = 0.0
    ended: float = 0.0


def read_pod(told: Mapping[str, Any], attempt_label: str) -> Pod:
    """Read a pod as the API tells of it."""
    metadata, status = told["metadata"], told.get("status") or {}
    node = (told.get("spec") or {}).get("nodeName") or ""
    number = str((metadata.get("labels") or {}).get(attempt_label, ""))
    own = metadata["name"], int(number) if number.isdecimal() else 0, node
    of_container: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    state = of_container.get("state") or {}
    ended = state.get("terminated")
    if ended is not None and ended.get("reason") not in _NEVER_STARTED:
        return Pod(
            *own,
            PodState.ENDED,
            str(ended.get("reason") or ""),
            int(ended["exitCode"]),
            ended.get("reason") == "OOMKilled",
            seconds_of(ended.get("startedAt")),
            seconds_of(ended.get("finishedAt")),
        )
    if status.get("reason") == "Evicted" and _took_too_much(status):
        return Pod(*own, PodState.REFUSED, _words(status))
    if _is_lost(metadata, status):
        return Pod(*own, PodState.LOST, _words(status))
    if ended is not None:
        return Pod(*own, PodState.REFUSED, _words(ended))
    if state.get("running") is not None:
        began = seconds_of(state["running"].get("startedAt"))
        return Pod(*own, PodState.RUNNING, began=began)
    return Pod(*own, *_waiting(status, state.get("waiting") or {}))


def _took_too_much(status: Mapping[str, Any]) -> bool:
    words = str(status.get("message") or "").lower()
    return any(each in words for each in _OWN_EXCESS)


def _is_lost(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    disrupted = any(
        each.get("type") == "DisruptionTarget" and each.get("status") == "True"
        for each in status.get("conditions") or ()
    )
    gone = metadata.get("deletionTimestamp") is not None
    return gone or disrupted or status.get("reason") in _LOST or status.get("phase") == "Unknown"


def _waiting(status: Mapping[str, Any], waiting: Mapping[str, Any]) -> tuple[PodState, str]:
    reason = waiting.get("reason")
    if reason in _PULLS:
        return PodState.PULL_FAILS, _words(waiting)
    if reason in _REFUSED:
        return PodState.REFUSED, _words(waiting)
    for each in status.get("conditions") or ():
        is_scheduled = each.get("status") != "False"
        if each.get("type") == "PodScheduled" and not is_scheduled:
            return PodState.UNSCHEDULABLE, _words(each)
    if status.get("phase") == "Failed":
        return PodState.LOST, _words(status)
    return PodState.WAITING, _words(waiting)


def _words(members: Mapping[str, Any]) -> str:
    told = (members.get("reason"), members.get("message"))
    return shown(": ".join(str(each) for each in told if each), _LONGEST_REASON)


def seconds_of(stamp: object) -> float:
    """Read a time of the API's as Unix seconds; 0 for none."""
    if not isinstance(stamp, str):
        return 0.0
    return datetime.fromisoformat(stamp).timestamp()
