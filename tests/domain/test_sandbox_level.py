"""Which runtimes of an engine are tried for a level, and in what order."""

from __future__ import annotations

import pytest

from poolhand.domain.sandbox_level import (
    SANDBOX_CHOICES,
    SANDBOX_OVERHEADS,
    SANDBOX_PROMISES,
    EngineRuntime,
    Sandbox,
    SandboxLevel,
    VmProcessor,
    candidates,
    is_stronger,
    machine_fault,
)

RUNC, GVISOR, VM = SandboxLevel
SHIM = EngineRuntime("io.containerd.runc.v2", "runc")
PLAIN = EngineRuntime("runc", "runc")
RUNSC = EngineRuntime("runsc", "/usr/bin/runsc", ("--platform=systrap",))
KATA = EngineRuntime("kata", "/opt/kata/bin/kata-runtime")


@pytest.mark.parametrize(
    ("name", "program", "level"),
    [
        ("runc", "runc", RUNC), ("crun", "/usr/bin/crun", RUNC), ("nvidia", "", RUNC),
        ("runsc", "", GVISOR), ("strong", "/usr/local/bin/runsc", GVISOR),
        ("gvisor-kvm", "/x", GVISOR), ("safe", "io.containerd.runsc.v1", GVISOR),
        ("kata", "", VM), ("io.containerd.kata.v2", "", VM), ("k", "/usr/bin/krun", VM),
        ("runc", "/home/runsc/bin/runc", RUNC),
    ],
)  # fmt: skip
def test_a_runtime_is_known_by_its_name_or_its_programs(name, program, level):
    assert EngineRuntime(name, program).level is level


def test_levels_are_ordered_by_strength():
    assert is_stronger(GVISOR, RUNC)
    assert is_stronger(VM, GVISOR)
    assert not is_stronger(GVISOR, GVISOR)


def names(*told):
    return [each.name for each in candidates(*told)]


def test_auto_tries_gvisor_before_containers():
    assert names([SHIM, PLAIN, RUNSC], "runc", "auto") == ["runsc", "runc", SHIM.name]


def test_a_level_is_given_by_its_own_runtimes_alone():
    have = [SHIM, PLAIN, RUNSC, KATA]
    assert names(have, "runc", "runc") == ["runc", SHIM.name]
    assert names(have, "runc", "gvisor") == ["runsc"]
    assert names([PLAIN], "runc", "gvisor") == []


def test_what_the_engine_takes_by_itself_comes_first_in_its_level():
    other = EngineRuntime("a-runsc", "/opt/runsc")
    assert names([other, RUNSC], "runsc", "gvisor") == ["runsc", "a-runsc"]
    assert names([EngineRuntime("nvidia"), PLAIN], "nvidia", "auto") == ["nvidia", "runc"]


def test_containers_are_asked_for_where_the_engine_would_take_something_else():
    assert names([SHIM, PLAIN, RUNSC], "runsc", "runc") == ["runc", SHIM.name]


def test_machines_are_taken_only_where_the_engine_takes_them_by_itself():
    assert names([PLAIN, KATA], "runc", "auto") == ["runc"]
    assert names([PLAIN, KATA, RUNSC], "kata", "auto") == ["kata", "runsc", "runc"]


def test_an_engine_that_tells_of_no_runtimes_has_its_default():
    assert candidates([], "runc", "auto") == (EngineRuntime("runc"),)


@pytest.mark.parametrize("word", ["--ignore-cgroups", "-ignore-cgroups", "--ignore-cgroups=true"])
def test_a_runtime_that_keeps_no_limits_is_not_for_apps(word):
    assert "limits" in EngineRuntime("runsc", "", (word,)).fault(network=False)
    assert EngineRuntime("runsc", "", ("--ignore-cgroups=false",)).fault(network=False) == ""


def test_a_runtime_without_a_network_is_for_apps_that_may_not_use_one():
    runtime = EngineRuntime("runsc", "", ("--network=none",))
    assert runtime.fault(network=False) == ""
    assert "--allow-network" in runtime.fault(network=True)
    assert EngineRuntime("runsc", "", ("--network=host",)).fault(network=True) == ""


def test_every_level_has_its_promise_and_what_it_takes():
    assert set(SANDBOX_PROMISES) == set(SANDBOX_OVERHEADS) == set(SandboxLevel)
    assert Sandbox(GVISOR).overhead.memory > Sandbox(RUNC).overhead.memory == 0


def test_each_level_can_be_asked_for_by_name():
    assert SANDBOX_CHOICES == ("runc", "gvisor", "vm", "auto")


def test_a_machine_that_is_emulated_says_so_and_one_with_kvm_does_not():
    emulated = Sandbox(VM, vm_processor=VmProcessor.TCG)
    assert (emulated.word, "slower" in emulated.promise) == ("vm (emulated)", True)
    fast = Sandbox(VM, vm_processor=VmProcessor.KVM)
    assert (fast.word, fast.promise) == ("vm", SANDBOX_PROMISES[VM])


@pytest.mark.parametrize(
    ("network", "gpus", "word"),
    [(False, False, ""), (True, False, "no network"), (False, True, "no GPU")],
)
def test_a_machine_is_not_for_apps_that_need_what_it_lacks(network, gpus, word):
    fault = machine_fault(network=network, gpus=gpus)
    assert word in fault
    assert bool(fault) is bool(word)
