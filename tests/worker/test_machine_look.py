"""What a computer tells of itself, read from files as a kernel writes them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from poolhand.domain.doctor.enclaves import TeeFacts
from poolhand.domain.doctor.machine import NamespaceFacts, VirtualFacts
from poolhand.domain.gpu import FoundGpus
from poolhand.worker.doctor.examining import LONGEST_CHECK
from poolhand.worker.doctor.machine_look import (
    LEAVE,
    UNSHARE_LEFT,
    UNSHARE_REFUSED,
    look_at_machine,
    look_at_namespaces,
)


def test_devices_and_the_processors_words_are_read(tmp_path):
    for device in ("sgx_enclave", "tdx_guest", "kvm"):
        path = tmp_path / "dev" / device
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\nflags : fpu vmx sgx hypervisor\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1048576\n")
    found = look_at_machine(tmp_path)
    assert found.tee == TeeFacts(
        sgx_processor=True, sgx_devices=("/dev/sgx_enclave",), tdx_devices=("/dev/tdx_guest",)
    )
    assert found.virtual == VirtualFacts(processor=True, device=True, usable=True, is_guest=True)
    assert found.memory == 1_048_576
    assert found.cpus >= 1
    assert found.files >= 1


def test_a_computer_that_tells_nothing_has_its_processors_and_memory(tmp_path):
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    found = look_at_machine(tmp_path)
    assert (found.gpus, found.tee, found.virtual) == (FoundGpus(), TeeFacts(), VirtualFacts())
    assert found.memory > 1_048_576


@pytest.mark.parametrize(
    ("name", "refuses", "allows"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_what_refuses_namespaces_is_named_with_what_allows_them(tmp_path, name, refuses, allows):
    file = tmp_path / "proc/sys" / name
    file.parent.mkdir(parents=True)
    file.write_text(f"{refuses}\n")
    assert look_at_namespaces(tmp_path, ends_with(UNSHARE_REFUSED)) == NamespaceFacts(False, allows)
    file.write_text("65000\n" if name.startswith("user") else f"{1 - int(refuses)}\n")
    assert look_at_namespaces(tmp_path, ends_with(UNSHARE_REFUSED)) == NamespaceFacts(False, "")
    assert look_at_namespaces(tmp_path, ends_with(UNSHARE_LEFT)) == NamespaceFacts(True, "")


def ends_with(code):
    return ("sh", "-c", f"exit {code}")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (("sh", "-c", "echo 'no such module' >&2; exit 1"), "ended with 1: no such module"),
        (("sh", "-c", "exit 0"), "ended with 0"),
        (("sh", "-c", "kill -9 $$"), "ended by signal 9"),
        (("/nowhere/python",), "No such file"),
    ],
)
def test_a_trial_that_broke_says_nothing_of_the_kernel(tmp_path, program, told):
    found = look_at_namespaces(tmp_path, program)
    assert not found.work
    assert told in found.untried


def test_a_trial_that_takes_too_long_is_no_fault_and_no_refusal(tmp_path):
    found = look_at_namespaces(tmp_path, ("sh", "-c", "while :; do :; done"), 0.0)
    assert found.untried == "the trial took over 0 s"


def test_a_trial_ends_before_its_check_does():
    limit = inspect.signature(look_at_namespaces).parameters["seconds"].default
    assert limit < LONGEST_CHECK


@pytest.mark.skipif(sys.platform != "linux", reason="another system has no namespaces")
def test_a_signers_way_out_of_the_network_is_tried_and_this_process_stays():
    links = [Path(f"/proc/self/ns/{kind}").readlink() for kind in ("net", "user")]
    done = subprocess.run(LEAVE, capture_output=True, check=False)
    assert done.returncode in (UNSHARE_LEFT, UNSHARE_REFUSED), done.stderr
    found = look_at_namespaces()
    assert (found.exist, found.untried) == (True, "")
    assert found.work is (done.returncode == UNSHARE_LEFT)
    assert [Path(f"/proc/self/ns/{kind}").readlink() for kind in ("net", "user")] == links
