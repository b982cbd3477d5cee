"""What a virtual machine is told, and what the engine is told of the container around it.

The container is kept as apps' containers are: no network, no capability, our filter of system
calls, the user whom the app would have. In it is QEMU alone; the app's image is a disk of the
machine, and its folders are shared by 9p, so that files are the app's own user's on both sides.

Source: QEMU 7.2, ``qemu-system-x86_64 -help``, docs/system/invocation.rst; Linux, 9p.rst.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from poolhand.containers.gpus import HIDDEN
from poolhand.containers.sandbox import (
    OOM_SCORE,
    OPEN_FILES,
    SHARED_MEMORY,
    TMP_FILES,
    SandboxTerms,
    container_config,
)
from poolhand.containers.slurm.bundle import (
    MASKED_INSIDE,
    User,
    environment_inside,
    refuse_hiding_volumes,
    words_inside,
)
from poolhand.containers.vm.launcher import CONSOLE_FD, CONTROL_FD, PLAN, REPORT
from poolhand.containers.vm.programs import FIRMWARE_INSIDE, QEMU
from poolhand.containers.vm.tools import INITRD_INSIDE, KERNEL_INSIDE, LAUNCHER_WORDS
from poolhand.containers.working_folder import START_FOLDER, Start
from poolhand.domain.sandbox_level import Sandbox, VmProcessor
from poolhand.domain.units import MIB
from poolhand.ports.runtime import ContainerSpec, Mount

ROOT_INSIDE: Final = "/vm-run/root"
"""The disk of the app's image, in the container."""
GUEST_MEMORY: Final = 160 * MIB
"""Of a machine besides its app's: for the kernel, its first files, the first program."""
TABLES: Final = 32
"""A machine's memory has tables that take this part of it."""
BOOT_SECONDS: Final = {VmProcessor.KVM: 30.0, VmProcessor.TCG: 300.0}
"""In which a machine must have started its app."""
VM_LABEL: Final = "poolhand.vm"
"""Label of a container with a virtual machine in it."""
_CPU: Final = {VmProcessor.KVM: "host", VmProcessor.TCG: "max"}
_COMPUTED_BY: Final = {VmProcessor.KVM: "kvm", VmProcessor.TCG: "tcg,tb-size=64"}
_KERNEL_WORDS: Final = (
    "console=ttyS0 quiet loglevel=3 panic=-1 reboot=t no_timer_check random.trust_cpu=on "
    "mitigations=off -- -I -S /start.py"
)
_REFUSED: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
KVM_DEVICE: Final = "/dev/kvm"


class ShareCache(StrEnum):
    """What a machine keeps of a shared folder: of what may change, no more than a mapping needs."""

    NONE = "none"
    MAPPED = "mmap"


@dataclass(frozen=True, slots=True)
class VmGround:
    """What a machine stands on.

    Attributes:
        tools: Image of its container.
        vm_processor: Of its processor.
        user: Whom its app, and QEMU itself, run as.
        run: Folder with the files ``plan`` and ``report`` of this run.
        root: The disk of the app's image; None: a trial without one.
        kvm_group: Group of the device for KVM.
    """

    tools: str
    vm_processor: VmProcessor
    user: User
    run: Path
    root: Path | None
    kvm_group: int = 0


def shares_of(spec: ContainerSpec, terms: SandboxTerms) -> tuple[Mount, ...]:
    """Return the folders that a machine shares with this computer."""
    start = terms.start if spec.workplace else None
    mounts = list(spec.mounts)
    if start is not None and start.target is not None:
        mounts.insert(0, Mount(spec.workplace, start.target, writable=True))
    return tuple(mounts)


def machine_plan(
    spec: ContainerSpec, image: Mapping[str, Any], terms: SandboxTerms, ground: VmGround
) -> dict[str, Any]:
    """Return what the launcher is told.

    Args:
        spec: What to run.
        image: As the engine tells of images.
        terms: Of this image.
        ground: What it stands on.

    Raises:
        ContainerRefused: The image asks for what cannot be given.
    """
    shares = shares_of(spec, terms)
    refuse_hiding_volumes(spec, terms, {each.target for each in shares})
    return {
        "qemu": _qemu(spec, ground, shares),
        "task": _task(spec, image, terms, ground, shares),
        "boot_seconds": BOOT_SECONDS[ground.vm_processor],
    }


def trial_plan(spec: ContainerSpec, ground: VmGround) -> dict[str, Any]:
    """Return the plan of a machine that starts, runs Python's own empty program, and ends."""
    image = {"Config": {"Entrypoint": list(LAUNCHER_WORDS[:3]), "Cmd": ["-c", ""]}}
    terms = SandboxTerms("", "/")
    return {
        "qemu": _qemu(spec, ground, ()),
        "task": {**_task(spec, image, terms, ground, ()), "is_trial": True},
        "boot_seconds": BOOT_SECONDS[ground.vm_processor],
    }


def _task(
    spec: ContainerSpec,
    image: Mapping[str, Any],
    terms: SandboxTerms,
    ground: VmGround,
    shares: Sequence[Mount],
) -> dict[str, Any]:
    config, limits, user = image.get("Config") or {}, spec.limits, ground.user
    start = terms.start if spec.workplace else None
    is_moved = start is not None and start.target == START_FOLDER
    taken = {each.target for each in shares}
    environment = environment_inside(spec, config, terms)
    hidden = [f"{key}={value}" for key, value in HIDDEN.items()]
    largest = max(limits.output, limits.tmp, limits.work) + 1
    return {
        "is_trial": False,
        "words": words_inside(spec, config),
        "environment": dict(each.partition("=")[::2] for each in (*environment, *hidden)),
        "folder": START_FOLDER if is_moved else Start.of(dict(image)).folder,
        "uid": user.uid,
        "gid": user.gid,
        "groups": list(user.more),
        "memory.max": limits.memory,
        "pids.max": limits.pids,
        "oom_score": OOM_SCORE,
        "shared_memory": min(SHARED_MEMORY, limits.tmp),
        "limits": {"NOFILE": OPEN_FILES, "CORE": 0, "FSIZE": largest},
        "masked": list(MASKED_INSIDE),
        "memory_folders": [
            {"target": each, "bytes": limits.tmp, "files": TMP_FILES}
            for each in ("/tmp", *terms.volumes.in_memory)  # noqa: S108 - inside
            if each not in taken
        ],
        "shares": [
            {
                "tag": _tag(number),
                "target": each.target,
                "writable": each.writable,
                "cache": ShareCache.MAPPED if each.writable else ShareCache.NONE,
            }
            for number, each in enumerate(shares)
        ],
    }


def _tag(number: int) -> str:
    return f"share{number}"


def machine_memory(app: int) -> int:
    """Return the memory of a machine (bytes) whose app may use ``app`` of it."""
    return GUEST_MEMORY + app + app // TABLES


def _qemu(spec: ContainerSpec, ground: VmGround, shares: Sequence[Mount]) -> list[str]:
    words = [
        f"/usr/bin/{QEMU}", "-L", FIRMWARE_INSIDE, "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot", "-nic", "none", "-sandbox", _REFUSED,
        "-M", "pc,usb=off,vmport=off", "-accel", _COMPUTED_BY[ground.vm_processor],
        "-cpu", _CPU[ground.vm_processor], "-smp", str(max(math.ceil(spec.limits.cpus), 1)),
        "-m", f"{math.ceil(machine_memory(spec.limits.memory) / MIB)}M",
        "-kernel", KERNEL_INSIDE, "-initrd", INITRD_INSIDE, "-append", _KERNEL_WORDS,
        "-chardev", f"socket,id=console,fd={CONSOLE_FD}", "-serial", "chardev:console",
        "-chardev", f"socket,id=control,fd={CONTROL_FD}", "-device", "virtio-serial-pci",
        "-device", "virtserialport,chardev=control,name=control",
        "-object", "rng-builtin,id=chance", "-device", "virtio-rng-pci,rng=chance",
    ]  # fmt: skip
    if ground.root is not None:
        disk = "format=raw,if=none,id=root,readonly=on,file.locking=off"
        words += ["-drive", f"file={ROOT_INSIDE},{disk}", "-device", "virtio-blk-pci,drive=root"]
    for number, each in enumerate(shares):
        rights = "" if each.writable else ",readonly=on"
        model = "security_model=none,multidevs=remap"
        place = f"local,id=files{number},path={share_inside(number)},{model}{rights}"
        device = f"virtio-9p-pci,fsdev=files{number},mount_tag={_tag(number)}"
        words += ["-fsdev", place, "-device", device]
    return words


def share_inside(number: int) -> str:
    """Return where a shared folder is in the container."""
    return f"/share/{number}"


def machine_config(
    spec: ContainerSpec,
    ground: VmGround,
    shares: Sequence[Mount],
    seccomp: str,
    sandbox: Sandbox,
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create`` for the container of a machine.

    Args:
        spec: What runs in the machine.
        ground: What it stands on.
        shares: Folders that the machine shares.
        seccomp: Profile (JSON text).
        sandbox: By which runtime of the engine, and what it takes besides the app.
    """
    own = [
        Mount(str(ground.run / "plan"), PLAN, writable=False),
        Mount(str(ground.run / "report"), REPORT, writable=True),
        *([Mount(str(ground.root), ROOT_INSIDE, writable=False)] if ground.root else []),
    ]
    shared = [replace(each, target=share_inside(n)) for n, each in enumerate(shares)]
    around = replace(
        spec,
        image=ground.tools,
        command=(),
        environment={},
        mounts=(*own, *shared),
        workplace="",
        labels={**spec.labels, VM_LABEL: ground.vm_processor},
        limits=replace(spec.limits, memory=machine_memory(spec.limits.memory)),
        network=False,
    )
    terms = SandboxTerms(f"{ground.user.uid}:{ground.user.gid}", "/")
    config = container_config(around, terms, seccomp, sandbox)
    host = config["HostConfig"]
    if ground.vm_processor is VmProcessor.KVM:
        device = {"PathOnHost": KVM_DEVICE, "PathInContainer": KVM_DEVICE}
        host = {
            **host,
            "Devices": [{**device, "CgroupPermissions": "rw"}],
            "GroupAdd": [str(ground.kvm_group)],
        }
    return {**config, "HostConfig": host, "Entrypoint": list(LAUNCHER_WORDS), "Cmd": []}
