"""What a task of functions wrote: proved, weighed, and only then unpickled."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from poolhand.client.functions.errors import (
    BadFunctionResult,
    RemoteFault,
    RemoteTraceback,
    ValueTooLarge,
    ValueUnsent,
)
from poolhand.client.task_result import TaskResult
from poolhand.domain.json_text import parse_json

MOST_RESULT_BYTES: Final = 512 * 1024**2
"""Bytes of one task's result that are read at most."""
_MOST_HEAD: Final = 64 * 1024**2
_MOST_MEASURED: Final = 1024**2
_KINDS: Final = frozenset({"value", "error", "unsent"})


@dataclass(frozen=True, slots=True)
class FunctionOutcome:
    """How one call ended.

    Attributes:
        kind: ``value``, ``error`` (it raised) or ``unsent`` (its value does not travel).
        content: The pickled value or exception; empty where there is none.
        fault: Class name of what was raised.
        message: Its words, or why the value does not travel.
        traceback: Where it was raised.
    """

    kind: str
    content: bytes = b""
    fault: str = ""
    message: str = ""
    traceback: str = ""

    def value(self) -> Any:
        """Return what the function returned, or raise what it raised.

        Raises:
            ValueUnsent: Its value does not travel.
            RemoteFault: It raised what cannot be raised here, or its value did when it was made.
        """
        if self.kind == "value":
            return self._made()
        if self.kind == "unsent":
            raise ValueUnsent(self.message)
        raise self._raised() from RemoteTraceback(self.traceback)

    def _made(self) -> Any:
        try:
            return pickle.loads(self.content)  # noqa: S301 - proved by the chain: see outcomes_of
        except BaseException as fault:
            if _can_be_raised(fault):
                raise
            told = f"{fault} (when its value was unpickled here)"
            raise RemoteFault(type(fault).__name__, told) from None

    def _raised(self) -> BaseException:
        try:
            found = pickle.loads(self.content) if self.content else None  # noqa: S301 - as above
        except BaseException:  # noqa: BLE001 - its class may not be here; its code may raise anything
            found = None
        if isinstance(found, Exception) and _can_be_raised(found):
            return found
        return RemoteFault(self.fault, self.message)


def _can_be_raised(fault: BaseException) -> bool:
    """Say whether a future can tell a fault: some end whoever waits, or never reach them."""
    return isinstance(fault, Exception) and not isinstance(
        fault, StopIteration | StopAsyncIteration | CancelledError
    )


def outcomes_of(result: TaskResult, calls: int, most: int) -> tuple[FunctionOutcome, ...]:
    """Return how the calls of a task ended.

    Nothing is unpickled here, and nothing later but these bytes: their digest is the one on which
    the workers agreed on chain.

    Args:
        result: Of the task.
        calls: How many it was given.
        most: Bytes that are read.

    Raises:
        ValueTooLarge: It has more bytes.
        BadFunctionResult: It is another file than the chain proves, or none of functions.
    """
    return read_outcomes(proved(result, most), calls)


def read_outcomes(written: bytes, calls: int) -> tuple[FunctionOutcome, ...]:
    """Read ``result.bin``, and unpickle nothing; raises BadFunctionResult."""
    head, line_end, rest = written.partition(b"\n")
    if not line_end or len(head) > _MOST_HEAD:
        raise BadFunctionResult("it has no list of outcomes")
    try:
        told = parse_json(head)
    except ValueError as fault:
        raise BadFunctionResult("its list of outcomes is no JSON") from fault
    listed = told.get("outcomes") if isinstance(told, dict) else None
    if not isinstance(listed, list) or len(listed) != calls:
        raise BadFunctionResult(f"it does not tell of {calls} call(s)")
    found, at = [], 0
    for each in listed:
        size, words = _read(each)
        found.append(FunctionOutcome(words[0], rest[at : at + size], *words[1:]))
        at += size
    if at != len(rest):
        raise BadFunctionResult("its sizes are not those that it tells")
    return tuple(found)


def _read(member: Any) -> tuple[int, Sequence[str]]:
    match member:
        case {"kind": str(kind), "size": int(size)} if kind in _KINDS and size >= 0:
            told = [member.get(name, "") for name in ("type", "message", "traceback")]
            if all(isinstance(each, str) for each in told):
                return size, (kind, *told)
    raise BadFunctionResult("its list of outcomes has another form")


def proved(result: TaskResult, most: int) -> bytes:
    """Return the file that the chain proves, and no other; raises as ``outcomes_of``."""
    with zipfile.ZipFile(result.archive) as opened:
        try:
            size = opened.getinfo("result.bin").file_size
        except KeyError:
            raise BadFunctionResult("its app has written no result.bin") from None
        if size > most:
            raise ValueTooLarge(size, most)
        content = opened.read("result.bin")
    if sha256(content).digest() != bytes(result.digest):
        raise BadFunctionResult(f"its digest is not {result.digest}, which is on chain")
    return content


def seconds_of(result: TaskResult) -> tuple[float, ...]:
    """Return the seconds of each call, as the worker says and nobody proves; else nothing."""
    try:
        with zipfile.ZipFile(result.archive) as opened:
            if opened.getinfo("measured.json").file_size > _MOST_MEASURED:
                return ()
            told = parse_json(opened.read("measured.json"))["seconds"]
        return tuple(min(max(float(each), 0.0), 1e9) for each in told)
    except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile):
        return ()


def values_of(result: TaskResult, calls: int, most: int) -> list[tuple[Any, BaseException | None]]:
    """Unpickle what a task came to: a value or a fault for each call; not in an event loop.

    Args:
        result: Of the task.
        calls: How many it computed.
        most: Bytes of values that are taken.
    """
    return [_value(each) for each in outcomes_of(result, calls, most)]


def _value(outcome: FunctionOutcome) -> tuple[Any, BaseException | None]:
    try:
        return outcome.value(), None
    except Exception as fault:  # noqa: BLE001 - what the function raised is what its future raises
        return None, fault
