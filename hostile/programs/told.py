"""What a hostile program says of its success, for whoever judges it."""

import ctypes
import errno
import json
import platform

CALLS = {
    "x86_64": {"socket": 41, "ptrace": 101, "process_vm_readv": 310, "io_uring_setup": 425},
    "aarch64": {"socket": 198, "ptrace": 117, "process_vm_readv": 270, "io_uring_setup": 425},
}[platform.machine()]
_libc = ctypes.CDLL(None, use_errno=True)


def tell(**found):
    """Say it on the last line of standard output."""
    print("\n" + json.dumps(found), flush=True)


def refused(fault):
    """Name why a call was refused."""
    return errno.errorcode.get(fault.errno, str(fault.errno))


def call(name, *arguments):
    """Make a system call; returns ``ok``, or why not."""
    done = _libc.syscall(ctypes.c_long(CALLS[name]), *(ctypes.c_long(each) for each in arguments))
    return "ok" if done >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def kept(number):
    """Leave a number in the result, where printing tells nothing."""
    with open("/iexec_out/kept", "w") as file:
        file.write(str(number))
