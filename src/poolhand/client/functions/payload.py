"""Functions and their calls as bytes: pickled, weighed, and asked what they need."""

from __future__ import annotations

import dis
import hashlib
import io
import json
import pickletools
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import CodeType, ModuleType
from typing import Any, Final, TypeAlias

from poolhand.client.functions.errors import NoCloudpickle, PayloadTooLarge, Unpicklable

RemoteCall: TypeAlias = tuple[Callable[..., Any] | None, tuple[Any, ...], dict[str, Any]]
"""A function (None: the one that all share), its arguments by place, and those by name."""
MOST_SENT_PAYLOAD: Final = 64 * 1024**2
"""Bytes of function and arguments of one deal, packed."""
_PICKLE: Final = 5
_LEVEL: Final = 6
_ALWAYS_THERE: Final = frozenset({"__main__", "builtins", "cloudpickle", "copyreg"})


@dataclass(frozen=True, slots=True)
class Blob:
    """Something pickled.

    Attributes:
        content: The pickle; empty for nothing.
        name: By which equal ones are known, in hexadecimal, whatever the order of their sets.
        modules: Top names of modules that unpickling or running it imports.
    """

    content: bytes
    name: str
    modules: frozenset[str] = frozenset()


NOTHING: Final = Blob(b"", hashlib.sha256(b"").hexdigest())


def pickled(value: object, what: str) -> Blob:
    """Pickle a value by cloudpickle.

    Args:
        value: Anything.
        what: It is, for the message.

    Raises:
        Unpicklable: It does not pickle.
        NoCloudpickle: There is nothing to pickle by.
    """
    content, modules = _dumped(value, what)
    return Blob(content, _name_of(value, content), modules)


def modules_of(value: object, what: str) -> frozenset[str]:
    """Return what unpickling a value, or running it, imports; as ``pickled``."""
    return _dumped(value, what)[1]


def _dumped(value: object, what: str) -> tuple[bytes, frozenset[str]]:
    out, asked = io.BytesIO(), _Asked()
    pickler = _pickler_class()(out, asked)
    try:
        pickler.dump(value)
    except Exception as fault:
        raise Unpicklable(what, fault) from fault
    content = out.getvalue()
    names = {each.partition(".")[0] for each in (*asked.modules, *_globals(content))}
    return content, frozenset(names - _ALWAYS_THERE - sys.stdlib_module_names)


def _name_of(value: object, content: bytes) -> str:
    """Name a value by what the program's next run pickles, too, where sets have another order."""
    from poolhand.devnet.function_app.main import canonical  # noqa: PLC0415 - needs cloudpickle

    with suppress(Exception):  # nested too deep for a pickler in Python, say
        content = canonical(value)
    return hashlib.sha256(content).hexdigest()


def packed(shared: Blob, chunks: Sequence[Blob], nonce: str = "") -> bytes:
    """Return the payload of a deal, as ``function_app`` reads it.

    Args:
        shared: The function of all calls that bring none.
        chunks: One for each task.
        nonce: Makes it another one than an equal deal has, which ends at another time.

    Raises:
        PayloadTooLarge: It is more than may travel.
    """
    blobs = (shared, *chunks)
    told: dict[str, Any] = {
        "python": sys.version_info[:2],
        "sizes": [len(each.content) for each in blobs],
    }
    told |= {"nonce": nonce} if nonce else {}
    head = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    payload = zlib.compress(head + b"".join(each.content for each in blobs), _LEVEL)
    if len(payload) > MOST_SENT_PAYLOAD:
        raise PayloadTooLarge(len(payload), MOST_SENT_PAYLOAD)
    return payload


class _Asked:
    """What pickling came across that is imported by name."""

    def __init__(self) -> None:
        self.modules: set[str] = set()

    def see(self, value: object) -> None:
        if isinstance(value, ModuleType):
            self.modules.add(value.__name__)
        elif isinstance(value, CodeType):
            self.modules.update(_imports(value))


def _imports(code: CodeType) -> Iterator[str]:
    """Yield modules that a code object imports when it runs."""
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME" and isinstance(each.argval, str) and each.argval:
            yield each.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _imports(inner)


def _globals(content: bytes) -> Iterator[str]:
    """Yield modules of what a pickle names instead of bringing."""
    memo: list[str | None] = []
    texts: list[str | None] = []
    for opcode, told, _ in pickletools.genops(content):
        match opcode.name:
            case "STACK_GLOBAL":
                yield texts[-2] or ""
                texts.append(None)
            case "GLOBAL":
                yield str(told).partition(" ")[0]
            case "MEMOIZE":
                memo.append(texts[-1] if texts else None)
            case "BINGET" | "LONG_BINGET":
                texts.append(memo[told] if isinstance(told, int) else None)
            case "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                texts.append(str(told))
            case "FRAME" | "PROTO" | "STOP":
                pass
            case _:
                texts.append(None)
        del texts[:-2]


_NAMED: Counter[str] = Counter()
_TURN: Final = threading.Lock()


def _name_class(kind: type) -> None:
    """Give a class that travels by value a name that the same program's next run gives it, too.

    Else cloudpickle takes a random one, and a call could not be told from another after a crash.
    """
    from cloudpickle import cloudpickle  # type: ignore[import-untyped]  # noqa: PLC0415 - optional

    with _TURN:
        try:
            by_class = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS  # noqa: SLF001
            by_id = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID  # noqa: SLF001
            if kind in by_class:
                return
            name = f"{kind.__module__}.{kind.__qualname__}"
            _NAMED[name] += 1
            told = hashlib.sha256(f"{name} {_NAMED[name]}".encode()).hexdigest()[:32]
            if told not in by_id:
                by_class[kind] = told
                by_id[told] = kind
        except (AttributeError, TypeError):
            return  # another cloudpickle, which keeps this elsewhere


@cache
def _pickler_class() -> Any:
    try:
        from cloudpickle import Pickler  # noqa: PLC0415 - optional, and slow to load
    except ImportError as fault:
        raise NoCloudpickle from fault

    class AskingPickler(Pickler):  # type: ignore[misc]
        """Sees what is pickled."""

        def __init__(self, out: io.BytesIO, asked: _Asked) -> None:
            super().__init__(out, _PICKLE)
            self._asked = asked

        def reducer_override(self, value: Any) -> Any:
            self._asked.see(value)
            if isinstance(value, type):
                _name_class(value)
            return super().reducer_override(value)

    return AskingPickler
