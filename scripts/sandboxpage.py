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
    needs = {SandboxLevel.RUNC: "any Docker engine", SandboxLevel.GVISOR: "an engine with `runsc`"}
    for level, need in needs.items():
        yield f"| `{level}` | {SANDBOX_PROMISES[level]} | {need} |"
    yield ""
    yield _paragraph(
        "`poolhand worker doctor` says which a worker takes here, why not a stronger one, and the "
        "steps to gVisor; `poolhand worker status` and the worker's page say which is in force. A "
        "virtual machine for each app cannot be chosen: none has been tried on our machines."
    )
    yield _paragraph(
        "At either level an app has no network. One whose order asks for hosts that the operator "
        "allows (`--network-hosts`) is let through to these by a proxy beside it, at `runc` alone: "
        "gVisor has a loopback interface of its own, by which no proxy is reached. What such an "
        "app tries in vain, `tests/transport/test_tunnel.py` and "
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
        cells = [_cell(told["attacks"][name]) for told in levels.values()]
        yield f"| {row['does']} (`{name}`) | {' | '.join(cells)} |"
    yield ""


def _cell(row: Mapping[str, Any]) -> str:
    mark = "contained" if row["contained"] else "**not contained**"
    return f"{mark}; {row['words']}"


def _costs(levels: Mapping[str, Any], load: float) -> Iterator[str]:
    yield "## What a level costs\n"
    yield (
        "Medians on the same machine, whose load was "
        f"{load:.0f}; the levels took turns, so that it meets all of them.\n"
    )
    heads = " | ".join(f"`{level}`" for level in levels)
    yield f"| | {heads} |"
    yield "| --- |" + " ---: |" * len(levels)
    for name, meaning in NAMES.items():
        cells = [_cost(told["cost"][name], levels[FIRST]["cost"][name]) for told in levels.values()]
        yield f"| {meaning} | {' | '.join(cells)} |"


def _cost(found: float, first: float) -> str:
    shown = f"{found:,.0f}" if found >= 10 else f"{found:.2f}"
    return shown if found == first else f"{shown} ({found / first:.1f} times)"
