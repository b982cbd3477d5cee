"""Which of this computer's GPUs tasks are given."""

from __future__ import annotations

from typing import Final

from poolhand.domain.gpu import ALL_GPUS
from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.settings.load import BadSetting, Option, Settings, flag, words

GPU_OPTIONS: Final[tuple[Option, ...]] = (
    Option("gpu", "IEXEC_WORKER_GPU_ENABLED", flag, "false",
           "take tasks that need a GPU, and give each of them one: all GPUs of this computer"),
    Option("gpus", "POOLHAND_GPUS", words, "",
           "which GPUs, where not all: their numbers or names as `poolhand worker doctor` lists "
           "them, separated by commas; all: as --gpu"),
)  # fmt: skip


def gpus_wanted(found: Settings) -> tuple[str, ...]:
    """Return the GPUs that the operator names: ``--gpus`` says more than ``--gpu``."""
    named: tuple[str, ...] = found["gpus"]
    return named or ((ALL_GPUS,) if found["gpu"] else ())


def worker_gpu_names(found: Settings, *, is_here: bool) -> tuple[str, ...]:
    """Return the GPUs that the operator names.

    Args:
        found: The worker's settings.
        is_here: Whether apps run on this computer's own engine.

    Raises:
        BadSetting: Nothing could give an app one: another computer's engine, gVisor, or
            a virtual machine.
    """
    wanted = gpus_wanted(found)
    why, key = "", "gpus" if found["gpus"] else "gpu"
    if not is_here:
        why = f"the engine is another computer's ({found['docker']}), whose GPUs nobody sees here"
    elif found["sandbox"] in (SandboxLevel.GVISOR, SandboxLevel.VM):
        where = "gVisor" if found["sandbox"] == SandboxLevel.GVISOR else "virtual machines"
        why = f"apps in {where} are given no GPU: use --sandbox auto or runc"
    if wanted and why:
        raise BadSetting(f"{key} ({found.origin(key)}): {why}")
    return wanted
