"""A Slurm cluster beyond the common suite: the sandbox, lost nodes, and whose failure it was."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from container_world import FORKS, MIB, shrink, until
from slurm_world import SlurmWorld

from poolhand.containers.slurm.engine import SlurmRuntime

pytestmark = pytest.mark.slurm
SOMEBODY = "daemon"
"""A user whom every Debian has."""

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


ORPHANS = """
import os, signal, time
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.01)
    os._exit(0)
os.wait()
while len([each for each in os.listdir('/proc') if each.isdigit()]) > 2:
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGTERM)
"""
USER = "import os; print(os.getuid()); open('/iexec_out/mine', 'w').write('x')"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
FILLS = (
    "import itertools\nfor n in itertools.count():\n"
    " open(f'/iexec_out/{n}', 'wb').write(bytes(2**19))"
)
PRINTS = "import sys\nsys.stdout.buffer.write(b'line\\n' * 600000 + bytes(range(256)) * 2)"


def python(code, **changes):
    return lambda world: world.spec("python3", "-c", code, **changes)


RUNS = {
    "looks": python(LOOK),
    "own-user": lambda world: python(USER, image=world.images["own-user"])(world),
    "root-home": lambda world: python(USER, image=world.images["root-home"])(world),
    "takes memory": python("x = bytearray(200 * 2**20)"),
    "fails": python("import os; os._exit(9)"),
    "forks": python(FORKS),
    "leaves orphans": python(ORPHANS, timeout=30),
    "is deaf": python(DEAF, timeout=2),
    "fills": python(FILLS, timeout=30),
    "prints": python(PRINTS, limits=shrink(log=1000)),
    "is not there": lambda world: world.spec("no-such-program"),
}


@pytest.fixture(scope="module")
def outcomes(slurm_cluster, slurm_shared):
    """How each of these ended: side by side on one cluster, for each of them mostly waits."""
    shared, images = slurm_shared

    async def run_all():
        async with SlurmRuntime.open(shared) as runtime:
            specs = [
                make(SlurmWorld(runtime, shared / f"at-once-{number}", images))
                for number, make in enumerate(RUNS.values())
            ]
            return await asyncio.gather(*(runtime.run(spec) for spec in specs))

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.setenv("SLURM_CONF", str(slurm_cluster.configuration))
        ended = thread.submit(asyncio.run, run_all()).result()
    return dict(zip(RUNS, ended, strict=True))


def test_an_app_is_in_the_sandbox(outcomes):
    told = json.loads(outcomes["looks"].stdout)
    assert told == {
        "uid": [str(65534)] * 4,
        "caps": ["0" * 16] * 5,
        "privileges": "1",
        "seccomp": "2",
        "writes": {"/usr/x": "EROFS", "/etc/x": "EROFS", "/x": "EROFS", "/iexec_in/x": "EROFS",
                   "/iexec_out/x": None, "/tmp/x": None},
        "net": ["lo"],
        "connect": "ENETUNREACH",
        "io_uring": "EPERM",
        "vsock": "ENOSYS",
        "inet": "ok",
        "processes": 2,
        "limits": [0, 8 * MIB + 1],
        "oom": "EROFS",
        "sysctl": "EROFS",
        "environment": ["HOME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME"],
        "hidden": [],
    }  # fmt: skip


@pytest.mark.parametrize(("variant", "uid"), [("own-user", b"1000\n"), ("root-home", b"0\n")])
def test_an_image_that_needs_its_user_keeps_it(outcomes, variant, uid):
    assert (outcomes[variant].stdout, outcomes[variant].exit_code) == (uid, 0)


def test_memory_is_bounded_and_told_from_a_failure_of_the_app(outcomes):
    taken, failed = outcomes["takes memory"], outcomes["fails"]
    assert (taken.exit_code, taken.timed_out, taken.out_of_memory) == (137, False, True)
    assert (failed.exit_code, failed.timed_out, failed.out_of_memory) == (9, False, False)


def test_processes_are_bounded(outcomes):
    name, count = outcomes["forks"].stdout.split()
    assert name == b"BlockingIOError"
    assert int(count) < 32


def test_a_small_init_reaps_orphans_and_signals_end_an_app_that_handles_none(outcomes):
    """As with Docker's --init: process 1 would have to do both itself."""
    outcome = outcomes["leaves orphans"]
    assert (outcome.exit_code, outcome.timed_out, outcome.stderr) == (143, False, b"")


def test_an_app_is_killed_at_its_time_limit(outcomes):
    """The cluster's own is whole minutes."""
    outcome = outcomes["is deaf"]
    assert (outcome.timed_out, outcome.exit_code) == (True, 137)
    assert 2 <= outcome.seconds < 60


def test_output_is_bounded(outcomes):
    outcome = outcomes["fills"]
    assert (outcome.output_too_large, outcome.timed_out) == (True, False)


def test_logs_are_cut_to_their_tail_without_altering_a_byte(outcomes):
    assert outcomes["prints"].stdout == (b"line\n" * 98 + bytes(range(256)) * 2)[-1000:]


def test_a_command_that_is_not_there_ends_with_127(outcomes):
    outcome = outcomes["is not there"]
    assert outcome.exit_code == 127
    assert b"no-such-program" in outcome.stderr


async def test_a_run_whose_name_the_cluster_still_remembers_is_computed_anew(slurm_world):
    """A cluster tells of jobs for minutes after their end; a task may be given to a worker again."""
    codes = [(await slurm_world.python(f"import os; os._exit({n})")).exit_code for n in (3, 4)]
    assert codes == [3, 4]


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


async def test_a_run_goes_on_while_the_controller_does_not_answer(
    slurm_world, tmp_path, monkeypatch
):
    """What stands in squeue's place fails for as long as a file is there, and counts."""
    away, count, usual = tmp_path / "away", tmp_path / "count", shutil.which("squeue")
    program = tmp_path / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ ! -e {away} ] || {{ echo >>{count}; exit 1; }}\n{usual} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    slurm_world.hold()
    running = asyncio.create_task(slurm_world.runtime.run(slurm_world.program("token")))
    await until(slurm_world.token)
    away.touch()
    await until(lambda: count.exists() and len(count.read_text()) > 1)
    slurm_world.release()
    assert (await running).exit_code == 0
    away.unlink()


SAYS = """
import os, time, uuid
me = uuid.uuid4().hex
print(me, flush=True)
open('/iexec_out/new', 'w').write(me)
os.rename('/iexec_out/new', '/iexec_out/token')
while not os.path.exists('/iexec_in/go'): time.sleep(0.01)
"""


async def test_a_node_that_dies_loses_no_run_and_its_output_is_followed_to_the_next(
    slurm_found, slurm_world
):
    heard = []

    async def listen():
        async for line in slurm_world.runtime.follow(slurm_world.name, 100, live=True):
            heard.append(line.text.decode())  # noqa: PERF401 - each as it comes

    slurm_world.hold()
    running = asyncio.create_task(slurm_world.python(SAYS))
    await until(slurm_world.token)
    listening = asyncio.create_task(listen())
    first = slurm_world.token()
    await until(lambda: heard)
    dead = await slurm_world.node(1)
    slurm_found.kill_node(dead)
    try:
        await until(lambda: slurm_world.token() not in (None, first))
        second = slurm_world.token()
        slurm_world.release()
        outcome = await running
        assert (outcome.exit_code, outcome.stdout.decode().split()) == (0, [second])
        await listening
        assert heard == [first, second]
        assert await slurm_world.node(2) != dead
    finally:
        slurm_found.start_node(dead)


async def test_jobs_of_a_user_who_is_not_root_have_the_same_bounds(slurm_found):
    """In a namespace of users: uid 0 inside, without a capability, is that user outside."""
    if not all(each.stat().st_mode & 0o001 for each in Path(__file__).parents):
        pytest.skip("these files lie where no other user may go")
    folder = Path(tempfile.mkdtemp(prefix="poolhand-slurm-user-"))
    shutil.chown(folder, SOMEBODY)
    path = [str(Path(__file__).parent), *(each for each in sys.path if each)]
    environment = {**os.environ, "PATH": os.defpath, "HOME": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join(path)
    words = (sys.executable, str(Path(__file__).parent / "as_somebody.py"), SOMEBODY, str(folder))
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, env=environment, cwd="/"
    )
    out, _ = await process.communicate()
    shutil.rmtree(folder)
    told = json.loads(out.splitlines()[-1])
    assert told["looks"]["stdout"] == "0 True 2 ['lo']\n"
    assert "Read-only file system: '/usr/mine'" in told["looks"]["stderr"]
    assert told["wrote"] == [SOMEBODY]
    memory, late = told["takes memory"], told["is late"]
    assert (memory["exit_code"], memory["out_of_memory"]) == (137, True)
    name, count = told["forks"]["stdout"].split()
    assert (name, int(count) < 32) == ("BlockingIOError", True)
    assert (late["exit_code"], late["timed_out"]) == (137, True)
    assert told["prints"]["stdout"] == "x" * 49 + "\n"


async def test_a_cluster_ends_with_whoever_started_it_even_when_that_is_killed(slurm_found):
    script = Path(__file__).parents[2] / "scripts" / "slurm_cluster.py"
    words = (sys.executable, str(script), "--nodes", "1", "sh", "-c", "echo $SLURM_CONF; cat")
    starter = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    folder = Path((await starter.stdout.readline()).decode().strip()).parent
    pids = [each.read_text().strip() for each in folder.glob("*.pid")]
    assert len(pids) == 2
    starter.kill()
    starter.stdin.close()  # for its command, which lives on
    await starter.wait()
    await until(lambda: not any(Path("/proc", pid, "fd").exists() for pid in pids))
    shutil.rmtree(folder)
