"""What a cluster of Kubernetes is told about one container: a Job of one pod, in its API's words.

Source: Kubernetes API reference, batch/v1 Job, core/v1 PodSpec, networking.k8s.io/v1 NetworkPolicy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.sandbox import MOST_VOLUMES, SHARED_MEMORY, SandboxTerms
from poolhand.containers.slurm.bundle import User
from poolhand.containers.working_folder import START_FOLDER
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerSpec, Mount

RUN_LABEL: Final = "poolhand/run"
ATTEMPT_LABEL: Final = "poolhand/attempt"
NAME_NOTE: Final = "poolhand/name"
LABELS_NOTE: Final = "poolhand/labels"
APP_LABEL: Final = "app.kubernetes.io/managed-by"
APP: Final = "app"
"""The name of a pod's one container."""
SILENT_SECONDS: Final = 30
"""Seconds that a pod stays on a node that is not heard of; then it is given up."""
SPARE_POD_SECONDS: Final = 3_600
"""Added to the cluster's own limit, which counts the pull, too: the worker keeps the real one."""
KEPT_LOG_BYTES: Final = 256 * 1024**2
"""More than a kubelet keeps by itself of what a pod prints (5 files of 10 MiB): whoever has more
is evicted, and an app may print as much as it likes."""
KEPT_JOB_SECONDS: Final = 7 * 24 * 3600
"""Seconds that the cluster keeps a finished job whose worker does not come back."""


@dataclass(frozen=True, slots=True)
class KubernetesPlace:
    """Where jobs run, and on what.

    Attributes:
        namespace: Of all that is made.
        claim: The volume claim by which pods see the shared folder.
        shared: Where this computer sees it.
        seccomp: A profile on the nodes, below the kubelet's folder; empty: the engine's usual one.
    """

    namespace: str
    claim: str
    shared: Path
    seccomp: str = ""


def run_id(name: str) -> str:
    """Return what stands for a container's name where only short plain words may stand."""
    return sha256(name.encode()).hexdigest()[:32]


def label_id(label: str) -> str:
    """Return the key of a label for ``key=value`` of a container."""
    return f"poolhand/l-{sha256(label.encode()).hexdigest()[:32]}"


def job_name(name: str, attempt: int) -> str:
    """Return what the job of an attempt is called."""
    return f"poolhand-{run_id(name)}-{attempt}"


def job_manifest(
    spec: ContainerSpec,
    terms: SandboxTerms,
    user: User,
    place: KubernetesPlace,
    attempt: int,
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return a Job.

    Args:
        spec: What to run.
        terms: Of its image.
        user: Whom it runs as.
        place: Where.
        attempt: The first is 1.
        without: Names of nodes on which it must not run.

    Raises:
        ContainerRefused: The image asks for what cannot be given.
    """
    labels = {
        APP_LABEL: "poolhand",
        RUN_LABEL: run_id(spec.name),
        ATTEMPT_LABEL: str(attempt),
        **{label_id(f"{key}={value}"): "" for key, value in spec.labels.items()},
    }
    notes = {NAME_NOTE: spec.name, LABELS_NOTE: json.dumps(dict(spec.labels), sort_keys=True)}
    described = {"labels": labels, "annotations": notes}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(spec.name, attempt), **described},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": KEPT_JOB_SECONDS,
            "template": {"metadata": described, "spec": _pod(spec, terms, user, place, without)},
        },
    }


def network_policy() -> dict[str, Any]:
    """Return what keeps every pod of ours off every network."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "poolhand-no-network", "labels": {APP_LABEL: "poolhand"}},
        "spec": {
            "podSelector": {"matchLabels": {APP_LABEL: "poolhand"}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def _pod(
    spec: ContainerSpec,
    terms: SandboxTerms,
    user: User,
    place: KubernetesPlace,
    without: tuple[str, ...],
) -> dict[str, Any]:
    volumes, mounts = _volumes(spec, terms, place)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # orphans are reaped, and the app is not process 1
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": int(spec.timeout) + SPARE_POD_SECONDS,
        "hostname": "task",
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "securityContext": {
            "runAsUser": user.uid,
            "runAsGroup": user.gid,
            "supplementalGroups": list(user.more),
            "seccompProfile": _seccomp(place),
        },
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{key}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": SILENT_SECONDS,
            }
            for key in ("not-ready", "unreachable")
        ],
        "containers": [_container(spec, terms, mounts)],
        "volumes": volumes,
    }
    if without:
        pod["affinity"] = {"nodeAffinity": _without(without)}
    return pod


def _without(nodes: tuple[str, ...]) -> dict[str, Any]:
    hostname = {"key": "metadata.name", "operator": "NotIn"}
    terms = [{"matchFields": [{**hostname, "values": [each]} for each in nodes]}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _seccomp(place: KubernetesPlace) -> dict[str, str]:
    if place.seccomp:
        return {"type": "Localhost", "localhostProfile": place.seccomp}
    return {"type": "RuntimeDefault"}


def _container(
    spec: ContainerSpec, terms: SandboxTerms, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    environment = dict(spec.environment)
    if terms.home is not None:
        environment.setdefault("HOME", terms.home)
    limits = spec.limits
    held = {
        "cpu": f"{int(limits.cpus * 1000)}m",
        "memory": str(limits.memory),
        "ephemeral-storage": str(KEPT_LOG_BYTES),
    }
    container: dict[str, Any] = {
        "name": APP,
        "image": spec.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": _literally(value)} for key, value in environment.items()],
        "resources": {"limits": held, "requests": held},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": "/dev/null",
        "volumeMounts": mounts,
    }
    if spec.command:
        container["args"] = [_literally(word) for word in spec.command]
    start = terms.start if spec.workplace else None
    if start is not None and start.target == START_FOLDER:
        container["workingDir"] = START_FOLDER
    return container


def _literally(word: str) -> str:
    """Keep ``$(NAME)`` and ``$$`` what they are: a variable's value, and ``$``, to the API."""
    return word.replace("$", "$$")


def _volumes(
    spec: ContainerSpec, terms: SandboxTerms, place: KubernetesPlace
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a pod's volumes, and where its container sees them."""
    binds = list(spec.mounts)
    start = terms.start if spec.workplace else None
    if start is not None and start.target is not None:
        binds.insert(0, Mount(spec.workplace, start.target, writable=True))
    taken = {each.target for each in binds}
    _check_volumes(spec, terms, taken)
    volumes: list[dict[str, Any]] = [
        {"name": "shared", "persistentVolumeClaim": {"claimName": place.claim}},
        _in_memory("shm", min(SHARED_MEMORY, spec.limits.tmp)),
    ]
    mounts = [
        {
            "name": "shared",
            "mountPath": each.target,
            "subPath": _below(spec, Path(each.source), place.shared),
            "readOnly": not each.writable,
        }
        for each in binds
    ]
    mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - inside
    for number, target in enumerate(("/tmp", *terms.volumes.in_memory)):  # noqa: S108 - inside
        if target not in taken:
            volumes.append(_in_memory(f"memory-{number}", spec.limits.tmp))
            mounts.append({"name": f"memory-{number}", "mountPath": target})
    return volumes, mounts


def _in_memory(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}


def _below(spec: ContainerSpec, folder: Path, shared: Path) -> str:
    if not folder.is_relative_to(shared):
        raise ContainerRefused(spec.name, f"{folder} is not on the cluster's shared folder")
    return str(folder.relative_to(shared))


def _check_volumes(spec: ContainerSpec, terms: SandboxTerms, taken: set[str]) -> None:
    if len(terms.volumes) > MOST_VOLUMES:
        raise ContainerRefused(spec.name, f"its image asks for more than {MOST_VOLUMES} volumes")
    hiding = [each for each in terms.volumes.with_program if each not in taken]
    if hiding:
        why = f"its image asks for a volume at {shown(hiding[0], 100)}, where its program is"
        raise ContainerRefused(spec.name, why)


def labels_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Return a job's labels as a container's; of a stranger's job there are none."""
    told = job["metadata"].get("annotations", {}).get(LABELS_NOTE, "{}")
    try:
        members = parse_json(told)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
