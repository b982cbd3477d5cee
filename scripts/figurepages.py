"""Figures that pages tell in their sentences and tables, kept equal to ``bench/latest.json``.

A page stays plain text that people write. ``TOLD`` repeats those parts of it that have figures,
with ``{name:format}`` in the place of each; ``make docs`` puts the newest ones in, and a test fails
while a page has others, or a sentence is there no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
LATEST: Final = ROOT / "bench" / "latest.json"
Figures = Mapping[str, float | str]

_PLACE: Final = re.compile(r"\{([\w.]+)(?::([^{}]*))?\}")
_FIGURE: Final = r"([\d,.]*\d(?: to \d+)?)"
PROGRAM_MB: Final = 105
"""Memory of a pool that nobody has connected to, as its page says."""
MILLION: Final = 10**6

README: Final = ROOT / "README.md"
SCALE: Final = ROOT / "docs" / "scale.md"
OPERATING: Final = ROOT / "docs" / "how-to" / "operate-a-pool.md"
TOLD: Final[Mapping[Path, str]] = {
    README: """
| trust 1, contribute and finalize at once | {overhead_s.caf.1.p50:.1f} |
{overhead_s.caf.5.p50:.1f} | 2 |

| trust 1, contribute, reveal, finalize | {overhead_s.standard.1.p50:.1f} |
{overhead_s.standard.5.p50:.1f} | 4 |

| trust 100 (7 replicates) | {overhead_s.trust100.1.p50:.1f} | {overhead_s.trust100.5.p50:.1f} |
4 |

A bag of 1,000 on blocks of 5 s is on chain after {bag.1000.initialized_s} s and all paid after
{bag.1000.paid_s} s,

one pool has ten thousand idle workers for {idle.core_share:.3f} of a core

A task reaches an idle worker after {assignment_ms.p95} ms (p95); a worker that freezes is
replaced after {lost_worker_replaced_s.p50} s, a pool that is killed by its standby after
{failover_s} s; a worker takes {worker_rss_mb} MB of memory,
""",
    SCALE: """
| **{bag.1000.initialized_s} s, {bag.1000.paid_s} s** | {load.bag} | full: 1,000

| **{bag.10000.initialized_s} s, {bag.10000.paid_s} s** | {load.bag} | full: the

| share of block gas that they used | 0.8 | **{bag.gas_share:.2f}** |

| the pool's share of a core meanwhile | | {bag.1000.core_share:.2f} and
{bag.10000.core_share:.2f} |

10,000 workers, p99 | 5 ms | **{placement_ms.p99:.1f} ms** | {load.placement} |

all back, lost | 60 s, 0 | **{restart.seconds} s, {restart.lost}**;

median and longest of 5 | 10 s | **{failover_s:.1f} s**, {failover_most_s:.1f} s |
{load.failover} |

1,000 open tasks | 3 s | **{recovery_s:.1f} s**;

share of a core, memory | 60 s, 0.25, 1,000 MB | **{idle.connect_s} s, {idle.core_share:.3f},
{idle.rss_mb} MB**; {idle.connect_cpu_s} s of processor

| 2,000 | **{transitions.per_s}** by the clock; {transitions.per_cpu_s} in a second of processor
| {load.transitions} |

| 50 ms | **{transitions.stall_ms} ms** by the clock; {transitions.stall_cpu_ms} ms of processor
| {load.transitions} |

| 100 ms | **{assignment_ms.p95_busy} ms** by the clock; {assignment_ms.p95_busy_cpu} ms of
processor, with all that is done meanwhile | {load.assignment} |

| 90 MB, 120 MB | **{worker_rss_mb} MB, {worker_rss_mb_after} MB** | {load.overhead} and
{load.worker_memory} |

| 0.15 s, 0.4 s | **{start.import_s:.2f} s, {start.list_s:.2f} s** | {load.start} |

| 30 s | **{lost_worker_replaced_s.p50} s** | {load.lost} |

{each.millionths:.1f} millionths of a core, {each.kb} kB | 10,000 of them

| a login | {each.login_ms:.1f} ms of the processor;

from deal to payment | {each.bag_ms} ms of the pool's processor |

Ten thousand idle workers come to {idle.core_share:.3f} of a core and {idle.rss_mb} MB,

| being there | {million.cores:.1f} cores, {million.gb} GB | 10⁶ × {each.millionths:.1f}
millionths; 10⁶ × {each.kb} kB |

of 10,000 workers each: {million.cores_of_100:.1f} cores and {million.gb_of_100} GB |
""",
    OPERATING: """
| 10,000 idle workers | {idle.core_share:.3f} of a core, {idle.rss_mb} MB; connected within
{idle.connect_s} s |

| of these, each 1,000 | {thousand.core:.3f} of a core, {thousand.mb} MB |

| a worker logging in | {each.login_ms:.1f} ms of a core |

| a worker's own program | {worker_rss_mb} MB,

within about {failover_most_s} s where it is killed,
""",
}
"""Parts of pages, a blank line between two; each stands there once, however its lines break."""


def derived(each: Callable[[str], float]) -> dict[str, float]:
    """Work out what pages make of figures.

    Args:
        each: Returns the figure of a name.
    """
    workers, share = each("idle.workers"), each("idle.core_share")
    memory = each("idle.rss_mb") - PROGRAM_MB
    return {
        "each.millionths": share / workers * MILLION,
        "each.kb": memory / workers * 1000,
        "each.login_ms": each("idle.connect_cpu_s") / workers * 1000,
        "each.bag_ms": each("bag.10000.core_share") * each("bag.10000.paid_s") / 10_000 * 1000,
        "million.cores": share / workers * MILLION,
        "million.gb": memory / workers * 1000,
        "million.cores_of_100": round(100 * share, 9),
        "million.gb_of_100": each("idle.rss_mb") / 10,
        "thousand.core": share / workers * 1000,
        "thousand.mb": memory / workers * 1000,
    }


@cache
def figures() -> Figures:
    """Return every figure by its dotted name, loads and what is derived among them."""
    kept = json.loads(LATEST.read_text(encoding="utf-8"))
    flat = dict(_flat(kept))
    loads = {f"load.{name}": _load(told) for name, told in kept["measured"].items()}
    return {**flat, **loads, **derived(flat.__getitem__)}


def _flat(kept: Mapping[str, Any], before: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in kept.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        elif not isinstance(value, str):
            found.append((before + name, value))
    return found


def _load(told: Mapping[str, float]) -> str:
    """Say how many programs wanted a core beside a measurement: at its begin, and at its end."""
    least, most = sorted(round(told[name]) for name in ("load_before", "load_after"))
    return f"{least}" if least == most else f"{least} to {most}"


def kept(text: str, part: str, known: Figures) -> str:
    """Return a page with the figures of a part of it as they are now.

    Raises:
        LookupError: The page does not have that part once.
    """
    found = list(_pattern(part).finditer(text))
    if len(found) != 1:
        raise LookupError(f"this stands {len(found)} times on its page: {part}")
    wanted = [_shown(known[name], form) for name, form in _PLACE.findall(part)]
    pieces, after = [], 0
    for number, figure in enumerate(wanted, 1):
        pieces += [text[after : found[0].start(number)], figure]
        after = found[0].end(number)
    return "".join((*pieces, text[after:]))


def _pattern(part: str) -> re.Pattern[str]:
    """Return what finds a part with any figures, however its lines are broken."""
    literals = _PLACE.split(part)[::3]
    spaced = (r"\s+".join(re.escape(word) for word in re.split(r"\s", each)) for each in literals)
    return re.compile(_FIGURE.join(spaced))


def _shown(value: float | str, form: str) -> str:
    return value if isinstance(value, str) else format(value, form or ",.0f")


def pages() -> Mapping[Path, str]:
    """Return each page that has figures, as it should be."""
    found: dict[Path, str] = {}
    for page, parts in TOLD.items():
        text = page.read_text(encoding="utf-8")
        for part in parts.strip().split("\n\n"):
            text = kept(text, part, figures())
        found[page] = text
    return found


def write() -> None:
    """Put the newest figures into the pages."""
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
