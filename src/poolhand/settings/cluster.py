"""What a worker's operator says of the cluster on which it computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings

ENGINE_KINDS: Final = ("docker", "slurm", "kubernetes")
SBATCH_OPTIONS: Final = frozenset(
    {
        "constraint", "exclude", "gres", "licenses", "nice", "nodelist", "prefer", "priority",
        "qos", "reservation", "wckey",
    }
)  # fmt: skip
"""Options of sbatch that say where a job runs, and none that says what or as whom."""
_ODD_IN_JOBS: Final = ("'", "%", "\\", "\n")
"""Signs that mean something else in the script of a job, or in the name of its output."""
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_CONTEXT: Final = re.compile(r"[A-Za-z0-9_.:/@-]{0,253}")
_PROFILE: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.][A-Za-z0-9_./-]{0,250}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,:@+*&|\[\]-]{1,256}")


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """A cluster of Kubernetes.

    Attributes:
        shared: Where this machine sees the folder that all pods see.
        claim: The volume claim by which pods see it.
        namespace: Of all that is made.
        context: Of kubectl's configuration; empty: the current one, or that of this pod.
        seccomp: A profile below the kubelets' folder on the nodes; empty: the engine's usual one.
    """

    shared: Path
    claim: str
    namespace: str
    context: str
    seccomp: str


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """A Slurm cluster.

    Attributes:
        shared: A folder that this machine and all nodes see under the same name.
        partition, account: Of the jobs; empty: the cluster's own choice.
        options: More of sbatch's, each as one word.
    """

    shared: Path
    partition: str
    account: str
    options: tuple[str, ...]


def engine_kind(text: str) -> str:
    """Read which engine computes."""
    word = text.strip().lower()
    if word not in ENGINE_KINDS:
        raise ValueError(f"it must be one of {', '.join(ENGINE_KINDS)}")
    return word


def _word(text: str) -> str:
    if text and not _WORD.fullmatch(text):
        raise ValueError("letters, digits, '_', '.', '-' only")
    return text


def _resource(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a name as Kubernetes has them: small letters, digits, '-', '.'")
    return text


def _context(text: str) -> str:
    if not _CONTEXT.fullmatch(text) or text.startswith("-"):
        raise ValueError("a context as `kubectl config get-contexts` shows it")
    return text


def _profile(text: str) -> str:
    if text and not _PROFILE.fullmatch(text):
        raise ValueError("a path below the kubelets' folder of profiles, as poolhand/app.json")
    return text


def job_options(text: str) -> tuple[str, ...]:
    """Read ``qos=low constraint=avx2`` as options of sbatch."""
    words = []
    for each in text.split():
        name, sign, value = each.removeprefix("--").partition("=")
        if name not in SBATCH_OPTIONS or not sign or not _VALUE.fullmatch(value):
            known = ", ".join(sorted(SBATCH_OPTIONS))
            raise ValueError(f"{each!r}: each must be NAME=VALUE with a name of {known}")
        words.append(f"--{name}={value}")
    return tuple(words)


CLUSTER_OPTIONS: Final[tuple[Option, ...]] = (
    Option("engine", "POOLHAND_ENGINE", engine_kind, "docker",
           "what runs apps: docker (this computer's engine), or a cluster: slurm, kubernetes"),
    Option("slurm-shared", "POOLHAND_SLURM_SHARED", str, "",
           "with slurm: a folder that this computer and all nodes see under the same name, for "
           "images and the files of tasks"),
    Option("slurm-partition", "POOLHAND_SLURM_PARTITION", _word, "",
           "with slurm: the partition of the jobs; empty: the cluster's own choice"),
    Option("slurm-account", "POOLHAND_SLURM_ACCOUNT", _word, "",
           "with slurm: the account that the jobs are charged to; empty: the user's own"),
    Option("slurm-options", "POOLHAND_SLURM_OPTIONS", job_options, "",
           "with slurm: where else jobs may run, as qos=low constraint=avx2, separated by spaces"),
    Option("kubernetes-shared", "POOLHAND_KUBERNETES_SHARED", str, "",
           "with kubernetes: where this computer sees the volume that all pods see"),
    Option("kubernetes-claim", "POOLHAND_KUBERNETES_CLAIM", _resource, "poolhand",
           "with kubernetes: the volume claim (ReadWriteMany) by which pods see it"),
    Option("kubernetes-namespace", "POOLHAND_KUBERNETES_NAMESPACE", _resource, "poolhand",
           "with kubernetes: the namespace of the jobs and of the claim"),
    Option("kubernetes-context", "POOLHAND_KUBERNETES_CONTEXT", _context, "",
           "with kubernetes: a context of kubectl's; empty: the current one, or that of this pod"),
    Option("kubernetes-seccomp", "POOLHAND_KUBERNETES_SECCOMP", _profile, "",
           "with kubernetes: a seccomp profile on the nodes, as poolhand/app.json; empty: the one "
           "of their engine"),
)  # fmt: skip

_NO_GPU: Final = "apps on a cluster are given no GPU"

ClusterSettings: TypeAlias = SlurmSettings | KubernetesSettings
"""Of a cluster of either kind; both name a folder that is ``shared``."""


def cluster_settings(found: Settings) -> ClusterSettings | None:
    """Return the cluster; None where this computer's own engine computes.

    Raises:
        BadSetting: It lacks its shared folder, or is asked for what it cannot give.
    """
    kind = found["engine"]
    if kind == "docker":
        return None
    runtime = "runc" if kind == "slurm" else "what its nodes have"
    for key, is_asked, why in (
        ("allow-network", found["allow-network"], "apps on a cluster have no network"),
        ("network-hosts", found["network-hosts"], "apps on a cluster have no network"),
        ("gpu", found["gpu"], _NO_GPU),
        ("gpus", bool(found["gpus"]), _NO_GPU),
        (
            "sandbox",
            found["sandbox"] in (SandboxLevel.GVISOR, SandboxLevel.VM),
            f"apps on a cluster run by {runtime}",
        ),
    ):
        if is_asked:
            raise BadSetting(
                f"{key} ({found.origin(key)}): {why}: leave it out with --engine {kind}"
            )
    shared = _shared(found, kind)
    if kind == "slurm":
        return SlurmSettings(
            shared, found["slurm-partition"], found["slurm-account"], found["slurm-options"]
        )
    return KubernetesSettings(
        shared,
        found["kubernetes-claim"],
        found["kubernetes-namespace"],
        found["kubernetes-context"],
        found["kubernetes-seccomp"],
    )


def _shared(found: Settings, kind: str) -> Path:
    key = f"{kind}-shared"
    if not found[key]:
        raise BadSetting(
            "a cluster needs a folder that all nodes see: set "
            f"POOLHAND_{kind.upper()}_SHARED or give --{key}"
        )
    shared = at_home(found[key])
    if not shared.is_absolute() or any(each in str(shared) for each in _ODD_IN_JOBS):
        raise BadSetting(
            f"{key} ({found.origin(key)}): give an absolute path without quotes, %, backslashes "
            "and line ends"
        )
    return shared
