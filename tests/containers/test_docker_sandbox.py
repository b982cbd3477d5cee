"""The sandbox, provoked for real: every limit is run into."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from aiodocker import Docker
from container_world import ENGINE, FORKS, MIB, shrink, until
from tiny_image import NAME

from poolhand.observe.kernel_log import KERNEL_LOG

pytestmark = pytest.mark.docker

STATUS = "print(open('/proc/self/status').read())"


def field(outcome, name):
    lines = outcome.stdout.decode().splitlines()
    return next(line.split(":", 1)[1].split() for line in lines if line.startswith(f"{name}:"))


async def test_an_app_without_a_user_runs_as_nobody_without_capabilities(docker_world):
    outcome = await docker_world.python(STATUS)
    assert field(outcome, "Uid") == [str(os.getuid() or 65534)] * 4
    assert {field(outcome, f"Cap{kind}")[0] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {
        "0" * 16
    }
    assert field(outcome, "NoNewPrivs") == ["1"]
    assert field(outcome, "Seccomp") == ["2"]


@pytest.mark.skipif(os.getuid() != 0, reason="a worker that is not root gives its own uid to all")
@pytest.mark.parametrize(
    ("variant", "uid"), [("own-user", "1000"), ("root-user", "0"), ("root-home", "0")]
)
async def test_an_image_that_needs_its_user_keeps_it_but_no_capability(docker_world, variant, uid):
    write = "open('/iexec_out/mine', 'w').write('x')\n" + STATUS
    outcome = await docker_world.python(write, image=f"{NAME}:{variant}")
    assert outcome.exit_code == 0, outcome.stderr
    assert field(outcome, "Uid") == [uid] * 4
    assert field(outcome, "CapEff") == ["0" * 16]
    assert (docker_world.output / "mine").read_text() == "x"


async def test_only_the_output_and_tmp_can_be_written(docker_world):
    (docker_world.input / "data").write_text("in")
    code = """
import errno, json, os
def attempt(path):
    try:
        open(path, 'w').write('x')
    except OSError as fault:
        return errno.errorcode[fault.errno]
print(json.dumps({p: attempt(p) for p in ('/usr/x', '/etc/x', '/x', '/iexec_in/data', '/iexec_in/new',
    '/iexec_out/x', '/tmp/x')} | {'read': open('/iexec_in/data').read(), 'home': os.environ['HOME']}))
"""
    told = json.loads((await docker_world.python(code)).stdout)
    assert told == {
        "/usr/x": "EROFS", "/etc/x": "EROFS", "/x": "EROFS", "/iexec_in/data": "EROFS",
        "/iexec_in/new": "EROFS", "/iexec_out/x": None, "/tmp/x": None,
        "read": "in", "home": "/tmp",
    }  # fmt: skip


@pytest.mark.case("A5")
async def test_a_volume_that_an_image_asks_for_is_bounded_and_goes_with_the_container(docker_world):
    code = """
print(open('/data/x', 'w').write('x'), open('/iexec_out/x', 'w').write('x'))
for n in range(9): open(f'/data/{n}', 'wb').write(bytes(2**20))
"""
    outcome = await docker_world.python(code, image=f"{NAME}:volume")
    assert outcome.stdout == b"1 1\n"
    assert b"No space left" in outcome.stderr
    assert (docker_world.output / "x").read_text() == "x"


async def test_no_volume_is_made_in_the_engine(docker_world):
    spec = docker_world.program("token", image=f"{NAME}:volume")
    running = asyncio.create_task(docker_world.runtime.run(spec))
    await until(docker_world.token)
    async with Docker(ENGINE) as docker:
        mounts = (await docker.containers.container(spec.name).show())["Mounts"]
    docker_world.release()
    await running
    assert {each["Type"] for each in mounts} <= {"bind", "tmpfs"}


async def test_tmp_is_bounded_and_may_hold_programs(docker_world):
    code = """
import os, shutil, subprocess
shutil.copy('/usr/bin/python3', '/tmp/p')
print(subprocess.run(['/tmp/p', '-c', 'print(42)'], capture_output=True, text=True).stdout.strip())
os.unlink('/tmp/p')
for n in range(9): open(f'/tmp/{n}', 'wb').write(bytes(2**20))
"""
    outcome = await docker_world.python(code)
    assert outcome.stdout == b"42\n"
    assert b"No space left" in outcome.stderr


async def test_there_is_no_network(docker_world):
    code = """
import errno, os, socket
print(sorted(os.listdir('/sys/class/net')))
try:
    socket.create_connection(('192.0.2.1', 80), 2)
except OSError as fault:
    print(errno.errorcode[fault.errno])
"""
    assert (await docker_world.python(code)).stdout == b"['lo']\nENETUNREACH\n"


async def test_the_engine_is_out_of_reach(docker_world):
    code = "import os; print([p for p in ('/var/run/docker.sock', '/run/docker.sock') if os.path.exists(p)])"
    assert (await docker_world.python(code)).stdout == b"[]\n"


async def test_memory_is_bounded(docker_world):
    outcome = await docker_world.python("x = bytearray(200 * 2**20)")
    assert (outcome.exit_code, outcome.timed_out) == (137, False)
    if os.access(KERNEL_LOG, os.R_OK):  # else Docker 20.10 alone tells it, and not always
        assert outcome.out_of_memory


async def test_processes_are_bounded(docker_world):
    outcome = await docker_world.python(FORKS)
    name, count = outcome.stdout.split()
    assert name == b"BlockingIOError"
    assert int(count) < 32


async def test_time_is_bounded(docker_world):
    outcome = await docker_world.python("import time; time.sleep(60)", timeout=1)
    assert (outcome.timed_out, outcome.exit_code) == (True, 137)
    assert 1 <= outcome.seconds < 5


async def test_an_app_that_ignores_signals_is_killed_too(docker_world):
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    assert (await docker_world.python(code, timeout=1)).timed_out


@pytest.mark.parametrize(
    "code",
    [
        "f = open('/iexec_out/one', 'wb')\nwhile True: f.write(bytes(2**20))",
        "import itertools\nfor n in itertools.count():\n open(f'/iexec_out/{n}', 'wb').write(bytes(2**19))",
        "import itertools\nfor n in itertools.count(): open(f'/iexec_out/{n}', 'w').close()",
        "import os\nf = open('/iexec_out/hole', 'wb')\nos.truncate(f.fileno(), 2**22 + 1)",
    ],
    ids=["one file", "many files", "empty files", "a hole"],
)
async def test_output_is_bounded(docker_world, code):
    outcome = await docker_world.python(code, timeout=30)
    assert (outcome.output_too_large, outcome.timed_out) == (True, False)


async def test_folders_nested_without_end_are_cut_off_and_removed(docker_world):
    code = (
        "import os\nos.chdir('/iexec_out')\nwhile True:\n os.mkdir('d' * 200); os.chdir('d' * 200)"
    )
    outcome = await docker_world.python(code, timeout=30)
    assert (outcome.output_too_large, outcome.timed_out) == (True, False)
    assert (await docker_world.python("pass")).output_too_large is False


async def test_logs_are_cut_to_their_tail_without_altering_a_byte(docker_world):
    code = "import sys\nsys.stdout.buffer.write(b'line\\n' * 60000 + bytes(range(256)) * 2)"
    outcome = await docker_world.python(code, limits=shrink(log=1000))
    assert outcome.stdout == (b"line\n" * 98 + bytes(range(256)) * 2)[-1000:]


async def test_cores_and_open_files_are_bounded(docker_world):
    code = """
import resource as r
print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE)[1] <= 16384, r.getrlimit(r.RLIMIT_FSIZE)[1])
"""
    told = (await docker_world.python(code)).stdout.decode().strip()
    assert told == f"(0, 0) True {8 * MIB + 1}"


async def test_the_environment_is_handed_over(docker_world):
    spec = docker_world.spec(
        "python3", "-c", "import os; print(os.environ['IEXEC_OUT'])",
        environment={"IEXEC_OUT": "/iexec_out"},
    )  # fmt: skip
    assert (await docker_world.runtime.run(spec)).stdout == b"/iexec_out\n"


async def test_an_app_may_talk_to_itself(docker_world):
    code = """
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname(), 2)
client.sendall(b'x')
print(server.accept()[0].recv(1))
"""
    assert (await docker_world.python(code)).stdout == b"b'x'\n"


CALLS = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
def tell(name, *arguments):
    done = libc.syscall(*(ctypes.c_long(each) for each in arguments))
    print(name, 'ok' if done >= 0 else errno.errorcode[ctypes.get_errno()])
socket = {'x86_64': 41, 'aarch64': 198}[platform.machine()]
tell('io_uring_setup', 425, 8, 0)
for family in (40, 38, 17, (1 << 32) | 40, 1, 2, 10, 16):
    tell(f'socket-{family}', socket, family, 3 if family == 16 else 1, 0)
"""


@pytest.mark.case("A10")
async def test_io_uring_and_sockets_to_the_host_are_refused(docker_world):
    told = dict(
        line.split() for line in (await docker_world.python(CALLS)).stdout.decode().splitlines()
    )
    refused = {"io_uring_setup", "socket-40", "socket-38", "socket-17", f"socket-{(1 << 32) | 40}"}
    assert {name for name, how in told.items() if how == "EPERM"} == refused
    assert {name for name, how in told.items() if how == "ok"} == {
        "socket-1", "socket-2", "socket-10", "socket-16"
    }  # fmt: skip


@pytest.mark.case("A10")
async def test_threads_processes_timers_and_shared_memory_work(docker_world):
    """What Node, Java, numpy and the like are made of."""
    code = """
import asyncio, ctypes, fcntl, mmap, os, select, signal, socket, subprocess, tempfile, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: n * n, range(100))))
with ProcessPoolExecutor(2) as pool:
    print(list(pool.map(abs, [-1, -2])))
print(subprocess.run(['/usr/bin/python3', '-c', 'print(42)'], capture_output=True).stdout)
print(asyncio.run(asyncio.wait_for(asyncio.sleep(0, 'slept'), 1)))
area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); area.write(b'x')
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.sigwait({signal.SIGALRM})
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1); os.getrandom(8)
left, right = socket.socketpair(); left.send(b'x'); print(right.recv(1))
with tempfile.TemporaryFile() as file:
    fcntl.flock(file, fcntl.LOCK_EX); os.posix_fallocate(file.fileno(), 0, 4096)
print(os.memfd_create('x') > 2, select.epoll().fileno() > 2, os.eventfd(0) > 2)
"""
    code = code.replace(
        "signal.setitimer",
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}); signal.setitimer",
    )
    outcome = await docker_world.python(code)
    assert outcome.stderr == b""
    assert outcome.stdout.splitlines() == [
        b"328350", b"[1, 2]", b"b'42\\n'", b"slept", b"b'x'", b"True True True"
    ]  # fmt: skip


@pytest.mark.case("N7")
async def test_an_app_cannot_make_the_kernel_spare_it(docker_world):
    code = """
import os
for process in ('self', '1'):
    try:
        open(f'/proc/{process}/oom_score_adj', 'w').write('-1000')
    except OSError as fault:
        print(type(fault).__name__)
print(open('/proc/self/oom_score_adj').read())
"""
    told = (await docker_world.python(code)).stdout.split()
    assert int(told[-1]) >= 500
