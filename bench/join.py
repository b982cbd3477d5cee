"""Joining a pool by its own script: what that installs, and how long it takes.

A devnet's pool is joined, whose faucet gives coin and RLC; packages are in pip's cache by then.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.frame import Job, Keys
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import devnet

OURS = ("POOLHAND_", "IEXEC_", "XDG_")
"""Of variables that would make it another's computer."""
PASSWORD = "open sesame"


async def keys(job: Job) -> Keys:
    async with devnet(DevnetPlan(job.home / "devnet", 1), lambda _: None) as running:
        found = await asyncio.to_thread(_measured, Computer.at(job.home), running.info.pool_url)
    for name, value in found.items():
        job.say(f"{name}: {value:.1f}")
    return {"join": {name: round(value, 1) for name, value in found.items()}}


@dataclass(frozen=True)
class Computer:
    """One that joins: its home, and the pool's script in it."""

    home: Path
    script: Path
    secret: Path

    @classmethod
    def at(cls, folder: Path) -> Computer:
        home = folder / "home"
        home.mkdir()
        made = cls(home, folder / "join.sh", folder / "secret")
        made.secret.write_text(PASSWORD + "\n")
        return made

    @property
    def place(self) -> Path:
        """Where the script installs."""
        return self.home / ".local/share/poolhand"

    def joins(self, *words: str) -> str:
        return self.types("sh", str(self.script), "--yes", *words)

    def types(self, *words: str) -> str:
        """Run a command there; returns what it printed; raises RuntimeError with its words."""
        kept = {name: told for name, told in os.environ.items() if not name.startswith(OURS)}
        told = {**kept, "HOME": str(self.home)}
        done = subprocess.run(words, env=told, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout


def _measured(computer: Computer, pool_url: str) -> dict[str, float]:
    answer = httpx.get(f"{pool_url}/join.sh", trust_env=False).raise_for_status()
    computer.script.write_bytes(answer.content)
    computer.joins("--help")  # fills the cache
    shutil.rmtree(computer.place)
    try:
        installed = _seconds(computer, "--help")
        (environment,) = computer.place.glob("version-*/env")
        size = _taken(environment) / 1e6
        shutil.rmtree(computer.place)
        joined = _all_set(computer)
        computer.types(str(environment / "bin/poolhand"), "worker", "stop")
        return {"env_mb": size, "install_s": installed, "join_s": joined,
                "all_set_s": _all_set(computer)}  # fmt: skip
    finally:
        computer.joins("--uninstall")


def _all_set(computer: Computer) -> float:
    """Return the seconds until a worker is all set that was not there, or was stopped."""
    began = time.perf_counter()
    told: Any = json.loads(computer.joins("--password-file", str(computer.secret), "--json"))
    took = time.perf_counter() - began
    if not told["all_set"]:
        raise RuntimeError(f"it was not let in: {told}")
    return took


def _seconds(computer: Computer, *words: str) -> float:
    began = time.perf_counter()
    computer.joins(*words)
    return time.perf_counter() - began


def _taken(folder: Path) -> int:
    """Return the room of a folder on the disk (bytes)."""
    return sum(each.lstat().st_blocks * 512 for each in folder.rglob("*"))
