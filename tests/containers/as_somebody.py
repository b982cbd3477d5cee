"""Runs apps on a Slurm cluster as a user who is not root; tells how they ended, as JSON.

    python as_somebody.py USER FOLDER    with the path of modules in PYTHONPATH, as root

All that is imported is imported as root, who may read where Python lies; then the rights are gone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio does so when it first needs one
import json
import os
import pwd
import sys
from dataclasses import asdict
from pathlib import Path

from container_world import FORKS, shrink
from slurm_world import SlurmWorld, lay_image
from tiny_image import ENV, layer

from poolhand.containers.slurm.engine import SlurmRuntime

LOOK = """
import os
status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
caps = {status[f'Cap{each}'].strip() for each in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')}
print(os.getuid(), caps == {'0' * 16}, status['Seccomp'].strip(), os.listdir('/sys/class/net'))
open('/iexec_out/mine', 'w').write('x')
open('/tmp/mine', 'w').write('x')
open('/usr/mine', 'w')
"""
RUNS = {
    "looks": {"code": LOOK},
    "takes memory": {"code": "x = bytearray(300 * 2**20)"},
    "forks": {"code": FORKS},
    "is late": {"code": "import time; time.sleep(60)", "timeout": 2},
    "prints": {"code": "print('x' * 100)", "limits": shrink(log=50)},
}


async def run_all(folder: Path, content: bytes) -> dict[str, object]:
    """Run them side by side on an image that this user has unpacked."""
    image = lay_image(folder, content, {"Env": ENV}, "cd" * 32)
    async with SlurmRuntime.open(folder) as runtime:
        worlds = [
            SlurmWorld(runtime, folder / f"run-{n}", {"plain": image}) for n in range(len(RUNS))
        ]
        told = await asyncio.gather(
            *(world.python(**changes) for world, changes in zip(worlds, RUNS.values(), strict=True))
        )
    wrote = [each.owner() for each in worlds[0].output.iterdir()]
    outcomes = {
        name: {key: text(value) for key, value in asdict(each).items()}
        for name, each in zip(RUNS, told, strict=True)
    }
    return {"wrote": wrote, **outcomes}


def text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def main(name: str, place: str) -> None:
    """Give the rights away and run."""
    content, user = layer(), pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    sys.stdout.write(json.dumps(asyncio.run(run_all(Path(place), content))))


if __name__ == "__main__":
    main(*sys.argv[1:])
