"""Journal records: events of the machines as JSON objects, and back.

An event is written as ``{"t": type name, …members}``; bytes as 0x-hexadecimal, enumerations by
value. Members that hold their default are left out, so that a new member with a default needs no
new version of old records.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.text import repaired

T = TypeVar("T")


class EventCodec(Generic[T]):
    """Encodes one closed family of dataclasses."""

    def __init__(self, kinds: Iterable[type[T]]) -> None:
        self._kinds = {kind.__name__: kind for kind in kinds}

    def encode(self, event: T) -> dict[str, Any]:
        """Return the JSON object of an event; its texts are well-formed, whatever they were.

        What happened is written down with whatever words came with it: an event that no journal
        takes would happen again at every start.
        """
        return {"t": type(event).__name__, **_members(event)}

    def decode(self, record: Mapping[str, Any]) -> T:
        """Read an event.

        Raises:
            Malformed: Unknown type, missing member, or a value of the wrong form.
        """
        kind = self._kinds.get(str(record.get("t")))
        if kind is None:
            raise Malformed(f"unknown event type {record.get('t')!r}")
        try:
            made: T = _decode(kind, record)
        except (KeyError, TypeError, ValueError, AttributeError, Refused) as fault:
            raise Malformed(f"event {record.get('t')!r} does not decode: {fault}") from fault
        return made


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((m.name, m.default) for m in fields(kind))


def _members(value: Any) -> dict[str, Any]:
    found = {}
    for name, default in _defaults(type(value)):  # type: ignore[arg-type]
        member = getattr(value, name)
        if default is MISSING or member != default:
            found[name] = _encode(member)
    return found


def _encode(value: Any) -> Any:
    return _writer(type(value))(value)  # type: ignore[arg-type]


@cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    """Return what writes values of a type."""
    if is_dataclass(kind):
        return _members
    return next((write for base, write in _WRITERS if issubclass(kind, base)), _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


_WRITERS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (Enum, lambda value: value.value),
    (str, repaired),
    (bytes, lambda value: "0x" + value.hex()),
    (tuple, lambda value: [_encode(each) for each in value]),
    (frozenset, lambda value: sorted(map(_encode, value))),
    (Mapping, lambda value: {_encode(key): _encode(each) for key, each in value.items()}),
)
"""How values of a type, and of those below it, are written; all others are as JSON has them."""


def _decode(hint: Any, raw: Any) -> Any:
    return _reader(hint)(raw)


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return what reads values of a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(inner)
    if origin is tuple:
        return _tuple(inner)
    if origin is frozenset:
        each = _reader(inner[0])
        return lambda raw: frozenset(map(each, raw))
    if origin is not None:
        key, value = map(_reader, inner)
        return lambda raw: {key(k): value(v) for k, v in raw.items()}
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return _object(hint) if is_dataclass(hint) else _plain(hint)


def _tuple(hints: tuple[Any, ...]) -> Callable[[Any], Any]:
    if hints[-1] is Ellipsis:
        each = _reader(hints[0])
        return lambda raw: tuple(map(each, raw))
    readers = [_reader(hint) for hint in hints]
    return lambda raw: tuple(read(each) for read, each in zip(readers, raw, strict=True))


def _optional(choices: tuple[Any, ...]) -> Callable[[Any], Any]:
    (only,) = (each for each in choices if each is not type(None))
    read = _reader(only)
    return lambda raw: None if raw is None else read(raw)


def _object(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    plan = [
        (m.name, _reader(hints[m.name]), m.default is MISSING and m.default_factory is MISSING)
        for m in fields(kind)
    ]

    def read(raw: Any) -> Any:
        return kind(**{name: load(raw[name]) for name, load, due in plan if due or name in raw})

    return read


def _plain(kind: Any) -> Callable[[Any], Any]:
    if issubclass(kind, bytes):
        parse: Callable[[Any], Any] = getattr(kind, "parse", _unhex)
        return parse
    if issubclass(kind, Enum):
        return lambda raw: kind(raw)  # noqa: PLW0108 - its type is no callable's

    def read(raw: Any) -> Any:
        if not isinstance(raw, kind) or (kind is int and isinstance(raw, bool)):
            raise TypeError(f"expected {kind.__name__}")
        return raw

    return read


def _unhex(raw: Any) -> bytes:
    if not isinstance(raw, str) or not raw.startswith("0x"):
        raise TypeError("expected bytes as 0x-hexadecimal")
    return bytes.fromhex(raw[2:])
