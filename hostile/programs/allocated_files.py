"""Has files allocated, which takes no time: a hundred of 30 MiB."""

import os

from told import refused, tell

why, got = [], 0
for number in range(100):
    file = os.open(f"/iexec_out/{number}", os.O_CREAT | os.O_RDWR)
    try:
        os.posix_fallocate(file, 0, 30 * 2**20)
        got += 30 * 2**20
    except OSError as fault:
        why.append(refused(fault))
tell(bytes=got, refused=sorted(set(why)))
