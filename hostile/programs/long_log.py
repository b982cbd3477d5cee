"""Prints as many bytes as it is told to."""

import os

from told import kept

left, block = int(os.environ["HOSTILE_LOG"]), (b"x" * 8191 + b"\n") * 2**7
printed = 0
while printed < left:
    printed += os.write(1, block)
    if printed % 2**28 < len(block):
        kept(printed)
kept(printed)
