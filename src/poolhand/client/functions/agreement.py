"""Whether several workers would compute the same bytes: tried here, in processes of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from poolhand.client.functions.outcomes import FunctionOutcome, read_outcomes
from poolhand.client.functions.payload import NOTHING, packed, pickled
from poolhand.client.functions.terms import CLOCKS_SHOW
from poolhand.devnet.examples import FUNCTION_APP
from poolhand.domain.errors import Refused
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown

LONGEST_TRIAL_RUN: Final = 600.0
"""Seconds that one run may take."""
_DAY: Final = 86_400
_MOST_WORDS: Final = 200


class NotTheSame(Refused):
    """Two runs came to something else, so that workers would not agree.

    Attributes:
        where: Which argument, or which part of the value.
        one, other: What it was in either run.
        party: Who must act.
        next_step: How.
    """

    party: Final = "you"
    next_step: Final = (
        "take chance, time, addresses and the machine out of it, or ask for trust 1, where one "
        "worker's word is enough"
    )

    def __init__(self, where: str, one: str, other: str) -> None:
        self.where, self.one, self.other = where, one, other
        super().__init__(
            shown(
                f"{where} was {one} in one process and {other} in another: with trust above 1 "
                f"workers would not agree (next: {self.party}: {self.next_step})"
            )
        )


class TrialFailed(Refused):
    """A run here came to nothing that could be compared; nothing was paid.

    Attributes:
        party: Who must act.
        next_step: How.
    """

    party: Final = "you"

    def __init__(self, why: str, next_step: str) -> None:
        self.next_step = next_step
        super().__init__(
            shown(f"the call was tried here, and {why}. Nothing was paid (next: you: {next_step})")
        )


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """What two runs came to, which was the same.

    Attributes:
        value: That the function returned; None where it raised.
        raised: Name and words of what it raised; empty where it returned.
        depends_on: What would change it, and is fixed where trust is above 1: ``hash seed``,
            ``clock``.
    """

    value: Any
    raised: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    outcome: FunctionOutcome
    arguments: Mapping[str, str]

    @property
    def told(self) -> tuple[str, ...]:
        out = self.outcome
        return (out.kind, out.fault, out.message, out.content.hex())


def check_agreement(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    longest: float = LONGEST_TRIAL_RUN,
) -> AgreementReport:
    """Run a call in processes of their own, as workers would where trust is above 1.

    Args:
        function: Which.
        args: By place.
        named: By name.
        longest: Seconds that one run may take.

    Raises:
        NotTheSame: Two equal runs came to something else; names it.
        Unpicklable, NoCloudpickle: It does not travel.
        TrialFailed: Its value does not, its process ended, or it took too long.
    """
    payload = packed(NOTHING, [pickled([(function, args, named)], "the call")])
    with tempfile.TemporaryDirectory(prefix="poolhand-check-") as folder:
        (Path(folder) / "payload").write_bytes(payload)
        one, other = (_run(Path(folder), 0, CLOCKS_SHOW, longest) for _ in range(2))
        _demand_same(one, other)
        changed = {
            "hash seed": _run(Path(folder), 1, CLOCKS_SHOW, longest),
            "clock": _run(Path(folder), 0, CLOCKS_SHOW + _DAY, longest),
        }
    depends = tuple(name for name, trial in changed.items() if trial.told != one.told)
    if one.outcome.kind == "unsent":
        raise TrialFailed(
            f"its value could not come back: {one.outcome.message}", "return values that pickle"
        )
    if one.outcome.kind == "error":
        return AgreementReport(None, f"{one.outcome.fault}: {one.outcome.message}", depends)
    return AgreementReport(one.outcome.value(), "", depends)


def _run(folder: Path, seed: int, shows: int, longest: float) -> _Trial:
    """Run the app of functions as a worker does, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        environment = {
            **os.environ,
            "PYTHONHASHSEED": str(seed),
            "IEXEC_TASK_INDEX": "0",
            "IEXEC_IN": str(folder),
            "IEXEC_OUT": out,
            "IEXEC_INPUT_FILE_NAME_1": "payload",
        }
        words = [f"fixed:{seed}:{shows}", "check", "-"]
        try:
            done = subprocess.run(  # noqa: S603 - our own app
                [sys.executable, str(FUNCTION_APP / "main.py"), *words],
                env=environment,
                capture_output=True,
                timeout=longest,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrialFailed(
                f"had not ended after {longest:g} seconds", "try it with less to compute"
            ) from None
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise TrialFailed(
                f"its process ended with status {done.returncode}: {last}",
                "let the function return or raise, and end no process",
            )
        (outcome,) = read_outcomes((Path(out) / "result.bin").read_bytes(), 1)
        measured = parse_json((Path(out) / "measured.json").read_bytes())
        return _Trial(outcome, measured["arguments"][0])


def _demand_same(one: _Trial, other: _Trial) -> None:
    for name, digest in one.arguments.items():
        if other.arguments.get(name) != digest:
            what = f"argument {int(name) + 1}" if name.isdigit() else f"argument '{name}'"
            raise NotTheSame(f"{what}, pickled,", digest[:16], str(other.arguments.get(name))[:16])
    if one.told == other.told:
        return
    kinds = {one.outcome.kind, other.outcome.kind}
    if kinds == {"value"}:
        found = next(differences(one.outcome.value(), other.outcome.value(), "value"), None)
        where, first, second = found or ("the pickled value", "of one form", "of another")
        raise NotTheSame(f"the {where}" if found else where, first, second)
    raise NotTheSame("how the function ended", _words(one.outcome), _words(other.outcome))


def _words(outcome: FunctionOutcome) -> str:
    return f"{outcome.kind} {outcome.fault} {outcome.message}".strip()[:_MOST_WORDS]


def differences(one: Any, other: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield where two values differ: the path to it, and what stands there in each.

    Args:
        one: A value.
        other: What should equal it.
        path: Of both.
    """
    pairs = None if type(one) is not type(other) else _pairs(one, other, path)
    if pairs is None:
        if type(one) is not type(other) or repr(one) != repr(other):
            yield path, repr(one)[:_MOST_WORDS], repr(other)[:_MOST_WORDS]
        return
    for name, left, right in pairs:
        yield from differences(left, right, name)


def _pairs(one: Any, other: Any, path: str) -> list[tuple[str, Any, Any]] | None:
    """Return the parts of two values of one type, by their path; None where they have none."""
    match one:
        case dict() if list(one) == list(other):
            return [(f"{path}[{key!r}]", one[key], other[key]) for key in one]
        case list() | tuple() if len(one) == len(other):
            return [
                (f"{path}[{place}]", *pair)
                for place, pair in enumerate(zip(one, other, strict=True))
            ]
        case dict() | list() | tuple() | str() | bytes() | int() | float() | set() | frozenset():
            return None
    if hasattr(one, "__dict__") and vars(one).keys() == vars(other).keys():
        return [(f"{path}.{name}", vars(one)[name], vars(other)[name]) for name in vars(one)]
    return None
