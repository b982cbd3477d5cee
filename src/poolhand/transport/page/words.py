"""How amounts and durations stand on every page. Pure.

Each is total: what is no such value is shown as not known, for an answer may tell anything.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_UP, Context, Decimal
from typing import Any, Final

from poolhand.domain.units import NanoRlc, show_rlc

NOT_KNOWN: Final = "–"
"""What is not known, or does not apply."""
EARNED_NOT_READ: Final = (NOT_KNOWN, "the chain is being read")
"""Stands for what was earned before the chain was read."""
GLUE: Final = "\u00a0"
"""Between a number and its unit: no line ends there."""
_LEAST_IN_RLC: Final = 100_000
"""Amounts below so many nRLC are told in nRLC: they have too many zeros otherwise."""
COIN_DIGITS: Final = 6
"""Digits of an amount of coin: wei are too small to be read."""
_SPAN: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def amount(nrlc: Any) -> str:
    """Write an amount (nRLC) in RLC, small ones in nRLC."""
    if not isinstance(nrlc, int):
        return NOT_KNOWN
    if nrlc == 0:
        return f"0{GLUE}RLC"
    if abs(nrlc) < _LEAST_IN_RLC:
        return f"{nrlc:,}{GLUE}nRLC"
    whole, dot, rest = show_rlc(NanoRlc(nrlc)).partition(".")
    told = whole if whole == "-0" else f"{int(whole):,}"
    return f"{told}{dot}{rest}{GLUE}RLC"


def earned(won: int, paid: Any, lost: Any) -> tuple[str, str]:
    """Write what was earned and lost (nRLC), and by how many tasks, as a figure."""
    cost = f", lost {amount(lost)}" if lost else ""
    return amount(paid), f"{won} task{'' if won == 1 else 's'} paid{cost}"


def coin(wei: Any, *, at_most: bool = False) -> str:
    """Write an amount of coin (wei) in a few digits; ``at_most`` rounds it up."""
    if not isinstance(wei, int):
        return NOT_KNOWN
    rule = Context(prec=COIN_DIGITS, rounding=ROUND_UP if at_most else ROUND_HALF_EVEN)
    whole, dot, rest = f"{rule.plus(Decimal(wei).scaleb(-18)):,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{dot if rest else ''}{rest}{GLUE}coin"


def span(seconds: Any) -> str:
    """Write a duration (seconds): ``1 h 5 min``, ``12 s``."""
    if not isinstance(seconds, int):
        return NOT_KNOWN
    left, parts = max(seconds, 0), list[str]()
    for size, unit in _SPAN:
        count, left = divmod(left, size)
        parts += [f"{count}{GLUE}{unit}"] if count else []
    parts += [f"{left}{GLUE}s"] if left or not parts else []
    return " ".join(parts[:2])
