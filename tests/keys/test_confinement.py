"""What a process cannot do any more once it is confined, call by call, as the kernel answers.

The numbers are those of Linux, not of our table: what is taken out of that is missed here.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys

CALLS = {
    "x86_64": {
        "open": 2, "creat": 85, "openat": 257,
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53,
        "accept4": 288,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
        "kill": 62, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
    },
    "aarch64": {
        "openat": 56,
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202,
        "connect": 203, "accept4": 242,
        "clone": 220, "execve": 221, "execveat": 281,
        "ptrace": 117, "kill": 129, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
    },
}  # fmt: skip
EVERYWHERE = {
    "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "openat2": 437, "pidfd_getfd": 438
}  # fmt: skip
SCRIPT = """
import ctypes, json, os, sys
from poolhand.keys.confinement import confine

calls = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
reached = confine()
told = {}
for name, number in calls.items():
    ctypes.set_errno(0)
    answer = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    told[name] = "let through" if answer >= 0 else ctypes.get_errno()
os.write(1, json.dumps([reached, told]).encode() + b"\\n")
"""
EPERM = 1


def test_every_call_that_reaches_anything_new_is_refused():
    calls = CALLS[platform.machine()] | EVERYWHERE
    words = [sys.executable, "-c", SCRIPT, json.dumps(calls)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    reached, told = json.loads(done.stdout.splitlines()[0])
    assert "no files, sockets or programs" in reached
    assert told == dict.fromkeys(calls, EPERM)
