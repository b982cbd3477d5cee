"""The first program in an app's virtual machine: it lays out the files, runs the app, and tells.

The machine is the app's: whatever it does to its kernel, it is in there alone. Still it has no more
rights than in a container, so that one system call of it is not enough to be the machine's root.
Standard library only; the kernel starts this as process 1, with nothing mounted.

Source: Linux 6.1, Documentation/admin-guide/cgroup-v2.rst, filesystems/9p.rst, userspace-api/
seccomp_filter.rst; mount(2), capset(2), prctl(2), pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import json
import os
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from poolhand.containers.vm.channel import MOST_TASK, GuestFrameKind, GuestFrameReader, packed_frame

NEW_ROOT: Final = "/new"
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _MOVE = 1, 2, 4, 8, 32, 4096, 8192
_QUIET: Final = _NOSUID | _NODEV | _NOEXEC
_FINIT_MODULE: Final = 313
_CAPSET: Final = 126
_NEW_PIDS: Final = 0x20000000
_POWER_OFF: Final = 0x4321FEDC
_CAPABILITIES: Final = 64
_DROP_BOUND, _NO_NEW_PRIVILEGES, _SET_FILTER, _AMBIENT = 24, 38, 22, 47
_SET_FLAGS: Final = 0x8914
_PIECE: Final = 32_768
_LONGEST_WORDS: Final = 2_000
_NO_URING: Final = (
    (0x20, 0, 0, 0),  # the call's number
    (0x35, 0, 2, 425),  # under 425: allowed
    (0x25, 1, 0, 427),  # over 427: allowed
    (0x06, 0, 0, 0x00050001),  # io_uring: EPERM
    (0x06, 0, 0, 0x7FFF0000),
)
"""A filter of system calls, in the kernel's own small language."""

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Be process 1: never return."""
    control = -1
    try:
        os.umask(0o022)
        _load_modules()
        _mount("proc", "/proc", "proc", _QUIET)
        _mount("dev", "/dev", "devtmpfs", _NOSUID)
        control = os.open(_port(), os.O_RDWR)
        task = _told(control)
        code, out_of_memory = _run(task, control)
        _send(control, GuestFrameKind.ENDED, bytes((code, out_of_memory)))
    except BaseException as fault:  # noqa: BLE001 - process 1 must not end: say why, then switch off
        words = f"{type(fault).__name__}: {fault}"[:_LONGEST_WORDS]
        os.write(1, words.encode(errors="replace"))
        if control >= 0:
            _send(control, GuestFrameKind.FAULT, words.encode(errors="replace"))
    finally:
        if control >= 0:
            os.close(control)
        libc.reboot(_POWER_OFF)
        while True:
            time.sleep(1)


def _port() -> str:
    for _ in range(2_000):
        found = glob.glob("/dev/vport*p*")
        if found:
            return found[0]
        time.sleep(0.005)
    raise OSError(errno.ENODEV, "no serial port to talk by")


def _told(control: int) -> dict[str, Any]:
    reader = GuestFrameReader(MOST_TASK)
    while True:
        data = os.read(control, _PIECE)
        if not data:
            time.sleep(0.005)
        for frame in reader.add(data):
            told: dict[str, Any] = json.loads(frame.body)
            return told


def _send(control: int, kind: GuestFrameKind, body: bytes = b"") -> None:
    left = memoryview(packed_frame(kind, body))
    while left:
        left = left[os.write(control, left) :]


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [each.encode(errors="surrogateescape") for each in (source, target, kind, options)]
    done = libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(done, f"{kind or 'mount'} at {target}")


def _load_modules() -> None:
    for name in sorted(os.listdir("/modules")):
        module = os.open(f"/modules/{name}", os.O_RDONLY)
        if libc.syscall(_FINIT_MODULE, module, b"", 0) and ctypes.get_errno() != errno.EEXIST:
            _check(1, name)
        os.close(module)


# ------------------------------------------------------------------------------ what it finds


def _run(task: Mapping[str, Any], control: int) -> tuple[int, bool]:
    """Lay everything out and run the app; returns its exit code, and whether memory ran out."""
    group = _control_group(task)
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(task["oom_score"]))
    with open("/proc/sys/vm/overcommit_memory", "w") as rule:
        rule.write("1")
    if not task["is_trial"]:
        _root()
        _furnish(task)
    _wake_loopback()
    outcome = _computed(task, control, group)
    return outcome, outcome != 0 and _ran_out(group)


def _control_group(task: Mapping[str, Any]) -> int:
    os.mkdir("/groups")
    _mount("groups", "/groups", "cgroup2", _QUIET)
    with open("/groups/cgroup.subtree_control", "w") as file:
        file.write("+memory +pids")
    os.mkdir("/groups/app")
    for name in ("memory.max", "pids.max"):
        with open(f"/groups/app/{name}", "w") as file:
            file.write(str(task[name]))
    return os.open("/groups/app", os.O_RDONLY | os.O_DIRECTORY)


def _ran_out(group: int) -> bool:
    with open(os.open("memory.events", os.O_RDONLY, dir_fd=group)) as file:
        told = dict(line.split() for line in file)
    return int(told.get("oom_kill", 0)) > 0


def _root() -> None:
    """Make the app's image the root: read-only, with room for the places of mounts."""
    for folder in ("/image", "/upper", NEW_ROOT):
        os.mkdir(folder)
    _mount("/dev/vda", "/image", "squashfs", _RDONLY | _NOSUID | _NODEV)
    _mount("upper", "/upper", "tmpfs", _NOSUID | _NODEV, "size=16m,mode=755")
    for folder in ("/upper/files", "/upper/work"):
        os.mkdir(folder)
    layers = "lowerdir=/image,upperdir=/upper/files,workdir=/upper/work"
    _mount("root", NEW_ROOT, "overlay", _NOSUID | _NODEV, layers)
    os.chdir(NEW_ROOT)
    _mount(".", "/", "", _MOVE)
    os.chroot(".")
    os.chdir("/")


def _furnish(task: Mapping[str, Any]) -> None:
    _place("/proc", "proc", "proc", _QUIET)
    _place("/sys", "sysfs", "sysfs", _QUIET | _RDONLY)
    _devices(task)
    for each in task["memory_folders"]:
        options = f"mode=1777,size={each['bytes']},nr_inodes={each['files']}"
        _place(each["target"], "tmpfs", "tmpfs", _NOSUID | _NODEV, options)
    for share in task["shares"]:
        flags = _NOSUID | _NODEV | (0 if share["writable"] else _RDONLY)
        how = f"trans=virtio,version=9p2000.L,msize=262144,cache={share['cache']}"
        _place(share["target"], share["tag"], "9p", flags, how)
    for each in task["masked"]:
        if os.path.isdir(each):
            _mount("none", each, "tmpfs", _QUIET | _RDONLY)
        elif os.path.exists(each):
            _mount("/dev/null", each, "", _BIND)
    _mount("", "/proc", "", _REMOUNT | _RDONLY | _QUIET)
    _mount("", "/", "", _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _place(target: str, source: str, kind: str, flags: int, options: str = "") -> None:
    os.makedirs(target, mode=0o755, exist_ok=True)
    _mount(source, target, kind, flags, options)


def _devices(task: Mapping[str, Any]) -> None:
    _place("/dev", "dev", "tmpfs", _NOSUID, "mode=755,size=64m")
    numbers = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
    for name, minor in numbers.items():
        os.mknod(f"/dev/{name}", 0o020666, os.makedev(1, minor))
        os.chmod(f"/dev/{name}", 0o666)
    os.mknod("/dev/tty", 0o020666, os.makedev(5, 0))
    os.chmod("/dev/tty", 0o666)
    _place("/dev/pts", "devpts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,gid=5")
    _place("/dev/shm", "shm", "tmpfs", _QUIET, f"mode=1777,size={task['shared_memory']}")
    links = {"fd": "/proc/self/fd", "ptmx": "pts/ptmx", "stdin": "/proc/self/fd/0"}
    links |= {"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
    for name, target in links.items():
        os.symlink(target, f"/dev/{name}")


def _wake_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        fcntl.ioctl(some, _SET_FLAGS, struct.pack("16sh14x", b"lo", 1))


# ------------------------------------------------------------------------------ the app


def _computed(task: Mapping[str, Any], control: int, group: int) -> int:
    """Run the app among processes of its own; returns its exit code, a signal's as 128 more."""
    out, err = os.pipe(), os.pipe()
    _check(libc.unshare(_NEW_PIDS), "a namespace for processes")
    keeper = os.fork()
    if keeper == 0:
        _be(lambda: _keep(task, group, out[1], err[1]))
    os.close(out[1])
    os.close(err[1])
    _send(control, GuestFrameKind.STARTED)
    _pump(control, {out[0]: GuestFrameKind.OUT, err[0]: GuestFrameKind.ERR})
    return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) & 0xFF


def _pump(control: int, streams: dict[int, GuestFrameKind]) -> None:
    """Send what the app prints until nobody can print any more."""
    poll = select.poll()
    for each in streams:
        poll.register(each, select.POLLIN)
    while streams:
        for stream, _ in poll.poll():
            data = os.read(stream, _PIECE)
            if data:
                _send(control, streams[stream], data)
            else:
                poll.unregister(stream)
                os.close(stream)
                del streams[stream]


def _be(work: Callable[[], int]) -> None:
    """Be a process that does one thing and ends."""
    code = 125
    try:
        code = work()
    except BaseException as fault:  # noqa: BLE001 - of a child: it must not go on as its parent
        os.write(2, f"{fault}\n".encode(errors="replace"))
    finally:
        os._exit(code)


def _keep(task: Mapping[str, Any], group: int, out: int, err: int) -> int:
    """Be the first of the app's processes: with its end, all of them end."""
    if not task["is_trial"]:
        _mount("proc", "/proc", "proc", _QUIET | _RDONLY)
        for each in task["masked"]:
            if each.startswith("/proc/") and os.path.isfile(each):
                _mount("/dev/null", each, "", _BIND)
    app = os.fork()
    if app == 0:
        _be(lambda: _become(task, group, out, err))
    os.close(out)
    os.close(err)
    while True:
        who, status = os.wait()
        if who == app:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _become(task: Mapping[str, Any], group: int, out: int, err: int) -> int:
    """Give up all rights and be the app; returns an exit code where it cannot be started."""
    joined = os.open("cgroup.procs", os.O_WRONLY, dir_fd=group)
    os.write(joined, b"0")
    nothing = os.open("/dev/null", os.O_RDONLY)
    for number, each in enumerate((nothing, out, err)):
        os.dup2(each, number)
    os.closerange(3, 1_024)
    os.setsid()
    for name, most in task["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    _give_up_rights(task["uid"], task["gid"], task["groups"])
    words, environment = task["words"], task["environment"]
    try:
        os.chdir(task["folder"])
        os.execvpe(words[0], words, environment)
    except OSError as fault:
        os.write(2, f"{words[0]}: {fault.strerror}\n".encode(errors="replace"))
        return 127 if fault.errno == errno.ENOENT else 126


def _give_up_rights(uid: int, gid: int, groups: Sequence[int]) -> None:
    for number in range(_CAPABILITIES):
        libc.prctl(_DROP_BOUND, number, 0, 0, 0)
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    libc.prctl(_AMBIENT, 4, 0, 0, 0)
    none = struct.pack("6I", 0, 0, 0, 0, 0, 0)
    _check(libc.syscall(_CAPSET, struct.pack("Ii", 0x20080522, 0), none), "no capabilities")
    _check(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    code = b"".join(struct.pack("HBBI", *each) for each in _NO_URING)
    held = ctypes.create_string_buffer(code)
    rule = struct.pack("H6xP", len(_NO_URING), ctypes.addressof(held))
    _check(libc.prctl(_SET_FILTER, 2, rule, 0, 0), "a filter of system calls")
