"""Journal records: events of the machines as JSON objects, and back.

An event is written as ``{"t": type name, …members}``; bytes as 0x-hexadecimal, enumerations by
value. Members that hold their default are left out, so that a new member with a default needs no
new version of old records.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.text import mended

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
        except (KeyError, TypeError, ValueError, Refused) as fault:
            raise Malformed(f"event {record.get('t')!r} does not decode: {fault}") from fault
        return made


def _members(value: Any) -> dict[str, Any]:
    return {
        member.name: _encode(getattr(value, member.name))
        for member in fields(value)
        if not _holds_default(member, getattr(value, member.name))
    }


def _holds_default(member: Field[Any], value: Any) -> bool:
    return member.default is not MISSING and bool(value == member.default)


def _encode(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | frozenset):
        found = [_encode(each) for each in value]
        return sorted(found) if isinstance(value, frozenset) else found
    if isinstance(value, Mapping):
        return {_encode(key): _encode(each) for key, each in value.items()}
    return _members(value) if is_dataclass(value) else value


@cache
def _plan(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (m.name, hints[m.name], m.default is MISSING and m.default_factory is MISSING)
        for m in fields(kind)
    )


def _decode(hint: Any, raw: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(hint), raw)
    if origin is tuple:
        return _decode_tuple(get_args(hint), raw)
    if origin is frozenset:
        return frozenset(_decode(get_args(hint)[0], each) for each in raw)
    if origin is not None:
        key, value = get_args(hint)
        return {_decode(key, k): _decode(value, v) for k, v in raw.items()}
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return _decode_plain(hint, raw)


def _decode_tuple(hints: tuple[Any, ...], raw: Any) -> tuple[Any, ...]:
    if hints[-1] is Ellipsis:
        return tuple(_decode(hints[0], each) for each in raw)
    return tuple(_decode(hint, each) for hint, each in zip(hints, raw, strict=True))


def _decode_union(choices: tuple[Any, ...], raw: Any) -> Any:
    if raw is None and type(None) in choices:
        return None
    (only,) = (each for each in choices if each is not type(None))
    return _decode(only, raw)


def _decode_plain(kind: Any, raw: Any) -> Any:
    if is_dataclass(kind):
        present = {
            name: _decode(hint, raw[name])
            for name, hint, required in _plan(kind)  # type: ignore[arg-type]
            if required or name in raw
        }
        make: Callable[..., Any] = kind  # type: ignore[assignment]
        return make(**present)
    if issubclass(kind, bytes):
        parse = getattr(kind, "parse", None)
        return parse(raw) if parse else _unhex(raw)
    if issubclass(kind, Enum):
        return kind(raw)
    if not isinstance(raw, kind) or (kind is int and isinstance(raw, bool)):
        raise TypeError(f"expected {kind.__name__}")
    return raw


def _unhex(raw: Any) -> bytes:
    if not isinstance(raw, str) or not raw.startswith("0x"):
        raise TypeError("expected bytes as 0x-hexadecimal")
    return bytes.fromhex(raw[2:])
