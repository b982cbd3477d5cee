"""What a virtual machine and the container around it are told."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from container_world import LIMITS, MIB
from vm_world import lay_kernel

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.sandbox import ImageVolumes, SandboxTerms
from poolhand.containers.slurm.bundle import User
from poolhand.containers.vm.initrd import START_FILE, initrd
from poolhand.containers.vm.kernel import MODULES_NEEDED, find_kernel
from poolhand.containers.vm.plan import (
    VmGround,
    machine_config,
    machine_memory,
    machine_plan,
    shares_of,
    trial_plan,
)
from poolhand.containers.vm.programs import NoProgramsHere
from poolhand.containers.working_folder import Start
from poolhand.domain.sandbox_level import MACHINE_OVERHEAD, Sandbox, SandboxLevel, VmProcessor

TERMS = SandboxTerms("65534:65534", "/tmp")
IMAGE = {"Config": {"Entrypoint": ["app"], "Env": ["PATH=/bin", "A=b"], "WorkingDir": "/app"}}
PROFILE = '{"defaultAction": "SCMP_ACT_ERRNO"}'


def ground(tmp_path, vm_processor=VmProcessor.TCG):
    return VmGround(
        "poolhand-vm:1", vm_processor, User(65534, 65534), tmp_path, tmp_path / "r", 108
    )


def planned(spec, tmp_path, terms=TERMS, **changes):
    return machine_plan(spec, IMAGE, terms, replace(ground(tmp_path), **changes))


def configured(spec, tmp_path, vm_processor=VmProcessor.TCG):
    sandbox = Sandbox(SandboxLevel.VM, vm_processor=vm_processor)
    made = ground(tmp_path, vm_processor)
    return machine_config(spec, made, shares_of(spec, TERMS), PROFILE, sandbox)


def test_the_container_is_kept_as_apps_are_and_has_our_image(spec, tmp_path):
    config = configured(spec, tmp_path)
    host = config["HostConfig"]
    assert (config["Image"], config["Cmd"], config["User"]) == (
        "poolhand-vm:1", [], "65534:65534",
    )  # fmt: skip
    assert (config["NetworkDisabled"], host["NetworkMode"]) == (True, "none")
    assert (host["CapDrop"], host["ReadonlyRootfs"]) == (["ALL"], True)
    assert f"seccomp={PROFILE}" in host["SecurityOpt"]
    assert config["Labels"].items() >= spec.labels.items()
    assert "Devices" not in host


def test_nothing_of_the_app_starts_in_the_container_itself(spec, tmp_path):
    config = configured(spec, tmp_path)
    assert all("A=" not in each and "IEXEC" not in each for each in config["Env"])
    targets = {each["Target"] for each in config["HostConfig"]["Mounts"]}
    assert targets == {"/vm-run/plan", "/vm-run/report", "/vm-run/root", "/share/0", "/share/1"}


def test_only_the_result_and_the_report_can_be_written(spec, tmp_path):
    mounts = configured(spec, tmp_path)["HostConfig"]["Mounts"]
    assert {each["Target"] for each in mounts if not each["ReadOnly"]} == {
        "/vm-run/report", "/share/1",
    }  # fmt: skip


def test_a_container_has_room_for_its_machine(spec, tmp_path):
    spec = replace(spec, limits=replace(LIMITS, memory=64 * 1024 * MIB))
    words = planned(spec, tmp_path)["qemu"]
    machine = int(words[words.index("-m") + 1].removesuffix("M")) * MIB
    memory = configured(spec, tmp_path)["HostConfig"]["Memory"]
    assert memory >= machine + MACHINE_OVERHEAD.memory - MIB
    assert machine >= machine_memory(spec.limits.memory) > spec.limits.memory * 33 // 32


def test_the_device_for_kvm_is_given_where_it_computes(spec, tmp_path):
    host = configured(spec, tmp_path, VmProcessor.KVM)["HostConfig"]
    assert [each["PathOnHost"] for each in host["Devices"]] == ["/dev/kvm"]
    assert host["GroupAdd"] == ["108"]


def test_a_machine_has_no_network_and_its_root_cannot_be_written(spec, tmp_path):
    words = planned(spec, tmp_path)["qemu"]
    assert words[words.index("-nic") + 1] == "none"
    (disk,) = (each for each in words if each.startswith("file="))
    assert "readonly=on" in disk
    shares = [each for each in words if each.startswith("local,")]
    assert ["readonly=on" in each for each in shares] == [True, False]


def test_the_app_gets_its_images_words_and_variables_and_its_limits(spec, tmp_path):
    spec = replace(spec, command=("-x",), environment={"IEXEC_OUT": "/iexec_out"})
    task = planned(spec, tmp_path)["task"]
    assert (task["words"], task["folder"]) == (["app", "-x"], "/app")
    assert task["environment"].items() >= {"A": "b", "PATH": "/bin", "IEXEC_OUT": "/iexec_out",
                                           "HOME": "/tmp"}.items()  # fmt: skip
    limits = spec.limits
    assert (task["memory.max"], task["pids.max"]) == (limits.memory, limits.pids)
    assert [each["target"] for each in task["memory_folders"]] == ["/tmp"]
    assert [each["target"] for each in task["shares"]] == ["/iexec_in", "/iexec_out"]


def test_a_working_folder_is_shared_too(spec, tmp_path):
    spec = replace(spec, workplace=str(tmp_path / "work"))
    terms = replace(TERMS, start=Start("/app", ("app",)))
    shares = planned(spec, tmp_path, terms)["task"]["shares"]
    assert shares[0] == {"tag": "share0", "target": "/app", "writable": True, "cache": "mmap"}


def test_an_image_whose_volume_would_hide_its_program_is_refused(spec, tmp_path):
    terms = replace(TERMS, volumes=ImageVolumes(with_program=("/app",)))
    with pytest.raises(ContainerRefused, match="where its program is"):
        planned(spec, tmp_path, terms)


def test_a_trial_has_no_disk_and_no_share(spec, tmp_path):
    spec = replace(spec, image="", mounts=())
    plan = trial_plan(spec, replace(ground(tmp_path), root=None))
    assert plan["task"]["is_trial"]
    assert not [each for each in plan["qemu"] if "virtio-9p" in each or "virtio-blk" in each]


# ------------------------------------------------------------------------------ kernel, first files


def test_the_newest_kernel_with_modules_is_taken(tmp_path):
    lay_kernel(tmp_path, "6.1.0-9")
    lay_kernel(tmp_path, "6.1.0-57")
    (tmp_path / "boot/vmlinuz-7.0").touch()
    assert find_kernel(tmp_path).image.name == "vmlinuz-6.1.0-57"


def test_modules_come_after_those_that_they_need_and_once(tmp_path):
    modules = lay_kernel(tmp_path)
    (modules / "kernel/fs/9p.ko").write_bytes(b"9p\0depends=9pnet,netfs\0")
    (modules / "kernel/fs/netfs.ko").write_bytes(b"netfs\0depends=\0")
    (modules / "kernel/fs/9pnet-virtio.ko").write_bytes(b"9v\0depends=9pnet\0")
    (modules / "kernel/fs/9pnet.ko").write_bytes(b"9n\0depends=\0")
    found = list(find_kernel(tmp_path).module_contents())
    named = [each.split(b"\0")[0] for each in found if each[0]]
    assert named == [b"9n", b"netfs", b"9p", b"9v"]


def test_a_module_that_is_built_in_is_not_looked_for(tmp_path):
    modules = lay_kernel(tmp_path, left_out="overlay")
    with pytest.raises(NoProgramsHere, match="has no module overlay"):
        list(find_kernel(tmp_path).module_contents())
    (modules / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    assert len(list(find_kernel(tmp_path).module_contents())) == len(MODULES_NEEDED) - 1


def test_a_computer_without_a_kernel_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(NoProgramsHere, match="no kernel below"):
        find_kernel(tmp_path)


def test_the_first_files_are_an_archive_that_a_kernel_reads(tmp_path):
    files = dict(entries(initrd({"/usr/bin/python3": b"elf"}, [b"one", b"two"])))
    assert files["modules/00.ko"] == b"one"
    assert files["modules/01.ko"] == b"two"
    assert files["init"] == b"/usr/bin/python3"
    assert b"main()" in files[START_FILE.lstrip("/")]
    assert list(files)[-1] == "TRAILER!!!"
    names = list(files)
    assert all(str(Path(each).parent) in ("", ".") or str(Path(each).parent) in names[:n]
               for n, each in enumerate(names))  # fmt: skip


def entries(archive):
    """Read a cpio archive of the form "newc"."""
    at = 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[n : n + 8], 16) for n in range(at + 6, at + 110, 8)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        at = -(-(at + 110 + fields[11]) // 4) * 4
        yield name, bytes(archive[at : at + fields[6]])
        at = -(-(at + fields[6]) // 4) * 4


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give up rights")
def test_an_app_has_no_right_left_and_no_io_uring():
    import subprocess
    import sys

    code = """
import ctypes, os
from poolhand.containers.vm import guest
guest._give_up_rights(65534, 65534, [7])
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines())
print([status[each] for each in ('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp')], os.getresuid(), os.getgroups())
print(ctypes.CDLL(None, use_errno=True).syscall(425, 8, 0), ctypes.get_errno())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    rights, call = done.stdout.splitlines()
    none = "0" * 16
    assert rights == f"{[none, none, '1', '2']} (65534, 65534, 65534) [7]", done.stderr
    assert call == f"-1 {errno.EPERM}"
