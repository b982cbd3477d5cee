"""When a worker takes a virtual machine for each app, over an engine in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import IMAGE, PLAIN, FakeEngine, serving
from vm_world import seeming_computer

from poolhand.containers.engine import connect
from poolhand.containers.errors import DiskUnready, SandboxUnready
from poolhand.containers.sandbox import SandboxTerms
from poolhand.containers.sandboxes import NoSuchSandbox, look_at_sandbox
from poolhand.containers.vm.machines import MachinePlace, VirtualMachines
from poolhand.containers.vm.tools import VmTools
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel, VmProcessor

VM, RUNC = SandboxLevel.VM, SandboxLevel.RUNC


@pytest.fixture
def engine():
    made = FakeEngine()
    made.images, made.info = {IMAGE: PLAIN}, {}
    return made


@pytest.fixture
def computer(tmp_path, monkeypatch, engine):
    """Return what makes a computer that seems to have what a machine needs."""

    def make(**options) -> MachinePlace:
        place = seeming_computer(tmp_path / "computer", **options)
        monkeypatch.setenv("PATH", str(tmp_path / "computer/bin"))
        if not options.get("missing"):
            engine.images[VmTools.found(place.kernel).name()] = PLAIN
        return place

    return make


async def found(engine, wanted, machines, *, network=False, gpus=False):
    async with serving(engine) as url:
        return await look_at_sandbox(url, wanted, network=network, gpus=gpus, machines=machines)


async def test_auto_takes_a_machine_with_kvm_once_one_has_run(engine, computer):
    place = computer()
    assert await found(engine, "auto", place) == Sandbox(VM, vm_processor=VmProcessor.KVM)
    ((name, body),) = engine.created.items()
    assert body["HostConfig"]["Devices"]
    assert (engine.removed, engine.containers) == ([name], {})
    assert list((place.base / "runs").iterdir()) == []


async def test_what_has_worked_is_not_tried_again(engine, computer):
    place = computer()
    for _ in range(2):
        assert (await found(engine, "auto", place)).level is VM
    assert len(engine.created) == 1


async def test_auto_never_takes_one_that_is_emulated(engine, computer):
    assert await found(engine, "auto", computer(kvm=False)) == Sandbox(RUNC)
    assert engine.created == {}


async def test_auto_passes_over_kvm_that_starts_nothing(engine, computer):
    engine.exit_code = 255
    told = await found(engine, "auto", computer())
    assert (told.level, told.vm_processor) == (RUNC, None)
    assert told.passed_over == (("a virtual machine (kvm)", "one ended with exit code 255"),)


async def test_by_name_one_is_emulated_where_there_is_no_kvm_and_says_so(engine, computer):
    told = await found(engine, "vm", computer(kvm=False))
    assert (told.level, told.vm_processor) == (VM, VmProcessor.TCG)
    assert "no KVM" in told.passed_over[0][1]
    assert told.word == "vm (emulated)"
    assert "10 to 30 times slower" in told.promise


@pytest.mark.parametrize("missing", ["qemu-system-x86_64", "mksquashfs"])
async def test_an_operator_who_wants_one_is_told_what_is_missing(engine, computer, missing):
    place = computer(missing=missing)
    with pytest.raises(NoSuchSandbox, match=f"there is no {missing}.*apt install.*qemu-system-x86"):
        await found(engine, "vm", place)
    assert await found(engine, "auto", place) == Sandbox(RUNC)


async def test_a_computer_without_a_kernel_has_none(engine, computer, tmp_path):
    place = replace(computer(), kernel=tmp_path)
    with pytest.raises(NoSuchSandbox, match="no kernel below"):
        await found(engine, "vm", place)


@pytest.mark.parametrize(("option", "word"), [("network", "no network"), ("gpus", "no GPU")])
async def test_apps_that_need_what_a_machine_lacks_get_none(engine, computer, option, word):
    place = computer()
    assert await found(engine, "auto", place, **{option: True}) == Sandbox(RUNC)
    with pytest.raises(NoSuchSandbox, match=word):
        await found(engine, "vm", place, **{option: True})


async def test_runc_and_gvisor_by_name_look_at_no_machine(engine, computer):
    assert await found(engine, "runc", computer()) == Sandbox(RUNC)
    assert engine.created == {}


async def test_files_that_cannot_be_written_are_told_as_such_and_not_as_an_engine_that_is_away(
    engine, computer
):
    place = computer()
    place.base.mkdir(parents=True)
    (place.base / "runs").write_text("no folder")
    with pytest.raises(NoSuchSandbox, match="runs") as told:
        await found(engine, "vm", place)
    assert "start Docker" not in str(told.value)


@pytest.mark.parametrize(
    ("gone", "fault", "word"),
    [("images", DiskUnready, "free some space"), ("kvm", SandboxUnready, "kvm is gone")],
)
async def test_a_run_whose_machine_has_not_its_files_waits_for_the_operator(
    engine, computer, spec, gone, fault, word
):
    place = computer()
    engine.images[IMAGE] = {**PLAIN, "Id": "sha256:ab"}
    folder = place.base / "images"
    folder.mkdir(parents=True)
    if gone == "kvm":
        (folder / "ab").mkdir()
        (folder / "ab/root.squashfs").touch()
        place.kvm.unlink()
    else:
        folder.rmdir()
        folder.touch()
    async with serving(engine) as url:
        docker = connect(url)
        try:
            machines = VirtualMachines(docker, place, "{}")
            sandbox = Sandbox(VM, vm_processor=VmProcessor.KVM)
            terms = SandboxTerms("65534:65534", "/tmp")
            with pytest.raises(fault, match=word):
                await machines.config(replace(spec, image=IMAGE), terms, sandbox)
        finally:
            await docker.close()


def test_a_kernel_that_is_updated_makes_another_image(computer):
    place = computer()
    before = VmTools.found(place.kernel).name()
    Path(place.kernel / "boot/vmlinuz-6.1.0").write_bytes(b"another kernel")
    assert VmTools.found(place.kernel).name() != before
