"""What a worker's operator says of the Slurm cluster on which it computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings

ENGINE_KINDS: Final = ("docker", "slurm")
SBATCH_OPTIONS: Final = frozenset(
    {
        "clusters", "constraint", "exclude", "gres", "licenses", "nice", "nodelist", "prefer",
        "priority", "qos", "reservation", "wckey",
    }
)  # fmt: skip
"""Options of sbatch that say where a job runs, and none that says what or as whom."""
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,:@+*&|\[\]-]{1,256}")


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """A cluster.

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
           "what runs apps: docker (this computer's engine) or slurm (the nodes of a cluster)"),
    Option("slurm-shared", "POOLHAND_SLURM_SHARED", str, "",
           "with slurm: a folder that this computer and all nodes see under the same name, for "
           "images and the files of tasks"),
    Option("slurm-partition", "POOLHAND_SLURM_PARTITION", _word, "",
           "with slurm: the partition of the jobs; empty: the cluster's own choice"),
    Option("slurm-account", "POOLHAND_SLURM_ACCOUNT", _word, "",
           "with slurm: the account that the jobs are charged to; empty: the user's own"),
    Option("slurm-options", "POOLHAND_SLURM_OPTIONS", job_options, "",
           "with slurm: where else jobs may run, as qos=low constraint=avx2, separated by spaces"),
)  # fmt: skip


def cluster_settings(found: Settings) -> ClusterSettings | None:
    """Return the cluster; None where this computer's own engine computes.

    Raises:
        BadSetting: It lacks its shared folder, or is asked for what it cannot give.
    """
    if found["engine"] != "slurm":
        return None
    if not found["slurm-shared"]:
        raise BadSetting(
            "a cluster needs a folder that all nodes see: set POOLHAND_SLURM_SHARED or give "
            "--slurm-shared"
        )
    shared = at_home(found["slurm-shared"])
    if not shared.is_absolute() or "'" in str(shared):
        raise BadSetting(
            f"slurm-shared ({found.origin('slurm-shared')}): give an absolute path without quotes"
        )
    for key, is_asked, why in (
        ("allow-network", found["allow-network"], "apps on a cluster have no network"),
        ("gpu", found["gpu"], "apps on a cluster are given no GPU yet"),
        ("sandbox", found["sandbox"] == SandboxLevel.GVISOR, "apps on a cluster run by runc"),
    ):
        if is_asked:
            raise BadSetting(
                f"{key} ({found.origin(key)}): {why}: leave it out with --engine slurm"
            )
    return ClusterSettings(
        shared, found["slurm-partition"], found["slurm-account"], found["slurm-options"]
    )
