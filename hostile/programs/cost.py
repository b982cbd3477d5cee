"""What computing costs at a level: seconds of a loop, of hashing, of system calls, of small files."""

import ctypes
import hashlib
import os
import time

from told import tell


def seconds(work):
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


def loop():
    total = 0
    for number in range(5_000_000):
        total += number * number
    return total


def hashing():
    digest = hashlib.sha256()
    for _ in range(200):
        digest.update(bytes(2**20))


def calls():
    ask = ctypes.CDLL(None).getppid
    for _ in range(100_000):
        ask()


def files():
    for number in range(1_000):
        with open(f"/iexec_out/{number}", "w") as file:
            file.write("x" * 1_000)
    for number in range(1_000):
        with open(f"/iexec_out/{number}") as file:
            file.read()
        os.unlink(f"/iexec_out/{number}")


tell(loop=seconds(loop), hashing=seconds(hashing), calls=seconds(calls), files=seconds(files))
