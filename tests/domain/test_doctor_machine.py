"""This computer judged: the least that a worker needs, and what it has besides."""

from __future__ import annotations

import pytest

from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.doctor.machine import (
    LEAST_DISK,
    NamespaceFacts,
    VirtualFacts,
    judge_cpus,
    judge_disk,
    judge_disk_limit,
    judge_gpus,
    judge_memory,
    judge_namespaces,
    judge_system_limits,
    judge_virtualization,
    show_bytes,
)
from poolhand.domain.gpu import FoundGpus, Gpu, GpuMaker
from poolhand.domain.units import GIB, MIB

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
UNKNOWN = CheckOutcome.UNKNOWN


@pytest.mark.mistake("one-cpu")
def test_a_worker_needs_two_cpus():
    one = judge_cpus(1)
    assert (one.outcome, judge_cpus(2).outcome) == (FAIL, PASS)
    assert one.told == (
        "this computer has 1 CPU and a worker needs at least 2: use another computer, or give the "
        "virtual machine more"
    )


@pytest.mark.mistake("little-memory")
@pytest.mark.parametrize(
    ("total", "slots", "outcome"),
    [
        (GIB + 127 * MIB, 1, FAIL),
        (GIB + 128 * MIB, 1, WARN),
        (1_900 * MIB - 1, 1, WARN),
        (1_900 * MIB, 1, PASS),
        (4 * GIB, 4, WARN),
        (4 * GIB + 128 * MIB, 4, PASS),
    ],
)
def test_memory_is_for_the_worker_and_each_of_its_tasks(total, slots, outcome):
    found = judge_memory(total, GIB, slots)
    assert found.outcome is outcome
    assert bool(found.fix) is (outcome is not PASS)


@pytest.mark.mistake("disk-full")
def test_a_full_disk_fails_and_a_small_one_is_told():
    full = judge_disk(LEAST_DISK - 1, "/w", GIB)
    assert (full.outcome, full.found) == (
        FAIL,
        "the disk at /w is full: less than 16 MiB are free, or no more files can be made",
    )
    assert judge_disk(LEAST_DISK, "/w", GIB).outcome is WARN
    assert judge_disk(GIB, "/w", GIB).outcome is PASS


@pytest.mark.mistake("no-disk-limit")
def test_a_disk_that_no_kernel_bounds_is_told_with_what_would():
    told = judge_disk_limit("last resort: looked at; run as root", by_kernel=False, is_seen=True)
    assert (told.outcome, told.found, told.fix) == (WARN, "last resort: looked at", "run as root")
    assert judge_disk_limit("kept", by_kernel=True, is_seen=True).outcome is PASS
    assert judge_disk_limit("kept", by_kernel=True, is_seen=False).outcome is WARN


def test_open_files_are_counted():
    assert judge_system_limits(1_023).outcome is WARN
    assert judge_system_limits(1_024).outcome is PASS


@pytest.mark.mistake("no-gpu")
def test_a_gpu_is_needed_by_whoever_tells_of_one():
    one = Gpu("GPU-1", 0, GpuMaker.NVIDIA, "A100", ("/dev/nvidia0",))
    found, lacking = FoundGpus((one,)), FoundGpus((), ("there is no device file",))
    assert judge_gpus(FoundGpus(), ["all"]).outcome is FAIL
    assert judge_gpus(FoundGpus(), []).outcome is PASS
    assert "no device file" in judge_gpus(lacking, ["all"]).found
    assert judge_gpus(lacking, []).outcome is PASS
    assert judge_gpus(found, ["0"]).fix == ""
    assert judge_gpus(found, ["1"]).outcome is FAIL
    assert judge_gpus(found, []).fix == "--gpu offers it"


@pytest.mark.mistake("no-namespaces")
def test_a_signer_without_namespaces_is_told_with_what_allows_them():
    assert judge_namespaces(NamespaceFacts()).outcome is PASS
    assert judge_namespaces(NamespaceFacts(work=False, exist=False)).outcome is PASS
    refused = judge_namespaces(NamespaceFacts(False, "user.max_user_namespaces=15000"))
    assert refused.outcome is WARN
    assert "`sysctl -w user.max_user_namespaces=15000`" in refused.fix
    inside = judge_namespaces(NamespaceFacts(work=False))
    assert (inside.outcome, "container" in inside.fix) == (WARN, True)


def test_a_signers_namespaces_that_were_not_tried_are_not_said_to_be_refused():
    untried = judge_namespaces(NamespaceFacts(work=False, untried="the trial took over 50 s"))
    assert (untried.outcome, "took over 50 s" in untried.found) == (UNKNOWN, True)
    assert "kernel" not in untried.told


@pytest.mark.mistake("no-virtualization")
@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (VirtualFacts(), "BIOS"),
        (VirtualFacts(processor=True), "kvm_intel"),
        (VirtualFacts(is_guest=True), "nest"),
        (VirtualFacts(device=True), "group kvm"),
    ],
)
def test_no_virtualization_is_never_a_failure_and_says_what_would_help(facts, word):
    found = judge_virtualization(facts)
    assert found.outcome is PASS
    assert word in found.fix


def test_bytes_are_written_in_their_largest_unit():
    assert [show_bytes(each) for each in (12, 2_048, 3 * MIB, 3 * GIB // 2)] == [
        "12 bytes", "2 KiB", "3 MiB", "1.5 GiB",
    ]  # fmt: skip
