"""A Slurm cluster beyond the common suite: the sandbox, lost nodes, and whose failure it was."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack

import pytest
from container_world import MIB, shrink, until

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.slurm.engine import SlurmRuntime

pytestmark = pytest.mark.slurm

LOOK = """
import errno, json, os, socket
def attempt(path):
    try:
        open(path, 'w').write('x')
    except OSError as fault:
        return errno.errorcode[fault.errno]
def connect():
    try:
        socket.create_connection(('192.0.2.1', 80), 2)
    except OSError as fault:
        return errno.errorcode[fault.errno]
def call(number, *arguments):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(*(ctypes.c_long(each) for each in (number, *arguments)))
    return 'ok' if done >= 0 else errno.errorcode[ctypes.get_errno()]
import resource as r
status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
print(json.dumps({
    'uid': status['Uid'].split(), 'caps': [status[f'Cap{k}'] for k in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')],
    'privileges': status['NoNewPrivs'], 'seccomp': status['Seccomp'],
    'writes': {p: attempt(p) for p in ('/usr/x', '/etc/x', '/x', '/iexec_in/x', '/iexec_out/x', '/tmp/x')},
    'net': sorted(os.listdir('/sys/class/net')), 'connect': connect(),
    'io_uring': call(425, 8, 0), 'vsock': call(41, 40, 1, 0), 'inet': call(41, 2, 1, 0),
    'processes': sum(each.isdigit() for each in os.listdir('/proc')),
    'limits': [r.getrlimit(r.RLIMIT_CORE)[1], r.getrlimit(r.RLIMIT_FSIZE)[1]],
    'oom': attempt('/proc/self/oom_score_adj'), 'sysctl': attempt('/proc/sys/kernel/hostname'),
    'environment': sorted(os.environ), 'hidden': [p for p in ('/run/munge', '/etc/slurm', '/root/.ssh') if os.path.exists(p)],
}))
"""


async def test_an_app_is_in_the_sandbox(slurm_world):
    told = json.loads((await slurm_world.python(LOOK)).stdout)
    assert told == {
        "uid": [str(65534)] * 4 if os.getuid() == 0 else ["0"] * 4,
        "caps": ["0" * 16] * 5,
        "privileges": "1",
        "seccomp": "2",
        "writes": {"/usr/x": "EROFS", "/etc/x": "EROFS", "/x": "EROFS", "/iexec_in/x": "EROFS",
                   "/iexec_out/x": None, "/tmp/x": None},
        "net": ["lo"],
        "connect": "ENETUNREACH",
        "io_uring": "EPERM",
        "vsock": "EPERM",
        "inet": "ok",
        "processes": 1,
        "limits": [0, 8 * MIB + 1],
        "oom": "EROFS",
        "sysctl": "EROFS",
        "environment": ["HOME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME"],
        "hidden": [],
    }  # fmt: skip


@pytest.mark.parametrize(("variant", "uid"), [("own-user", "1000"), ("root-home", "0")])
async def test_an_image_that_needs_its_user_keeps_it(slurm_world, variant, uid):
    code = "import os; print(os.getuid()); open('/iexec_out/mine', 'w').write('x')"
    outcome = await slurm_world.python(code, image=slurm_world.images[variant])
    assert (outcome.stdout.decode().strip(), outcome.exit_code) == (uid, 0)


async def test_memory_is_bounded_and_told_from_a_failure_of_the_app(slurm_world):
    outcome = await slurm_world.python("x = bytearray(200 * 2**20)")
    assert (outcome.exit_code, outcome.timed_out, outcome.out_of_memory) == (137, False, True)
    failed = await slurm_world.python("import os, signal; os._exit(9)")
    assert (failed.exit_code, failed.out_of_memory) == (9, False)


async def test_processes_are_bounded(slurm_world):
    code = """
import os, time
count = 0
try:
    while count < 200:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError as fault:
    print(type(fault).__name__, count)
"""
    name, count = (await slurm_world.python(code)).stdout.split()
    assert name == b"BlockingIOError"
    assert int(count) < 32


async def test_time_is_bounded_to_the_second(slurm_world):
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    outcome = await slurm_world.python(code, timeout=2)
    assert (outcome.timed_out, outcome.exit_code) == (True, 137)
    assert 2 <= outcome.seconds < 3


async def test_output_is_bounded(slurm_world):
    code = "import itertools\nfor n in itertools.count():\n open(f'/iexec_out/{n}', 'wb').write(bytes(2**19))"
    outcome = await slurm_world.python(code, timeout=30)
    assert (outcome.output_too_large, outcome.timed_out) == (True, False)


async def test_logs_are_cut_to_their_tail_without_altering_a_byte(slurm_world):
    code = "import sys\nsys.stdout.buffer.write(b'line\\n' * 600000 + bytes(range(256)) * 2)"
    outcome = await slurm_world.python(code, limits=shrink(log=1000))
    assert outcome.stdout == (b"line\n" * 98 + bytes(range(256)) * 2)[-1000:]


async def test_a_program_that_is_not_there_is_the_images_fault(slurm_world):
    with pytest.raises(ContainerRefused, match="no-such-program"):
        await slurm_world.runtime.run(slurm_world.spec("no-such-program"))


async def test_a_worker_that_was_killed_finds_its_job_again(slurm_world, slurm_shared):
    slurm_world.hold()
    async with AsyncExitStack() as lives:
        first = await lives.enter_async_context(SlurmRuntime.open(slurm_shared[0]))
        running = asyncio.create_task(first.run(slurm_world.program("token")))
        await until(slurm_world.token)
        token = slurm_world.token()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    slurm_world.release()
    outcome = await slurm_world.runtime.run(slurm_world.program("token"))
    assert (outcome.exit_code, outcome.joined) == (0, True)
    assert slurm_world.token() == token


async def test_a_node_that_dies_loses_no_run(slurm_found, slurm_world):
    slurm_world.hold()
    running = asyncio.create_task(slurm_world.runtime.run(slurm_world.program("token")))
    await until(slurm_world.token)
    token = slurm_world.token()
    jobs = await slurm_world.runtime.client.jobs()
    dead = jobs[f"{slurm_world.name}.1"].node
    slurm_found.kill_node(dead)
    try:
        await until(lambda: slurm_world.token() not in (None, token))
        slurm_world.release()
        assert (await running).exit_code == 0
        jobs = await slurm_world.runtime.client.jobs()
        assert jobs[f"{slurm_world.name}.2"].node != dead
    finally:
        slurm_found.start_node(dead)
