"""The faults a devnet knows: a closed union of frozen descriptions, and their words.

A description says what is wrong, not how it is brought about. Most faults last until they are
cleared; ``Reorg`` happens and is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args, get_type_hints

from poolhand.domain.errors import Refused

EVERYBODY: Final = "*"
"""As a caller: every program, and whoever else calls."""
EVERY_WORKER: Final = "workers"
"""As a caller: every worker of the devnet."""
EVERY_PROGRAM: Final = "programs"
"""As a caller: every program of the devnet."""
OTHER_CALLERS: Final = "others"
"""As a caller: what the devnet did not start, such as the command line."""
SERVICES: Final = ("node", "pool", "results", "docker")
"""What has a line in front of it."""
DEEPEST_REORG: Final = 48
"""Blocks of the deepest re-organisation: programs look back 64."""

How: TypeAlias = Literal["kill", "term", "freeze"]


class BadFault(Refused):
    """A fault was described in a way that fits none."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A caller cannot reach a service: connections are broken and new ones refused.

    With ``silent`` nothing is broken and nothing arrives, as if a cable were pulled: once it is
    cleared, what was under way goes on.
    """

    name: ClassVar[str] = "partition"
    identity: ClassVar[int] = 2

    caller: str
    service: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """The node stays where it is until the chain is so many blocks ahead, then follows it."""

    name: ClassVar[str] = "lag"
    identity: ClassVar[int] = 0

    blocks: int = 3
    caller: str = EVERYBODY


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """The node answers every n-th request with 429, and how long (seconds) to stay away."""

    name: ClassVar[str] = "429"
    identity: ClassVar[int] = 0

    every: int = 1
    retry_after: int = 1
    caller: str = EVERYBODY


@dataclass(frozen=True, slots=True)
class DropTransactions:
    """The node takes every n-th transaction, answers with its hash, and forgets it."""

    name: ClassVar[str] = "drop-transactions"
    identity: ClassVar[int] = 0

    every: int = 1
    caller: str = EVERYBODY


@dataclass(frozen=True, slots=True)
class LoseAnswers:
    """The node does what every n-th request of a method asks, and its answer is lost."""

    name: ClassVar[str] = "lose-answers"
    identity: ClassVar[int] = 0

    method: str = "eth_sendRawTransaction"
    every: int = 1
    caller: str = EVERYBODY


@dataclass(frozen=True, slots=True)
class DearGas:
    """The base fee is ``factor`` times what it was, and at least that many gwei."""

    name: ClassVar[str] = "gas"
    identity: ClassVar[int] = 0

    factor: int = 100


@dataclass(frozen=True, slots=True)
class Down:
    """A program is killed (-9), terminated or frozen; once it is cleared, it runs again.

    Programs are ``node``, ``docker`` (with an engine of the devnet's own), ``results``, ``pool``,
    ``worker-1`` and on.
    """

    name: ClassVar[str] = "down"
    identity: ClassVar[int] = 1

    program: str
    how: How = "kill"


@dataclass(frozen=True, slots=True)
class FullDisk:
    """No byte is left on the disk of ``results``, ``pool`` or a worker (``worker-1`` and on)."""

    name: ClassVar[str] = "full-disk"
    identity: ClassVar[int] = 1

    program: str


@dataclass(frozen=True, slots=True)
class Reorg:
    """The last blocks are replaced by empty ones; happens once.

    Their transactions come back to the pool of the node, or with ``lose`` are gone.
    """

    name: ClassVar[str] = "reorg"
    identity: ClassVar[int] = 0

    depth: int = 1
    lose: bool = False


NodeFault: TypeAlias = Lag | TooManyRequests | DropTransactions | LoseAnswers
"""What the line in front of the node does."""
Fault: TypeAlias = Partition | NodeFault | DearGas | Down | FullDisk | Reorg
FAULT_KINDS: Final[Mapping[str, type[Fault]]] = {kind.name: kind for kind in get_args(Fault)}


def identity(fault: Fault) -> tuple[Any, ...]:
    """Return what makes a fault the same as another: setting it again replaces the first."""
    own = [getattr(fault, each.name) for each in fields(fault)[: fault.identity]]
    return (fault.name, *own)


def words(fault: Fault) -> str:
    """Write a fault as it is typed: ``partition worker-1 pool silent=true``."""
    told = [fault.name]
    for each in fields(fault):
        value = getattr(fault, each.name)
        if each.default is MISSING:
            told.append(str(value))
        elif value != each.default:
            told.append(f"{each.name}={_spelled(value)}")
    return " ".join(told)


def read(name: str, typed: Sequence[str] = ()) -> Fault:
    """Read a fault from its name and words: values in the order of its fields, or ``field=value``.

    Raises:
        BadFault: There is no such fault, or its words do not fit; the message shows what does.
    """
    kind = _kind(name)
    known, given = fields(kind), dict[str, str]()
    for place, word in enumerate(typed):
        key, named, value = word.partition("=")
        if not named and place >= len(known):
            raise BadFault(f"'{word}' is too much: write {usage(kind)}")
        given[key if named else known[place].name] = value if named else word
    return _made(kind, given)


def load(members: Mapping[str, Any]) -> Fault:
    """Read a fault from its JSON object.

    Raises:
        BadFault: As ``read``.
    """
    given = {key: _spelled(value) for key, value in members.items() if key != "name"}
    return _made(_kind(str(members.get("name"))), given)


def dump(fault: Fault) -> dict[str, Any]:
    """Return the JSON object of a fault."""
    return {"name": fault.name, **asdict(fault)}


def usage(kind: type[Fault]) -> str:
    """Show how a fault is typed."""
    shown = (
        each.name.upper() if each.default is MISSING else f"[{each.name}={_spelled(each.default)}]"
        for each in fields(kind)
    )
    return " ".join((kind.name, *shown))


def _kind(name: str) -> type[Fault]:
    try:
        return FAULT_KINDS[name]
    except KeyError:
        raise BadFault(
            f"there is no fault '{name}': choose from {', '.join(FAULT_KINDS)}"
        ) from None


def _made(kind: type[Fault], given: Mapping[str, str]) -> Fault:
    hints, known = get_type_hints(kind), {each.name: each for each in fields(kind)}
    for key in given:
        if key not in known:
            raise BadFault(f"{kind.name} has no '{key}': write {usage(kind)}")
    for key, each in known.items():
        if each.default is MISSING and key not in given:
            raise BadFault(f"{kind.name} needs {key.upper()}: write {usage(kind)}")
    values = {key: _value(kind, known[key], hints[key], text) for key, text in given.items()}
    return _checked(kind(**values))


def _value(kind: type[Fault], field: Field[Any], hint: Any, text: str) -> Any:
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint is int and text.isdecimal() and int(text) > 0:
        return int(text)
    if hint is str or text in get_args(hint):
        return text
    fit = {bool: "true or false", int: "a whole number from 1"}.get(hint)
    shown = fit or " or ".join(get_args(hint))
    raise BadFault(f"{field.name} of {kind.name} is {shown}, not '{text}'")


def _checked(fault: Fault) -> Fault:
    if isinstance(fault, Reorg) and fault.depth > DEEPEST_REORG:
        raise BadFault(f"a re-organisation is 1 to {DEEPEST_REORG} blocks deep, not {fault.depth}")
    if isinstance(fault, Partition) and fault.service not in SERVICES:
        known = ", ".join(SERVICES)
        raise BadFault(f"'{fault.service}' has no line to cut: choose from {known}")
    return fault


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
