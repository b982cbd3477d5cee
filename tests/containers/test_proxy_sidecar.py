"""An app that may reach hosts: by its sidecar alone, to these alone, and over lives of its worker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
from aiodocker import Docker
from container_world import ENGINE, until
from tiny_image import NAME

from poolhand.containers.errors import SidecarUnready
from poolhand.containers.host_paths import OutsidePaths
from poolhand.containers.proxy_sidecar import (
    PROXY_PORT,
    ProxySidecars,
    proxy_environment,
    sidecar_name,
)
from poolhand.containers.seccomp import PROFILE
from poolhand.domain.ids import TaskId
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings
from poolhand.settings.load import load
from poolhand.transport.address_rule import AddressRule
from poolhand.transport.clock import SystemClock
from poolhand.transport.downloading import FetchRules
from poolhand.transport.fetcher_process import FetcherProcess
from poolhand.worker.app_network import AppNetwork
from poolhand.worker.doctor.hosts_look import look_at_hosts

pytestmark = pytest.mark.docker
TASK = TaskId(bytes(32))
ASK = f"""
import os, socket, sys
def ask(host):
    with socket.create_connection(('127.0.0.1', {PROXY_PORT}), 20) as s:
        s.sendall(f'CONNECT {{host}} HTTP/1.1\\r\\nHost: {{host}}\\r\\n\\r\\n'.encode())
        head = b''
        while b'\\r\\n\\r\\n' not in head:
            data = s.recv(1)
            if not data: break
            head += data
        if b' 200 ' not in head: return head.split()[1].decode()
        s.sendall(b'hello')
        return s.recv(5).decode()
"""
LOOK = (
    ASK
    + """
def reach(*place):
    try:
        socket.create_connection(place, 2).close()
        return 'reached'
    except OSError as fault:
        return type(fault).__name__
print(ask('HOST'), ask('other.example:443'), ask('169.254.169.254:80'))
print(sorted(os.listdir('/sys/class/net')), os.environ.get('https_proxy'))
print(reach('10.0.0.1', 80), reach('169.254.169.254', 80), reach('172.17.0.1', 22))
try: print(socket.getaddrinfo('there.example', 443))
except OSError: print('no names')
"""
)
WAIT = (
    ASK
    + """
import time
print(ask('HOST'), flush=True)
open('/iexec_out/token', 'w').write('x')
while not os.path.exists('/iexec_in/go'): time.sleep(0.01)
print(ask('HOST'))
"""
)


class Downloads:
    """The process that downloads, for which every name leads to this machine; keeps reports."""

    def __init__(self, process):
        self.process, self.reports = process, []

    async def let_through(self, *told):
        self.reports.append(await self.process.let_through(*told))
        return self.reports[-1]


async def here(_host, _port):
    return (ip_address("127.0.0.1"),)


@pytest.fixture
async def echo():
    async def answer(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"there.example:{server.sockets[0].getsockname()[1]}"
    server.close()


def app(world, tmp_path, code, host):
    spec = world.spec("python3", "-c", code.replace("HOST", host), environment=proxy_environment())
    return replace(spec, proxy=str(tmp_path / "proxy"))


@asynccontextmanager
async def let_through(tmp_path, host):
    rules = FetchRules(AddressRule(allow_private=True))
    async with FetcherProcess(rules, 10**6, resolver=here).at_work() as process:
        tunnels = Downloads(process)
        network = AppNetwork(tunnels, 10**6, SystemClock())
        async with network.open_to(TASK, tmp_path / "proxy", (host,)):
            yield tunnels


async def containers(world):
    key, value = next(iter(world.labels.items()))
    async with Docker(ENGINE) as docker:
        found = await docker.containers.list(all=True, filters={"label": [f"{key}={value}"]})
        return [each["Names"][0].removeprefix("/") for each in found]


async def test_an_app_reaches_the_hosts_of_its_order_and_nothing_else(
    sidecar_world, tmp_path, echo
):
    async with let_through(tmp_path, echo) as tunnels:
        outcome = await sidecar_world.runtime.run(app(sidecar_world, tmp_path, LOOK, echo))
    assert (outcome.exit_code, outcome.stderr) == (0, b"")
    answers, sight, others, names = outcome.stdout.decode().splitlines()
    assert answers == "hello 403 403"
    assert sight == f"['lo'] http://127.0.0.1:{PROXY_PORT}"
    assert "reached" not in others
    assert names == "no names"
    assert sorted(each.address for each in tunnels.reports) == ["", "", "127.0.0.1"]
    assert await containers(sidecar_world) == []


async def test_an_app_goes_on_with_the_next_life_of_its_worker(sidecar_world, tmp_path, echo):
    spec = app(sidecar_world, tmp_path, WAIT, echo)
    async with let_through(tmp_path, echo):
        first = asyncio.create_task(sidecar_world.runtime.run(spec))
        await until(sidecar_world.token)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    async with let_through(tmp_path, echo):
        second = asyncio.create_task(sidecar_world.runtime.run(spec))
        (sidecar_world.input / "go").touch()
        outcome = await second
    assert (outcome.exit_code, outcome.stdout) == (0, b"hello\nhello\n")
    assert outcome.joined


async def test_a_sweep_spares_a_door_with_its_app_and_removes_it_with_it(
    sidecar_world, tmp_path, echo
):
    spec = app(sidecar_world, tmp_path, WAIT, echo)
    (label,) = [f"{key}={value}" for key, value in sidecar_world.labels.items()][-1:]
    async with let_through(tmp_path, echo):
        running = asyncio.create_task(sidecar_world.runtime.run(spec))
        await until(sidecar_world.token)
        assert await sidecar_world.runtime.orphans(label) == (spec.name,)
        assert await sidecar_world.runtime.sweep(label, lambda name: name == spec.name) == ()
        assert sorted(await containers(sidecar_world)) == [spec.name, sidecar_name(spec.name)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await sidecar_world.runtime.sweep(label, lambda _: False) == (spec.name,)
    assert await containers(sidecar_world) == []


async def test_without_an_image_for_doors_no_app_is_let_through(docker_world, tmp_path):
    assert "--network-image" in await docker_world.runtime.hosts_lack()
    with pytest.raises(SidecarUnready, match="--network-image"):
        await docker_world.runtime.run(app(docker_world, tmp_path, "", "x.example:443"))


async def test_what_an_engine_can_let_through_is_told(sidecar_world):
    assert await sidecar_world.runtime.hosts_lack() is None


def looking(tmp_path, image):
    flags = {"docker": ENGINE, "network-hosts": "a.example", "network-image": image}
    flags |= {"base-dir": str(tmp_path), "sandbox": "runc"}
    return look_at_hosts(doctor_settings(load(DOCTOR_OPTIONS, flags, {}, None), {}))


async def test_the_doctor_has_a_container_let_through_and_says_why_one_is_not(
    sidecar_world, tmp_path
):
    assert await looking(tmp_path, f"{NAME}:plain") == ""
    assert "docker pull it" in await looking(tmp_path, "no.example/such:image")
    assert "python3" in await looking(tmp_path, f"{NAME}:no-python")
    assert list(tmp_path.glob("poolhand-doctor-*")) == []
    async with Docker(ENGINE) as docker:
        found = await docker.containers.list(all=True)
    assert [each for each in found if "poolhand-trial" in each["Names"][0]] == []


@pytest.mark.parametrize("level", [SandboxLevel.GVISOR, SandboxLevel.VM])
async def test_where_apps_have_a_loopback_interface_of_their_own_none_is_let_through(level):
    async with Docker(ENGINE) as docker:
        sidecars = ProxySidecars(docker, OutsidePaths(docker, None), PROFILE, f"{NAME}:plain")
        assert "only --sandbox runc" in await sidecars.lack(Sandbox(level))
