"""Writes one file without end."""

from told import refused, tell

size = 0
with open("/iexec_out/one", "wb", buffering=0) as file:
    try:
        while True:
            size += file.write(b"x" * 2**20)
    except OSError as fault:
        tell(bytes=size, refused=refused(fault))
