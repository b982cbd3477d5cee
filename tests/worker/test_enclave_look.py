"""What a machine has of enclaves, over simulated trees of the kernel's files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from poolhand.domain.doctor.enclaves import TeeFacts
from poolhand.worker.doctor.enclave_look import look_at_enclaves


def put(root: Path, name: str, content: bytes = b"") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_tree_without_anything_has_nothing(tmp_path):
    assert look_at_enclaves(tmp_path, set()) == TeeFacts()


@pytest.mark.parametrize(
    "names", [("sgx_enclave", "sgx_provision"), ("sgx/enclave", "sgx/provision"), ("isgx",)]
)
def test_the_files_of_each_driver_are_found(tmp_path, names):
    for name in names:
        put(tmp_path, f"dev/{name}")
    put(tmp_path, "var/run/aesmd/aesm.socket")
    found = look_at_enclaves(tmp_path, {"sgx", "sgx_lc"})
    assert found.sgx_devices == tuple(f"/dev/{each}" for each in names)
    assert found.sgx_processor
    assert found.launch_control
    assert found.sgx_service


def test_cpuid_and_what_the_bios_set_are_read_where_root_may(tmp_path):
    leaves = bytearray(64)
    leaves[7:23] = struct.pack("<4I", 0, 1 << 2, 0, 0)
    leaves[0x12] |= 0b11  # EAX of leaf 0x12; the leaves are apart in a real file
    put(tmp_path, "dev/cpu/0/cpuid", bytes(leaves))
    put(tmp_path, "dev/cpu/0/msr", bytes(0x3A) + struct.pack("<Q", 1 | 1 << 18))
    found = look_at_enclaves(tmp_path, set())
    assert found.sgx_silicon is True
    assert found.versions == (1, 2)
    assert found.feature_control == 1 | 1 << 18


def test_files_that_end_too_early_say_nothing(tmp_path):
    put(tmp_path, "dev/cpu/0/cpuid", b"123")
    put(tmp_path, "dev/cpu/0/msr", b"123")
    assert look_at_enclaves(tmp_path, set()) == TeeFacts()


def test_guests_and_hosts_are_told_apart(tmp_path):
    put(tmp_path, "dev/tdx_guest")
    (tmp_path / "sys/kernel/config/tsm/report").mkdir(parents=True)
    guest = look_at_enclaves(tmp_path, {"tdx_guest"})
    assert guest.tdx_devices == ("/dev/tdx_guest",)
    assert (guest.tdx_reports, guest.tdx_guest, guest.tdx_host) == (True, True, False)
    host = look_at_enclaves(tmp_path / "none", {"tdx_host_platform", "sev_snp"})
    assert (host.tdx_host, host.snp, host.tdx_guest) == (True, True, False)


@pytest.mark.parametrize(
    ("text", "kernel"), [("6.1.0-18-amd64", (6, 1)), ("5.4-rc1", (5, 4)), ("odd", None), ("", None)]
)
def test_the_kernels_version_is_read(tmp_path, text, kernel):
    put(tmp_path, "proc/sys/kernel/osrelease", text.encode())
    assert look_at_enclaves(tmp_path, set()).kernel == kernel
