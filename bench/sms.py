"""A secret management service: how many questions whether there is a secret it answers in a second.

The service runs in a process of its own, the clients in this one: two cores are enough for both.
Half of the questions are about secrets that are there, spread over all, half about none.
"""

from __future__ import annotations

import asyncio
import sys
import time

import psutil

from bench.frame import Job, Keys
from bench.sms_service import dataset

SECRETS, QUESTIONS, LINES = 10_000, 20_000, 8
"""Kept secrets, questions in all, and connections that ask at a time."""


async def keys(job: Job) -> Keys:
    """Start it, ask, and look at its processor."""
    secrets, each = job.scaled(SECRETS), job.scaled(QUESTIONS) // LINES
    words = (sys.executable, "-m", "bench.sms_service", str(job.home), str(secrets))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        service = psutil.Process(process.pid)
        before, began = service.cpu_times(), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for line in range(LINES):
                tasks.create_task(_asking(port, secrets, line, each))
        took, after = time.perf_counter() - began, service.cpu_times()
    finally:
        process.terminate()
        await process.wait()
    spent = after.user + after.system - before.user - before.system
    total = each * LINES
    job.say(f"{total} questions in {took:.1f} s ({spent:.1f} s of processor)")
    return {
        "sms": {
            "head_per_s": round(total / took, 1),
            "head_cpu_ms": round(spent / total * 1000, 3),
        }
    }


async def _asking(port: int, secrets: int, line: int, number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for place in range(number):
            is_there = place % 2 == 0
            asked = (line * number + place) * 7919 % secrets + (0 if is_there else secrets)
            path = f"/secrets/web3?secretAddress=0x{dataset(asked).hex()}"
            writer.write(f"HEAD {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.split(b" ", 2)[1] == (b"204" if is_there else b"404"), told
    finally:
        writer.close()
