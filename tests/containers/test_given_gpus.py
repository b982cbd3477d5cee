"""A container that is given a GPU sees just that one and may open it; any other container none.

The GPUs are simulated (``simulated_gpus``): what a container computes on one is not tried here, see
``make gpu-check``. Where the engine is real, so is all else. The engine of these tests knows no
device by name (CDI); what a newer one is asked for is looked at over an engine in memory.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from container_world import ENGINE, World, until
from fake_engine import IMAGE, PLAIN, FakeEngine, serving

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.errors import GpuUnready
from poolhand.containers.gpu_locks import GpuInUse, locked_gpus
from poolhand.containers.gpus import LIBRARIES_INSIDE, cdi_name, driver_libraries
from poolhand.observe.gpus import find_gpus
from poolhand.ports.runtime import GPU_LABEL
from simulated_gpus import LIBRARIES, make_amd, make_nvidia, uuid

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
LOOK = (
    "import glob, os\n"
    "print(*sorted(glob.glob('/dev/nvidia*') + glob.glob('/dev/dri/*') + glob.glob('/dev/kfd')))\n"
    "for name in sorted(glob.glob('/dev/nvidia[0-9]') + glob.glob('/dev/dri/*')):\n"
    "    os.close(os.open(name, os.O_RDWR)); print('opened', name)\n"
    "print(os.environ.get('LD_LIBRARY_PATH'), os.environ['NVIDIA_VISIBLE_DEVICES'])\n"
    f"print(*sorted(os.listdir('{LIBRARIES_INSIDE}') if os.path.exists('{LIBRARIES_INSIDE}') else ()))\n"
)
WAITS = LOOK + (
    "open('/iexec_out/token','w').write('x')\n"
    "import time\n"
    "while not os.path.exists('/iexec_in/go'): time.sleep(0.01)\n"
)
SHARED = "/dev/nvidia-uvm /dev/nvidia-uvm-tools"


def with_gpu(spec, gpu):
    return replace(spec, gpu=gpu, labels={**spec.labels, GPU_LABEL: gpu.name})


@asynccontextmanager
async def seeing(root, disks):
    async with DockerRuntime.open(ENGINE, disks=disks, gpus=True, files=root) as runtime:
        yield runtime, find_gpus(root).usable


def seen(outcome):
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout.decode().splitlines()


@pytest.mark.docker
@pytest.mark.parametrize("number", [0, 2])
async def test_what_is_given_one_sees_that_one_alone_and_can_open_it(
    docker_world, tmp_path, number
):
    """The third may be opened by no container that is not given it: its number is not allowed."""
    async with seeing(make_nvidia(tmp_path / "root", 3), docker_world.disks) as (runtime, gpus):
        spec = with_gpu(docker_world.spec("python3", "-c", LOOK), gpus[number])
        devices, opened, variables, libraries = seen(await runtime.run(spec))
    own = f"/dev/nvidia{number}"
    assert sorted(devices.split()) == sorted([own, *SHARED.split(), "/dev/nvidiactl"])
    assert opened == f"opened {own}"
    assert variables == f"{LIBRARIES_INSIDE} void"
    assert libraries.split() == sorted(
        ["libcuda.so", "libcuda.so.1", "libcuda.so.550.1", "libnvidia-ml.so.1",
         "libnvidia-ml.so.550.1", "libnvidia-ptxjitcompiler.so.1",
         "libnvidia-ptxjitcompiler.so.550.1"]
    )  # fmt: skip


@pytest.mark.docker
async def test_what_is_given_none_sees_none(docker_world, tmp_path):
    async with seeing(make_nvidia(tmp_path / "root"), docker_world.disks) as (runtime, _):
        spec = docker_world.spec("python3", "-c", LOOK)
        asks = replace(spec, environment={"NVIDIA_VISIBLE_DEVICES": "all"})
        assert seen(await runtime.run(asks)) == ["", "None void", ""]


@pytest.mark.docker
async def test_amds_are_opened_by_their_group(docker_world, tmp_path):
    async with seeing(make_amd(tmp_path / "root", 2), docker_world.disks) as (runtime, gpus):
        spec = with_gpu(docker_world.spec("python3", "-c", LOOK), gpus[1])
        devices, opened, variables, libraries = seen(await runtime.run(spec))
    assert devices.split() == ["/dev/dri/renderD129", "/dev/kfd"]
    assert opened == "opened /dev/dri/renderD129"
    assert (variables, libraries) == ("None void", "")


@pytest.mark.docker
async def test_what_a_container_has_outlives_who_began_it(docker_world, tmp_path):
    async with seeing(make_nvidia(tmp_path / "root"), docker_world.disks) as (runtime, gpus):
        docker_world.hold()
        spec = with_gpu(docker_world.spec("python3", "-c", WAITS), gpus[1])
        label = "=".join(next(iter(docker_world.labels.items())))
        running = asyncio.create_task(runtime.run(spec))
        await until(docker_world.token)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    async with seeing(tmp_path / "root", docker_world.disks) as (runtime, _):
        assert await runtime.held_gpus(label) == {spec.name: uuid(1)}
        docker_world.release()
        outcome = await runtime.run(spec)
        assert outcome.joined
        assert "opened /dev/nvidia1" in seen(outcome)
        assert await runtime.held_gpus(label) == {}


@pytest.mark.docker
async def test_a_driver_that_has_gone_is_no_fault_of_the_app(docker_world, tmp_path):
    root = make_nvidia(tmp_path / "root")
    async with seeing(root, docker_world.disks) as (runtime, gpus):
        spec = with_gpu(docker_world.spec("python3", "-c", LOOK), gpus[0])
        (root / LIBRARIES / "libcuda.so.550.1").unlink()
        with pytest.raises(GpuUnready, match=r"libcuda\.so\.1 of NVIDIA's driver"):
            await runtime.run(spec)
        (root / "dev/nvidia0").unlink()
        with pytest.raises(GpuUnready, match="lost its device file /dev/nvidia0"):
            await runtime.run(spec)


# ---------------------------------------------------------------------------- an engine in memory


@pytest.fixture
def simulated(tmp_path):
    return World(tmp_path)


@asynccontextmanager
async def asked(root, info, image=PLAIN):
    """Run a container with the first GPU of a computer; gives what the engine was asked for."""
    engine = FakeEngine()
    engine.images, engine.info = {IMAGE: image}, info
    async with serving(engine) as url, DockerRuntime.open(url, gpus=True, files=root) as runtime:
        yield engine, runtime


async def created(world, root, info, **changes):
    gpu = find_gpus(root).usable[0]
    async with asked(root, info, **changes) as (engine, runtime):
        await runtime.run(with_gpu(world.spec("true", image=IMAGE), gpu))
        return engine.created[world.name]


@pytest.mark.parametrize("name", [uuid(0), "0"])
async def test_an_engine_that_knows_the_gpu_by_name_is_asked_for_it(simulated, tmp_path, name):
    root = make_nvidia(tmp_path / "root")
    known = {"DiscoveredDevices": [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"}]}
    host = (await created(simulated, root, known))["HostConfig"]
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={name}"]}]
    assert "Devices" not in host
    assert not [each for each in host["Mounts"] if "nvidia" in each["Target"]]


async def test_an_engine_that_knows_it_not_is_given_its_files(simulated, tmp_path):
    root = make_nvidia(tmp_path / "root")
    for info in ({}, {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=7"}]}):
        simulated.name += "x"
        host = (await created(simulated, root, info))["HostConfig"]
        assert "DeviceRequests" not in host
        inside = [each["PathInContainer"] for each in host["Devices"]]
        assert inside == ["/dev/nvidia0", "/dev/nvidiactl", *SHARED.split()]
        assert {each["CgroupPermissions"] for each in host["Devices"]} == {"rw"}
        assert all(each["ReadOnly"] for each in host["Mounts"] if "nvidia" in each["Target"])


async def test_an_images_own_libraries_come_after_the_drivers(simulated, tmp_path):
    root = make_nvidia(tmp_path / "root")
    path = f"/usr/local/cuda/lib64/stubs:{LIBRARIES_INSIDE}:/app/lib"
    image = {**PLAIN, "Config": {**PLAIN["Config"], "Env": [f"LD_LIBRARY_PATH={path}"]}}
    told = (await created(simulated, root, {}, image=image))["Env"]
    assert f"LD_LIBRARY_PATH={LIBRARIES_INSIDE}:/usr/local/cuda/lib64/stubs:/app/lib" in told


NVIDIA_FIRST = {
    "DefaultRuntime": "nvidia",
    "Runtimes": {"nvidia": {"path": "nvidia-container-runtime"}, "runc": {"path": "runc"}},
}


async def test_an_engine_whose_own_choice_hands_gpus_out_is_asked_for_runc(simulated, tmp_path):
    """And if it runs that all the same: images that ask for every GPU are told of none."""
    image = {**PLAIN, "Config": {**PLAIN["Config"], "Env": ["NVIDIA_VISIBLE_DEVICES=all"]}}
    async with asked(tmp_path, NVIDIA_FIRST, image) as (engine, runtime):
        await runtime.run(simulated.spec("true", image=IMAGE))
        body = engine.created[simulated.name]
    assert body["HostConfig"]["Runtime"] == "runc"
    assert "NVIDIA_VISIBLE_DEVICES=void" in body["Env"]
    assert dict(runtime.sandbox.passed_over) == {
        "nvidia": "it gives every app that asks for them all GPUs of this machine"
    }


def test_an_amd_is_never_asked_for_by_name(tmp_path):
    (gpu,) = find_gpus(make_amd(tmp_path)).usable
    assert cdi_name(gpu, {f"nvidia.com/gpu={gpu.name}", "nvidia.com/gpu=0"}) == ""


def test_a_library_of_32_bits_is_passed_over_for_one_that_the_linker_is_told_of(tmp_path):
    root = make_nvidia(tmp_path, 1)
    (root / "opt").mkdir()
    (root / LIBRARIES).rename(root / "opt/driver")
    (root / "usr/lib").mkdir(exist_ok=True)
    (root / "usr/lib/libcuda.so.1").write_bytes(b"\x7fELF\x01")
    listed = root / "etc/ld.so.conf.d/driver.conf"
    listed.parent.mkdir(parents=True)
    listed.write_text("# NVIDIA\n/opt/driver\n")
    mounts = {each.target: each.source for each in driver_libraries(root)}
    assert mounts[f"{LIBRARIES_INSIDE}/libcuda.so.1"] == str(root / "opt/driver/libcuda.so.550.1")


def test_a_gpu_is_one_workers_of_a_computer(tmp_path):
    gpus = find_gpus(make_nvidia(tmp_path / "root")).usable
    with locked_gpus(tmp_path, gpus[:1]):
        told = rf"GPU 0 .*process {os.getpid()}\): name the others"
        with pytest.raises(GpuInUse, match=told), locked_gpus(tmp_path, gpus):
            pass
        with locked_gpus(tmp_path, gpus[1:]):
            pass
    with locked_gpus(tmp_path, gpus):
        pass
