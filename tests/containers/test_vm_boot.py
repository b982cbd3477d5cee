"""Apps in virtual machines that boot for real: what the suite of all engines does not look at.

One machine takes seconds, so that one looks at many things. Where QEMU or a kernel is missing these
are skipped and say so; ``scripts/guest_kernel.py`` gets both.
"""

from __future__ import annotations

import json

import pytest
from container_world import MIB, shrink
from tiny_image import NAME

pytestmark = pytest.mark.docker

LOOK = """
import ctypes, errno, json, os, resource, socket, subprocess
told = {}
def attempt(name, work):
    try:
        told[name] = work() and 'ok' or 'ok'
    except OSError as fault:
        told[name] = errno.errorcode[fault.errno]
for path in ('/usr/x', '/etc/x', '/x', '/iexec_in/x', '/iexec_out/x', '/tmp/x', '/proc/sysrq-trigger'):
    attempt(path, lambda: open(path, 'w').write('x'))
attempt('device', lambda: os.mknod('/iexec_out/null', 0o020666, os.makedev(1, 3)))
attempt('network', lambda: socket.create_connection(('192.0.2.1', 80), 2))
attempt('vsock', lambda: socket.socket(40, 1))
for n in range(9):
    attempt('tmp is full', lambda: open(f'/tmp/{n}', 'wb').write(bytes(2**20)))
os.symlink('/etc/shadow', '/iexec_out/link')
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
told |= {name: status[name].split() for name in ('Uid', 'CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp')}
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(425, 8, 0)
told['io_uring'] = errno.errorcode[ctypes.get_errno()]
told['processes'] = sorted(int(each) for each in os.listdir('/proc') if each.isdigit())
told['links'] = os.listdir('/sys/class/net')
told['limits'] = [resource.getrlimit(resource.RLIMIT_CORE)[1], resource.getrlimit(resource.RLIMIT_FSIZE)[1]]
told['environment'] = {name: os.environ.get(name) for name in ('HOME', 'IEXEC_OUT')}
server = socket.create_server(('127.0.0.1', 0))
socket.create_connection(server.getsockname(), 2)
print(json.dumps(told))
"""


async def test_an_app_has_in_its_machine_what_it_has_in_a_container_and_no_more(vm_world):
    spec = vm_world.spec(
        "python3", "-c", LOOK, environment={"IEXEC_OUT": "/iexec_out"}, timeout=600
    )
    outcome = await vm_world.runtime.run(spec)
    told = json.loads(outcome.stdout)
    assert outcome.exit_code == 0, outcome.stderr
    for path in ("/usr/x", "/etc/x", "/x", "/iexec_in/x", "/proc/sysrq-trigger"):
        assert told[path] == "EROFS", path
    assert (told["/iexec_out/x"], told["/tmp/x"]) == ("ok", "ok")
    assert (told["device"], told["network"], told["io_uring"]) == ("EPERM", "ENETUNREACH", "EPERM")
    assert told["vsock"] == "EAFNOSUPPORT"
    assert told["tmp is full"] == "ENOSPC"
    none = ["0" * 16]
    assert (told["CapEff"], told["CapBnd"]) == (none, none)
    assert (told["Uid"], told["NoNewPrivs"], told["Seccomp"]) == (["65534"] * 4, ["1"], ["2"])
    assert (told["processes"], told["links"]) == ([1, 2], ["lo"])
    assert told["limits"] == [0, 8 * MIB + 1]
    assert told["environment"] == {"HOME": "/tmp", "IEXEC_OUT": "/iexec_out"}
    assert (vm_world.output / "x").read_text() == "x"
    assert (vm_world.output / "link").is_symlink()
    assert not (vm_world.output / "null").exists()


FULL = """
import os, sys
sys.stdout.buffer.write(b'line\\n' * 3000 + bytes(range(256)))
sys.stdout.flush()
if os.fork() == 0:
    os.setsid()
    os.execlp('python3', 'python3', '-c', 'import time; time.sleep(600)')
x = bytearray(200 * 2**20)
"""


async def test_memory_that_runs_out_ends_the_app_and_what_it_left_running(vm_world):
    spec = vm_world.spec("python3", "-c", FULL, limits=shrink(log=1000), timeout=600)
    outcome = await vm_world.runtime.run(spec)
    assert (outcome.exit_code, outcome.out_of_memory, outcome.timed_out) == (137, True, False)
    assert outcome.stdout == (b"line\n" * 3000 + bytes(range(256)))[-1000:]


async def test_an_image_keeps_its_user_and_a_program_that_is_not_there_is_told(vm_world):
    spec = vm_world.spec("no-such-program", image=f"{NAME}:own-user", timeout=600)
    outcome = await vm_world.runtime.run(spec)
    assert outcome.exit_code == 127
    assert b"no-such-program" in outcome.stderr


async def test_nothing_of_a_run_is_left_and_its_images_disk_is_kept(vm_world, vm_base):
    await vm_world.python("pass", timeout=600)
    assert list((vm_base / "runs").iterdir()) == []
    assert list((vm_base / "images").glob("*/root.squashfs"))
