"""Writes files of half a MiB without end, to every place that it can write to."""

from told import refused, tell

size, why = 0, []
for place in ("/iexec_out", "/tmp"):
    try:
        for number in range(10**6):
            with open(f"{place}/{number}", "wb", buffering=0) as file:
                size += file.write(b"x" * 2**19)
    except OSError as fault:
        why.append(refused(fault))
tell(bytes=size, refused=why)
