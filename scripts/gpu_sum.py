"""What ``gpu_check`` runs in a container: adds numbers on each GPU that it sees, and tells.

Through the driver's own library and ctypes alone; the kernel is PTX, which the driver compiles for
whatever card it is. Of AMD's it asks the driver for its version: what computes there is no part of
the driver. Prints one line of JSON.

Source: CUDA Driver API (``cuda.h``), PTX ISA 6.0; Linux, ``include/uapi/linux/kfd_ioctl.h``.
"""

import ctypes
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

COUNT = 1 << 20
NAMES = ("nvidia*", "dri/*", "kfd")
KFD_VERSION = 0x80084B01
"""``AMDKFD_IOC_GET_VERSION``: two numbers of 32 bits."""
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
{
  .reg .pred %p; .reg .b32 %r<8>; .reg .b64 %d<8>;
  ld.param.u64 %d1, [a]; ld.param.u64 %d2, [b]; ld.param.u64 %d3, [c]; ld.param.u32 %r1, [n];
  mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p, %r5, %r1;
  @%p bra done;
  mul.wide.u32 %d4, %r5, 4;
  cvta.to.global.u64 %d1, %d1; cvta.to.global.u64 %d2, %d2; cvta.to.global.u64 %d3, %d3;
  add.s64 %d5, %d1, %d4; ld.global.u32 %r6, [%d5];
  add.s64 %d6, %d2, %d4; ld.global.u32 %r7, [%d6];
  add.u32 %r6, %r6, %r7;
  add.s64 %d7, %d3, %d4; st.global.u32 [%d7], %r6;
done:
  ret;
}
\0"""


def asked(cuda: Any, name: str, *arguments: Any) -> None:
    """Call a function of the driver; end where it answers with a fault."""
    code = getattr(cuda, name)(*arguments)
    if code:
        raise SystemExit(json.dumps({"fault": f"{name} answers {code}"}))


def sum_on(cuda: Any, device: int) -> dict[str, Any]:
    """Add two lists on one GPU; say what it is, and whether each sum is right."""
    name, own = ctypes.create_string_buffer(100), (ctypes.c_ubyte * 16)()
    asked(cuda, "cuDeviceGetName", name, 100, device)
    asked(cuda, "cuDeviceGetUuid", own, device)
    context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    asked(cuda, "cuCtxCreate_v2", ctypes.byref(context), 0, device)
    asked(cuda, "cuModuleLoadData", ctypes.byref(module), PTX)
    asked(cuda, "cuModuleGetFunction", ctypes.byref(function), module, b"add")
    numbers = ctypes.c_uint32 * COUNT
    lists = numbers(*range(COUNT)), numbers(*(3 * each + 1 for each in range(COUNT))), numbers()
    places = [ctypes.c_uint64() for _ in lists]
    for place, each in zip(places, lists, strict=True):
        asked(cuda, "cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(ctypes.sizeof(each)))
        asked(cuda, "cuMemcpyHtoD_v2", place, each, ctypes.c_size_t(ctypes.sizeof(each)))
    told = [*places, ctypes.c_uint32(COUNT)]
    given = (ctypes.c_void_p * len(told))(*map(ctypes.addressof, told))
    shape = (COUNT // 256, 1, 1, 256, 1, 1, 0)
    asked(cuda, "cuLaunchKernel", function, *shape, None, given, None)
    asked(cuda, "cuCtxSynchronize")
    result = lists[2]
    asked(cuda, "cuMemcpyDtoH_v2", result, places[2], ctypes.c_size_t(ctypes.sizeof(result)))
    right = all(found == 4 * each + 1 for each, found in enumerate(result))
    return {"name": name.value.decode(), "uuid": bytes(own).hex(), "right": right}


def main() -> None:
    """Tell what is seen, and what it computes."""
    dev = Path("/dev")
    devices = sorted(str(each) for name in NAMES for each in dev.glob(name))
    told: dict[str, Any] = {"devices": devices, "sums": []}
    try:
        cuda: Any = ctypes.CDLL("libcuda.so.1")
    except OSError:
        cuda = None
    if cuda is not None:
        told["init"] = cuda.cuInit(0)
        count = ctypes.c_int()
        if told["init"] == 0:
            asked(cuda, "cuDeviceGetCount", ctypes.byref(count))
        told["sums"] = [sum_on(cuda, each) for each in range(count.value)]
    if "/dev/kfd" in devices:
        opened = os.open("/dev/kfd", os.O_RDWR)
        told["kfd"] = struct.unpack("II", fcntl.ioctl(opened, KFD_VERSION, bytes(8)))
    print(json.dumps(told))


main()
