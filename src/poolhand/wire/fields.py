"""Fields of JSON messages: each loads and dumps one domain type and knows its limit.

A field is used through ``typing.Annotated``: the message says the type once, ``shape_of`` turns a
frozen dataclass into its codec. Loading refuses everything that dumping cannot produce.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from poolhand.domain.app_lines import AppLine, is_clean_line
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import FixedBytes
from poolhand.domain.network_hosts import NetworkHost, UnfitHost, read_host
from poolhand.domain.text import is_plain, is_well_formed, repaired, shown

MAX_INT: Final = 2**63 - 1
WIDEST_CHARACTER: Final = 6
"""Bytes of the widest character inside a JSON frame, an escape: short texts need not be counted."""

_QUOTING: Final = json.JSONEncoder(ensure_ascii=False)
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_CUT: Final = "…"
"""Stands for what was cut off."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Field:
    """One codec: ``load`` takes parsed JSON, ``dump`` gives it; both raise ``Malformed``."""

    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]


def cost(text: str) -> int:
    """Count the bytes of a text inside a JSON frame, escapes included, quotes not."""
    return len(_QUOTING.encode(text).encode("utf-8", "surrogatepass")) - 2


def clip(text: str, limit: int) -> str:
    """Keep the end of a text that a person will read, so that it fits a field of ``plain``."""
    return _end(shown(text[-limit:]), limit) if limit > 0 else ""


def tail(text: str, limit: int) -> str:
    """Keep the end of what a program printed, so that it fits a field of ``text``.

    Lone surrogates, which no frame may carry, become question marks.
    """
    return _end(repaired(text[-limit:]), limit) if limit > 0 else ""


def head(text: str, limit: int) -> str:
    """Keep the beginning of a text so that ``cost`` of it is at most ``limit`` bytes (3 or more).

    What was cut off is told by ``…``.
    """
    if cost(text) <= limit:
        return text
    end, left = 0, limit - cost(_CUT)
    while (left := left - cost(text[end])) >= 0:
        end += 1
    return text[:end] + _CUT


def _end(clean: str, limit: int) -> str:
    """Keep the end of a text so that ``cost`` of it is at most ``limit`` bytes."""
    if cost(clean) <= limit:
        return clean
    spent, start = 0, len(clean)
    while start and spent + cost(clean[start - 1]) <= limit:
        start -= 1
        spent += cost(clean[start])
    return clean[start:]


def text(limit: int) -> Field:
    """Return the field of a text of at most ``limit`` bytes on the wire."""

    def check(value: Any) -> str:
        if type(value) is not str:
            raise Malformed("expected a text")
        if not is_well_formed(value):
            raise Malformed("a text holds half a surrogate pair")
        if len(value) * WIDEST_CHARACTER > limit and cost(value) > limit:
            raise Malformed(f"a text takes {cost(value)} bytes, the limit is {limit}")
        return value

    return Field(check, lambda value: check(str(value)))


def plain(limit: int) -> Field:
    """Return the field of a text that a person will read: nothing in it commands or hides.

    What a program of ours has to say is escaped before it leaves; a peer's is refused.
    """
    any_text = text(limit)

    def load(value: Any) -> str:
        found: str = any_text.load(value)
        if not is_plain(found):
            raise Malformed("a text holds what commands a terminal or cannot be seen")
        return found

    return Field(load, lambda value: any_text.dump(shown(str(value))))


def _host(value: Any) -> NetworkHost:
    if type(value) is not str:
        raise Malformed("expected a host")
    try:
        found = read_host(value)
    except UnfitHost as fault:
        raise Malformed(str(fault)) from fault
    if found != value:
        raise Malformed("expected a host as name:port, in lower case")
    return found


NETWORK_HOST_FIELD: Final = Field(_host, _host)
MOST_APP_LINE_COST: Final = 24_576
"""Bytes of an app's line inside a JSON frame: 4,096 that have all become escapes fit."""


def _app_line(value: Any) -> AppLine:
    if type(value) is not list or len(value) != 2 or type(value[0]) is not bool:
        raise Malformed("expected a line as [is_error, text]")
    return AppLine(value[0], _line_text(value[1]))


def _line_text(value: Any) -> str:
    found: str = _ANY_LINE.load(value)
    if not is_clean_line(found):
        raise Malformed("a line holds what commands a terminal or cannot be seen")
    return found


_ANY_LINE: Final = text(MOST_APP_LINE_COST)
APP_LINE_FIELD: Final = Field(_app_line, lambda line: [line.is_error, _line_text(line.text)])


def integer(limit: int = MAX_INT) -> Field:
    """Return the field of a whole number from 0 to ``limit``."""

    def check(value: Any) -> int:
        if type(value) is not int or not 0 <= value <= limit:
            raise Malformed(f"expected a whole number from 0 to {limit}")
        return value

    return Field(check, check)


def fixed(kind: type[FixedBytes]) -> Field:
    """Return the field of an id or address: 0x-hexadecimal of exactly its length."""

    def load(value: Any) -> FixedBytes:
        raw = _unhex(value)
        if len(raw) != kind.size:
            raise Malformed(f"expected {kind.what}, {kind.size} bytes as 0x-hexadecimal")
        return kind(raw)

    return Field(load, lambda value: "0x" + value.hex())


def _unhex(value: Any) -> bytes:
    if type(value) is not str or not _HEX.fullmatch(value):
        raise Malformed("expected bytes as 0x-hexadecimal")
    return bytes.fromhex(value[2:])


def blob(limit: int, *, exact: bool = False) -> Field:
    """Return the field of bytes: at most, or with ``exact`` exactly, ``limit`` of them."""

    def check(value: bytes) -> bytes:
        if len(value) > limit or (exact and len(value) != limit):
            raise Malformed(f"{len(value)} bytes where {limit} {'were due' if exact else 'fit'}")
        return value

    return Field(lambda value: check(_unhex(value)), lambda value: "0x" + check(value).hex())


def choice(kind: type[StrEnum]) -> Field:
    """Return the field of a closed set of words."""

    def load(value: Any) -> StrEnum:
        try:
            return kind(value) if type(value) is str else kind("")
        except ValueError as fault:
            raise Malformed(f"expected one of {', '.join(kind)}") from fault

    return Field(load, lambda value: load(str(value)).value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Malformed("expected true or false")
    return value


FLAG_FIELD: Final = Field(_flag, _flag)


def optional(inner: Field) -> Field:
    """Return the field that also admits null (``None``)."""
    return Field(
        lambda value: None if value is None else inner.load(value),
        lambda value: None if value is None else inner.dump(value),
    )


def sequence(inner: Field, most: int, least: int = 0) -> Field:
    """Return the field of a list (a tuple inside) of ``least`` to ``most`` items."""

    def check(value: Any, kind: type[tuple[Any, ...] | list[Any]]) -> Any:
        if not isinstance(value, kind) or not least <= len(value) <= most:
            raise Malformed(f"expected a list of {least} to {most} items")
        return value

    return Field(
        lambda value: tuple(inner.load(item) for item in check(value, list)),
        lambda value: [inner.dump(item) for item in check(value, tuple)],
    )


def counts(key: Field, most: int) -> Field:
    """Return the field of an object from short texts to whole numbers, at most ``most`` pairs."""
    number = integer()

    def check(value: Any) -> Mapping[str, int]:
        if not isinstance(value, Mapping) or len(value) > most:
            raise Malformed(f"expected an object of at most {most} members")
        return {key.load(name): number.load(count) for name, count in value.items()}

    return Field(check, check)


def nested(kind: type) -> Field:
    """Return the field of a message inside a message."""
    return Field(lambda value: load_object(kind, value), dump_object)


def shape_of(kind: Any) -> Mapping[str, Field]:
    """Return the fields of a message class by name, from its annotations (read once)."""
    if kind not in _SHAPES:
        hints = get_type_hints(kind, include_extras=True)
        _SHAPES[kind] = {
            name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated
        }
    return _SHAPES[kind]


_SHAPES: Final[dict[Any, Mapping[str, Field]]] = {}


def load_object(kind: type[T], value: Any) -> T:
    """Build a message from parsed JSON; its members are exactly the class's fields.

    Raises:
        Malformed: Not an object, a member is missing, unknown, or out of its limits.
    """
    shape = shape_of(kind)
    if type(value) is not dict or value.keys() != shape.keys():
        raise Malformed(f"{kind.__name__} has exactly the members {', '.join(shape)}")
    loaded = {}
    for name, field in shape.items():
        try:
            loaded[name] = field.load(value[name])
        except Malformed as fault:
            raise Malformed(f"{kind.__name__}.{name}: {fault}") from fault
    return kind(**loaded)


def dump_object(message: Any) -> dict[str, Any]:
    """Turn a message into JSON-ready members.

    Raises:
        Malformed: A member is over its limit; the caller knows whose fault that is.
    """
    shape = shape_of(type(message))
    return {name: field.dump(getattr(message, name)) for name, field in shape.items()}
