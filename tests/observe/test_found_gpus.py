"""GPUs are found by the files of their drivers; what cannot be used is told, with what repairs it."""

from __future__ import annotations

import os
import re

import pytest

from poolhand.domain.gpu import Gpu, GpuMaker
from poolhand.observe.gpus import find_gpus
from simulated_gpus import make_amd, make_nvidia, uuid

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")


def test_nvidias_are_found_by_uuid_with_the_files_that_all_share(tmp_path):
    found = find_gpus(make_nvidia(tmp_path, 2))
    shared = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
    assert found.usable == tuple(
        Gpu(uuid(n), n, GpuMaker.NVIDIA, f"Simulated {n}", (f"/dev/nvidia{n}", *shared), place=n)
        for n in (0, 1)
    )
    assert not found.lacks


def test_amds_are_found_by_bus_address_with_the_group_that_may_use_them(tmp_path):
    (gpu,) = find_gpus(make_amd(tmp_path)).usable
    assert gpu == Gpu(
        "0000:03:00.0", 0, GpuMaker.AMD, "Simulated Instinct 0",
        ("/dev/dri/renderD128", "/dev/kfd"), (4321,),
    )  # fmt: skip


def test_those_of_both_makers_are_counted_together(tmp_path):
    found = find_gpus(make_amd(make_nvidia(tmp_path, 2)))
    assert [(each.number, each.place) for each in found.usable] == [(0, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("dev/nvidia-uvm", "no device file /dev/nvidia-uvm .*nvidia-modprobe -u"),
        ("dev/nvidiactl", "no device file /dev/nvidiactl"),
    ],
)
def test_a_file_that_the_driver_has_not_made_is_told(tmp_path, gone, why):
    root = make_nvidia(tmp_path, 1)
    (root / gone).unlink()
    found = find_gpus(root)
    assert not found.usable
    (lack,) = found.lacks
    assert re.search(why, lack)


def test_a_plain_file_is_no_device(tmp_path):
    root = make_nvidia(tmp_path, 1)
    (root / "dev/nvidia0").unlink()
    (root / "dev/nvidia0").touch()
    assert not find_gpus(root).usable


def test_a_device_that_only_root_may_use_is_of_no_use(tmp_path):
    root = make_amd(tmp_path)
    (root / "dev/kfd").chmod(0o600)
    found = find_gpus(root)
    assert not found.usable
    assert "neither all nor a group may use /dev/kfd" in found.lacks[0]


def test_a_gpu_that_the_driver_leaves_out_is_told_and_the_others_are_given(tmp_path):
    root = make_nvidia(tmp_path, 2)
    told = root / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    told.write_text(told.read_text().replace("Excluded:\t No", "Excluded:\t Yes"))
    found = find_gpus(root)
    assert [each.name for each in found.usable] == [uuid(1)]
    assert "GPU Excluded" in found.lacks[0]


def test_a_uuid_that_the_driver_does_not_know_yet_is_no_name(tmp_path):
    root = make_nvidia(tmp_path, 1)
    told = root / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    told.write_text(told.read_text().replace(uuid(0), "GPU-????????-????-????-????-????????????"))
    assert find_gpus(root).usable[0].name == "0000:01:00.0"


def test_a_gpu_without_its_driver_is_told_and_a_computer_without_any_has_none(tmp_path):
    assert find_gpus(tmp_path) == find_gpus(tmp_path / "nothing")
    for name, kind in (("0000:01:00.0", "0x030200"), ("0000:01:00.1", "0x040300")):
        device = tmp_path / "sys/bus/pci/devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text(f"{kind}\n")
    found = find_gpus(tmp_path)
    assert not found.usable
    assert found.lacks == ("the GPU at 0000:01:00.0 lacks NVIDIA's driver",)
