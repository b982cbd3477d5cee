"""What a process cannot do any more once it is confined, call by call, as the kernel answers.

The numbers are those of Linux, not of our table: what is taken out of that is missed here.
"""

from __future__ import annotations

import errno
import json
import platform
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CALLS = {
    "x86_64": {
        "open": 2, "creat": 85, "openat": 257, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "unlink": 87, "unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316,
        "mkdir": 83, "mkdirat": 258, "rmdir": 84, "link": 86, "linkat": 265,
        "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259, "truncate": 76,
        "chmod": 90, "fchmodat": 268, "chown": 92, "lchown": 94, "fchownat": 260,
        "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "removexattr": 197, "lremovexattr": 198,
        "socket": 41, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53,
        "accept4": 288,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
        "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
        "prlimit64": 302, "setpriority": 141, "ioprio_set": 251, "sched_setaffinity": 203,
        "sched_setscheduler": 144, "sched_setparam": 142, "sched_setattr": 314,
        "migrate_pages": 256, "move_pages": 279,
        "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
        "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "setns": 308, "chroot": 161, "pivot_root": 155, "mount": 165,
        "umount2": 166,
        "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240, "inotify_init1": 294,
        "fanotify_init": 300, "memfd_create": 319,
    },
    "aarch64": {
        "openat": 56, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "unlinkat": 35, "renameat": 38, "renameat2": 276, "mkdirat": 34, "linkat": 37,
        "symlinkat": 36, "mknodat": 33, "truncate": 45, "fchmodat": 53, "fchownat": 54,
        "utimensat": 88, "setxattr": 5, "lsetxattr": 6, "removexattr": 14, "lremovexattr": 15,
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202,
        "accept4": 242,
        "clone": 220, "execve": 221, "execveat": 281,
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138,
        "rt_tgsigqueueinfo": 240, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272,
        "prlimit64": 261, "setpriority": 140, "ioprio_set": 30, "sched_setaffinity": 122,
        "sched_setscheduler": 119, "sched_setparam": 118, "sched_setattr": 274,
        "migrate_pages": 238, "move_pages": 239,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "add_key": 217, "request_key": 218, "keyctl": 219,
        "unshare": 97, "setns": 268, "chroot": 51, "pivot_root": 41, "mount": 40, "umount2": 39,
        "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180, "inotify_init1": 26,
        "fanotify_init": 262, "memfd_create": 279,
    },
}  # fmt: skip
EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431,
    "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "openat2": 437,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "process_mrelease": 448,
}  # fmt: skip
CONNECT = {"x86_64": {"connect": 42}, "aarch64": {"connect": 203}}
NEWER = {"cachestat": 451, "fchmodat2": 452, "setxattrat": 463, "a call of tomorrow": 999}
BEGUN = """
import ctypes, errno, json, os, platform, socket, sys
from poolhand.keys import confinement

given = json.loads(sys.argv[1])

def tried(act, *words):
    try:
        return act(*words) and "done"
    except OSError as fault:
        return fault.errno

def told(what):
    os.write(1, json.dumps(what).encode() + b"\\n")
"""
CALLED = """
libc = ctypes.CDLL(None, use_errno=True)
reached = getattr(confinement, given["by"])(*given["most"])
answers = {}
for name, number in given["calls"].items():
    ctypes.set_errno(0)
    answer = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    answers[name] = "let through" if answer >= 0 else ctypes.get_errno()
told([reached, answers])
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


def told_by(script, **given):
    words = [sys.executable, "-c", BEGUN + script, json.dumps(given)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout.splitlines()[0])


@pytest.mark.parametrize(
    ("by", "most", "also", "name"),
    [
        ("confine", (), CONNECT, "no files, sockets or programs"),
        ("confine_downloads", (10,), {}, "no files, programs or sockets but TCP"),
    ],
    ids=["signer", "fetcher"],
)
def test_every_call_that_reaches_anything_new_is_refused(by, most, also, name):
    here = platform.machine()
    calls = CALLS[here] | EVERYWHERE | also.get(here, {})
    reached, answers = told_by(CALLED, by=by, most=most, calls=calls | NEWER)
    assert name in reached
    assert answers == dict.fromkeys(calls, errno.EPERM) | dict.fromkeys(NEWER, errno.ENOSYS)


SOCKETS = """
there = given["there"]
confinement.confine_downloads(10)
kinds = {
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM),
    "netlink": (socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW),
    "vsock": (40, socket.SOCK_STREAM),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "ping": (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "mptcp": (socket.AF_INET, socket.SOCK_STREAM, 262),
    "udp of 6": (socket.AF_INET6, socket.SOCK_DGRAM),
}
answers = {name: tried(socket.socket, *kind) for name, kind in kinds.items()}
for family in (socket.AF_INET, socket.AF_INET6):
    answers[family.name] = tried(socket.socket, family, socket.SOCK_STREAM)
line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
answers["connected"] = tried(line.connect, ("127.0.0.1", there)) or "done"
told(answers)
"""


def test_a_fetcher_has_sockets_of_tcp_and_no_others():
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = told_by(SOCKETS, there=server.getsockname()[1])
    made = {name for name, answer in answers.items() if answer == "done"}
    assert made == {"AF_INET", "AF_INET6", "connected"}
    assert {answers[name] for name in answers.keys() - made} == {errno.EPERM}


WITHOUT_A_FILTER = """
platform.machine = lambda: "of a kind that no table has"
file = os.open(given["file"], os.O_RDWR | os.O_CREAT)
reached = confinement.confine_downloads(10)
told([reached, {
    "a handed file": tried(os.write, file, bytes(10)),
    "beyond the limit": tried(os.write, file, b"x"),
    "made empty": tried(os.ftruncate, file, 0) or "done",
    "read": tried(os.open, given["file"], os.O_RDONLY),
    "made": tried(os.open, given["file"] + "x", os.O_CREAT | os.O_WRONLY),
    "removed": tried(os.unlink, given["file"]) or "done",
    "program": tried(os.posix_spawn, "/bin/true", ["true"], {}),
    "child": tried(os.fork),
}])
"""


@pytest.fixture
def everybodys():
    """A folder in which whoever is nobody may do as he likes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_where_there_is_no_filter_landlock_and_limits_hold_a_fetcher(everybodys):
    """Also a processor whose calls nobody has listed: each of the bounds stands by itself."""
    (everybodys / "data").touch()
    (everybodys / "data").chmod(0o666)
    reached, answers = told_by(WITHOUT_A_FILTER, file=str(everybodys / "data"))
    assert not [name for name in reached if "programs" in name]
    assert answers["a handed file"] == answers["made empty"] == "done"
    assert answers["beyond the limit"] == errno.EFBIG
    if "no paths" not in reached:
        pytest.skip("this kernel has no Landlock")
    assert {answers[name] for name in ("read", "made", "removed")} == {errno.EACCES}
    assert {answers[name] for name in ("program", "child")} <= {errno.EAGAIN, errno.EACCES}
