"""``make hostile``: run every hostile image at every level, and measure what a level costs.

Exit codes: 0 all were contained, 1 one was not, 2 a level does not work here or an option is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiodocker import Docker
from rich.console import Console

from hostile.arena import Arena, arena, engine_url
from hostile.attacks import ATTACKS, LIMITS, Attack
from hostile.cost import costs
from poolhand import observe
from poolhand.containers.sandboxes import NoSuchSandbox
from poolhand.domain.sandbox_level import SandboxLevel

LATEST = Path(__file__).parent / "latest.json"
LEVELS = (SandboxLevel.RUNC, SandboxLevel.GVISOR)
"""What runs where nobody names others; a virtual machine each takes hours where it is emulated."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make hostile", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--levels", default=",".join(LEVELS), help="which levels, vm too [runc,gvisor]"
    )
    parser.add_argument(
        "--only", default="", help="names of hostile images, such as fork_bomb,vsock"
    )
    parser.add_argument("--keep", action="store_true", help="keep what ran, beside what was kept")
    parser.add_argument("--list", action="store_true", help="print the images, and run nothing")
    given = parser.parse_args(arguments)
    try:
        given.levels = tuple(SandboxLevel(each) for each in given.levels.split(",") if each)
    except ValueError as fault:
        parser.error(str(fault))
    known = {attack.name: attack for attack in ATTACKS}
    names = [each for each in given.only.split(",") if each]
    if strange := [each for each in names if each not in known]:
        parser.error(f"no hostile image {strange[0]}: there are {', '.join(known)}")
    given.attacks = tuple(known[each] for each in names) or ATTACKS
    return given


async def run(given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run what is asked for; returns what is to be kept."""
    found: dict[str, dict[str, Any]] = {}
    async with AsyncExitStack() as stack:
        arenas: dict[str, Arena] = {}
        for level in given.levels:
            made = arenas[level] = await stack.enter_async_context(arena(engine_url(), level))
            console.print(f"[bold]{level}[/] (disks: {made.disks.kind})")
            rows = await strike_all(made, given.attacks, console)
            found[level] = {"disk": made.disks.kind, "attacks": rows, **await when(made)}
        if given.attacks == ATTACKS:
            for level, told in (await costs(arenas)).items():
                found[level]["cost"] = told
                console.print(f"[bold]{level}[/] costs {told}", soft_wrap=True)
    return {**await circumstances(), "levels": found}


async def when(arena: Arena) -> dict[str, Any]:
    """Tell when a level was run, and in what sort of virtual machine."""
    sandbox = arena.runtime.sandbox
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load": round(os.getloadavg()[1], 1),
        "vm_processor": (sandbox and sandbox.vm_processor) or "",
    }


async def strike_all(
    made: Arena, attacks: Sequence[Attack], console: Console
) -> dict[str, dict[str, Any]]:
    rows = {}
    for attack in attacks:
        found = await made.strike(attack)
        mark = "[green]contained[/]" if found.contained else "[red]NOT CONTAINED[/]"
        console.print(
            f"  {attack.name:16} {mark} {found.seconds:6.1f} s  {found.words}", soft_wrap=True
        )
        rows[attack.name] = {
            "does": attack.does, "contained": found.contained, "words": found.words,
        }  # fmt: skip
    return rows


async def circumstances() -> dict[str, Any]:
    """Tell when and where this was."""
    async with Docker(engine_url()) as docker:
        version, info = await docker.version(), await docker.system.info()
    runsc = (info.get("Runtimes") or {}).get("runsc", {}).get("path")
    parts = {each["Name"]: each["Version"] for each in version.get("Components", ())}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} CPUs, Linux {platform.release()}",
        "engine": f"Docker {version['Version']}, runc {parts.get('runc', '?')}",
        "gvisor": _version(runsc) if runsc else "",
        "limits": asdict(LIMITS),
        "load": round(os.getloadavg()[1], 1),
    }


def _version(program: str) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return told.stdout.splitlines()[0] if told.stdout else ""


def keep(found: dict[str, Any]) -> None:
    """Write what was found, beside what was kept of levels and images that did not run now."""
    kept = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.exists() else {"levels": {}}
    levels = kept["levels"]
    for level, told in found["levels"].items():
        rows = {**levels.get(level, {}).get("attacks", {}), **told["attacks"]}
        levels[level] = {**levels.get(level, {}), **told, "attacks": rows}
    if SandboxLevel.RUNC in found["levels"]:
        kept = {**kept, **{key: value for key, value in found.items() if key != "levels"}}
    order = [each for each in SandboxLevel if each in levels]
    kept["levels"] = {each: levels[each] for each in order}
    LATEST.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    given, console = options(), Console()
    if given.list:
        for attack in given.attacks:
            console.print(f"{attack.name:16} {attack.does}")
        return 0
    observe.configure(level="error")
    try:
        found = asyncio.run(run(given, console))
    except NoSuchSandbox as fault:
        console.print(str(fault), soft_wrap=True)
        return 2
    if given.keep or (given.attacks == ATTACKS and set(given.levels) == set(LEVELS)):
        keep(found)
    rows = [row for level in found["levels"].values() for row in level["attacks"].values()]
    return 0 if all(row["contained"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
