"""What hostile images were seen to do at each level of the sandbox: docs/sandbox.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from poolhand.domain.sandbox_level import SANDBOX_PROMISES, SandboxLevel
from poolhand.domain.units import MIB

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / "hostile" / "latest.json"
PAGE: Final = ROOT / "docs" / "sandbox.md"
HEAD: Final = """# Sandbox levels, and hostile images on each

<!-- Made by `make docs` from hostile/latest.json, which `make hostile` writes; do not edit. -->

An app is somebody else's program. What stands between it and the worker's computer is chosen by
`--sandbox` (`POOLHAND_SANDBOX`); `auto`, the default, takes the strongest that works.
"""
NAMES: Final[Mapping[str, str]] = {
    "start_ms": "a container's whole life, computing nothing (ms)",
    "loop_s": "5 million turns of a Python loop (s)",
    "hashing_s": "SHA-256 of 200 MiB (s)",
    "calls_s": "100,000 system calls (s)",
    "files_s": "1,000 small files written, read, removed (s)",
}
"""What each figure of a level's cost is."""
FIRST: Final = SandboxLevel.RUNC
"""The level that others are compared with."""


def page() -> str:
    """Return docs/sandbox.md."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return (
        "\n".join((*_top(kept), *_attacks(kept["levels"]), *_costs(kept["levels"], kept["load"])))
        + "\n"
    )


def _top(kept: Mapping[str, Any]) -> Iterator[str]:
    yield HEAD
    yield "| level | what stands between | needs |"
    yield "| --- | --- | --- |"
    needs = {
        SandboxLevel.RUNC: "any Docker engine",
        SandboxLevel.GVISOR: "an engine with `runsc`",
        SandboxLevel.VM: "x86-64, QEMU, mksquashfs, a kernel; for `auto` KVM, too",
    }
    for level, need in needs.items():
        yield f"| `{level}` | {SANDBOX_PROMISES[level]} | {need} |"
    yield ""
    yield _paragraph(
        "`poolhand worker doctor` says which a worker takes here, why not a stronger one, and the "
        "steps to gVisor; `poolhand worker status` and the worker's page say which is in force."
    )
    yield _paragraph(
        "A virtual machine is QEMU within a container of the engine "
        "([why](adr/0131-a-virtual-machine-in-a-container.md)), so that who breaks out of it is "
        "still where an app is at `runc`. It wants `apt install linux-image-amd64 qemu-system-x86 "
        "squashfs-tools`, and a user of the engine who may read the kernel in `/boot`; "
        "`--vm-kernel` names another's folder. `auto` takes it where KVM works, which a trial "
        "tells. `--sandbox vm` takes an emulated one as well, which computes 10 to 30 times "
        "slower: log, status, page, doctor and the pool's list of workers say so then. It gives "
        "apps no network and no GPU, and none is started by a worker in a container."
    )
    yield _paragraph(
        "At no level has an app a network. One whose order asks for hosts that the operator "
        "allows (`--network-hosts`) is let through to these by a proxy beside it, at `runc` alone: "
        "the others have a loopback interface of their own, by which no proxy is reached. What "
        "such an app tries in vain, `tests/transport/test_tunnel.py` and "
        "`tests/containers/test_proxy_sidecar.py` have: other hosts and ports, addresses, the "
        "clouds' metadata service, names that lead inwards or elsewhere the second time, requests "
        "without end."
    )
    yield "## Hostile images\n"
    limits, versions = kept["limits"], f"{kept['engine']}, {kept['gvisor']}".rstrip(", ")
    yield _paragraph(
        f"Run on {kept['date']} by `make hostile` ({kept['machine']}; {versions}), each with "
        f"{limits['memory'] // MIB} MiB of memory, {limits['pids']} processes, one CPU, a result "
        f"of {limits['output'] // MIB} MiB and no network. Beside each another task of the same "
        "worker computes: it must end right, and so must the next one; no container and no mount "
        "may be left."
    )


def _paragraph(text: str) -> str:
    return "\n".join(wrap(text, 100, break_on_hyphens=False)) + "\n"


def _attacks(levels: Mapping[str, Any]) -> Iterator[str]:
    heads = " | ".join(f"`{level}`" for level in levels)
    yield f"| the image | {heads} |"
    yield "| --- |" + " --- |" * len(levels)
    for name, row in levels[FIRST]["attacks"].items():
        cells = [_cell(told["attacks"].get(name)) for told in levels.values()]
        yield f"| {row['does']} (`{name}`) | {' | '.join(cells)} |"
    yield ""
    if SandboxLevel.VM in levels:
        told = levels[SandboxLevel.VM]
        how = "emulated (TCG)" if told["vm_processor"] == "tcg" else "with KVM"
        more = "" if "cost" in told else "; what the level costs is not measured yet"
        yield _paragraph(
            f"The machines were {how}, run on {told['date']} with `make hostile LEVELS=vm`, while "
            f"the load was {told['load']:.0f}; what was not run there is not claimed{more}."
        )


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not run"
    mark = "contained" if row["contained"] else "**not contained**"
    return f"{mark}; {row['words']}"


def _costs(levels: Mapping[str, Any], load: float) -> Iterator[str]:
    yield "## What a level costs\n"
    yield (
        "Medians on the same machine, whose load was "
        f"{load:.0f}; the levels took turns, so that it meets all of them.\n"
    )
    measured = {level: told for level, told in levels.items() if "cost" in told}
    heads = " | ".join(f"`{level}`" for level in measured)
    yield f"| | {heads} |"
    yield "| --- |" + " ---: |" * len(measured)
    for name, meaning in NAMES.items():
        first = levels[FIRST]["cost"][name]
        cells = [_cost(told["cost"][name], first) for told in measured.values()]
        yield f"| {meaning} | {' | '.join(cells)} |"


def _cost(found: float, first: float) -> str:
    shown = f"{found:,.0f}" if found >= 10 else f"{found:.2f}"
    return shown if found == first else f"{shown} ({found / first:.1f} times)"
