"""Writes to files that it has deleted while they are open: no folder shows them."""

import os

from told import refused, tell

held, size = [], 0
try:
    while True:
        file = open("/iexec_out/x", "wb", buffering=0)
        os.unlink("/iexec_out/x")
        held.append(file)
        size += file.write(b"x" * 2**20)
except OSError as fault:
    tell(bytes=size, refused=refused(fault))
