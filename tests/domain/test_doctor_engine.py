"""Engines judged: versions that let apps break out, limits, and how far apps are kept apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.domain.doctor.engine import (
    DOCKER_CHECK,
    KUBERNETES,
    LEAST_ROOM,
    SLURM,
    EngineFacts,
    judge_cgroups,
    judge_engine,
    judge_engine_disk,
    judge_engine_platform,
    judge_engine_size,
    judge_engine_version,
    judge_sandbox,
)
from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.doctor.machine import LEAST_DISK
from poolhand.domain.sandbox_level import SANDBOX_PROMISES, Sandbox, SandboxLevel, VmProcessor
from poolhand.domain.units import GIB

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
RUNC = Sandbox(SandboxLevel.RUNC)
GOOD = EngineFacts(DOCKER_CHECK, "28.5.2", "linux/amd64", "1.3.3")


@pytest.mark.mistake("old-engine")
@pytest.mark.parametrize(
    ("version", "outcome"),
    [("17.03.1-ce", FAIL), ("18.09.1", FAIL), ("18.09.2", WARN), ("19.03.15", WARN),
     ("20.10.24+dfsg1", PASS), ("29.0.0", PASS)],
)  # fmt: skip
def test_an_engine_that_lets_containers_out_fails_and_an_untried_one_is_told(version, outcome):
    assert judge_engine_version(replace(GOOD, version=version)).outcome is outcome


@pytest.mark.mistake("open-runc")
@pytest.mark.parametrize(
    ("runc", "cve"),
    [
        ("1.1.5+ds1", "CVE-2024-21626"),
        ("1.1.11", "CVE-2024-21626"),
        ("1.1.12-0ubuntu2~22.04.1", "CVE-2025-31133"),
        ("1.2.7", "CVE-2025-31133"),
        ("1.2.8", ""),
        ("1.3.0", "CVE-2025-31133"),
        ("1.3.2", "CVE-2025-31133"),
        ("1.3.3", ""),
        ("1.4.0", ""),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_holes_of_runc_are_told_by_its_version(runc, cve):
    found = judge_engine_version(replace(GOOD, runc=runc))
    assert found.outcome is (WARN if cve else PASS)
    assert cve in found.found


def test_a_cluster_is_told_with_its_nodes_and_warned_of_where_it_is_too_old():
    cluster = EngineFacts(SLURM, "22.05.8", "linux/amd64", found="4 nodes with 8 processors")
    told = judge_engine(cluster, "unix:///nowhere")
    assert (told.outcome, told.found) == (
        PASS,
        "Slurm 22.05.8 answers: 4 nodes with 8 processors",
    )
    assert judge_engine_version(cluster).outcome is PASS
    assert judge_engine_version(replace(cluster, version="20.11.9")).outcome is WARN
    limits = judge_cgroups(cluster)
    assert (limits.outcome, "ConstrainRAMSpace" in limits.fix) == (
        CheckOutcome.UNKNOWN,
        True,
    )


def test_of_kubernetes_it_is_said_what_is_not_seen_from_outside():
    cluster = EngineFacts(KUBERNETES, "1.32.3", "linux/amd64", found="4 nodes")
    assert judge_engine(cluster, "").found == "Kubernetes 1.32.3 answers: 4 nodes"
    assert judge_engine_version(cluster).outcome is PASS
    assert judge_engine_version(replace(cluster, version="1.20.2")).outcome is WARN
    sandbox = judge_sandbox(cluster, RUNC, "auto")
    assert (sandbox.outcome, "NetworkPolicies" in sandbox.fix) == (CheckOutcome.UNKNOWN, True)
    assert judge_cgroups(cluster).outcome is PASS


def test_of_another_engine_nothing_is_known():
    assert judge_engine_version(EngineFacts("Podman", "4.3.1")).outcome is CheckOutcome.UNKNOWN


@pytest.mark.mistake("another-processor")
@pytest.mark.parametrize(
    ("platform", "outcome", "words"),
    [
        ("linux/amd64", PASS, "as most apps are built"),
        ("linux/arm64", WARN, "most apps are built for linux/amd64 alone"),
        ("", CheckOutcome.UNKNOWN, "does not tell"),
    ],
)
def test_an_engine_of_another_processor_than_most_apps_is_told(platform, outcome, words):
    found = judge_engine_platform(replace(GOOD, platform=platform))
    assert found.outcome is outcome
    assert words in found.found


@pytest.mark.mistake("engine-full")
@pytest.mark.parametrize(
    ("room", "outcome", "words"),
    [
        (LEAST_ROOM, PASS, "1 GiB left"),
        (LEAST_ROOM - 1, WARN, "most apps need more"),
        (LEAST_DISK, WARN, "16 MiB left"),
        (LEAST_DISK - 1, FAIL, "most apps need more"),
        (0, FAIL, "no space is left on it, or no files"),
        (None, CheckOutcome.UNKNOWN, "not seen from here"),
    ],
)
def test_an_engine_with_little_room_for_images_is_told_and_one_with_none_fails(
    room, outcome, words
):
    found = judge_engine_disk(replace(GOOD, room=room))
    assert found.outcome is outcome
    assert words in found.found


@pytest.mark.mistake("no-limits")
def test_apps_without_limits_or_a_filter_are_not_taken():
    told = judge_sandbox(replace(GOOD, lacks=("memory", "processes")), RUNC, "auto")
    assert (told.outcome, "memory and processes" in told.found) == (FAIL, True)
    assert judge_sandbox(replace(GOOD, has_seccomp=False), RUNC, "auto").outcome is FAIL


@pytest.mark.mistake("old-cgroups")
@pytest.mark.parametrize(
    ("version", "outcome", "fix"),
    [
        ("2", PASS, ""),
        ("1", WARN, "systemd.unified_cgroup_hierarchy=1"),
        ("", CheckOutcome.UNKNOWN, "Docker 20.10"),
    ],
)
def test_limits_by_cgroup_v2_pass_and_the_older_kind_is_told_with_how_to_leave_it(
    version, outcome, fix
):
    found = judge_cgroups(replace(GOOD, cgroups=version))
    assert found.outcome is outcome
    assert fix in found.fix


def test_that_root_of_a_container_is_nobody_outside_is_told():
    assert "nobody" in judge_sandbox(replace(GOOD, maps_users=True), RUNC, "auto").found
    assert "nobody" not in judge_sandbox(GOOD, RUNC, "auto").found


@pytest.mark.parametrize("level", list(SandboxLevel))
def test_what_apps_run_in_is_told_with_its_runtime(level):
    found = judge_sandbox(GOOD, Sandbox(level, "strong"), "auto")
    assert found.outcome is PASS
    assert SANDBOX_PROMISES[level] in found.found
    assert "runtime strong" in found.found
    assert "runtime runc" in judge_sandbox(GOOD, Sandbox(level), "auto").found


def test_how_to_get_gvisor_is_told_to_whoever_has_not_chosen_containers():
    assert "apt install runsc" in judge_sandbox(GOOD, RUNC, "auto").fix
    assert judge_sandbox(GOOD, RUNC, "runc").fix == ""
    assert judge_sandbox(GOOD, Sandbox(SandboxLevel.GVISOR), "auto").fix == ""


def test_an_emulated_machine_is_told_with_what_it_costs_and_why_kvm_is_not_used():
    left = (("a virtual machine (kvm)", "there is no /dev/kvm"),)
    emulated = Sandbox(SandboxLevel.VM, "", left, VmProcessor.TCG)
    found = judge_sandbox(GOOD, emulated, "vm")
    assert found.outcome == WARN
    assert "10 to 30 times slower" in found.found
    assert "there is no /dev/kvm" in found.found


def test_a_machine_with_kvm_is_no_fault_and_one_that_does_not_start_is_told_by_its_device():
    fast = Sandbox(SandboxLevel.VM, vm_processor=VmProcessor.KVM)
    assert judge_sandbox(GOOD, fast, "auto").outcome == CheckOutcome.PASS
    left = Sandbox(SandboxLevel.RUNC, passed_over=(("a virtual machine (kvm)", "it hung"),))
    assert "/dev/kvm" in judge_sandbox(GOOD, left, "auto").fix


@pytest.mark.mistake("broken-gvisor")
def test_a_stronger_runtime_that_does_not_work_is_told():
    left = Sandbox(SandboxLevel.RUNC, passed_over=(("runsc", "it does not start"),))
    found = judge_sandbox(GOOD, left, "auto")
    assert (found.outcome, "runsc: it does not start" in found.found) == (WARN, True)


def test_what_an_engine_has_is_held_against_what_tasks_are_to_get():
    sized = replace(GOOD, cpus=4, memory=4 * GIB)
    assert judge_engine_size(sized, 4, GIB).outcome is CheckOutcome.PASS
    assert judge_engine_size(sized, 5, 4).outcome is CheckOutcome.WARN
    assert "at once may take 6 GiB" in judge_engine_size(sized, 3, 2 * GIB).found
    assert judge_engine_size(sized, 1, 4 * GIB + 1).outcome is CheckOutcome.FAIL
    assert judge_engine_size(GOOD, 1, GIB).outcome is CheckOutcome.UNKNOWN
    assert judge_engine_size(EngineFacts(SLURM, "22.05.8"), 0, GIB).outcome is CheckOutcome.PASS
