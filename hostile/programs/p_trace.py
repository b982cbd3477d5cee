"""Traces, reads and signals every process that it sees but its own."""

import ctypes
import os

from told import call, tell

PTRACE_ATTACH = 16
mine = {os.getpid()}
others = [int(each) for each in os.listdir("/proc") if each.isdigit() and int(each) not in mine]
held = os.environ["HOSTILE_SECRET"]
traced = [call("ptrace", PTRACE_ATTACH, each, 0, 0) for each in others]
area = ctypes.create_string_buffer(64)
local = (ctypes.c_void_p * 2)(ctypes.addressof(area), 64)
read = [
    call("process_vm_readv", each, ctypes.addressof(local), 1, ctypes.addressof(local), 1, 0)
    for each in others
]
names = []
for each in others:
    try:
        names.append(open(f"/proc/{each}/cmdline").read().split("\0")[0])
    except OSError:
        names.append("?")
tell(others=len(others), names=names, traced=traced, read=read, secret=held)
