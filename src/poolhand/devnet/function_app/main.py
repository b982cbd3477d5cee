"""Run functions that were sent from Python: the app of ``client.map`` and its kin, in one file.

It stands alone: the standard library and cloudpickle, of the Python in its image. Its command line
is

    MODE NONCE PAYLOAD

MODE is ``free`` or ``fixed:SEED:TIME`` (hash seed, and the Unix seconds that every clock shows, so
that several workers compute the same bytes); NONCE names the purchase and means nothing here;
PAYLOAD is the payload in URL-safe base64, ``sha256:…`` where it is the first input file, which must
have that digest, or ``-`` where that is not looked at.

A payload is a zlib stream: a line of JSON (``python``: major and minor; ``sizes``: bytes of each
blob), then the blobs: the function that all calls share (empty: each brings its own), then one blob
per chunk, a pickled list of calls ``(function or None, args, kwargs)``. A task unpickles its own
chunk alone.

Writes ``result.bin``: a line of JSON that tells how each call ended, then what each came to,
pickled. Times go to ``measured.json``, beside what workers agree on.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import io
import json
import os
import pickle
import random
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias, cast

import cloudpickle  # type: ignore[import-untyped]

MOST_PACKED: Final = 64 * 1024**2
"""Bytes of a payload that is an input file."""
PAYLOAD_FILE_MARK: Final = "sha256:"
"""Before the digest of a payload that is an input file."""
MOST_UNPACKED: Final = 256 * 1024**2
"""Bytes of a payload, unpacked."""
MOST_RESULT_SENT: Final = 256 * 1024**2
"""Bytes that the results of a chunk may come to; a larger one is told as an error of its call."""
_MOST_FAULT_WORDS: Final = 65_536
"""Characters of a traceback or a message that travel."""
PICKLE_PROTOCOL: Final = 5
SentCall: TypeAlias = tuple[Callable[..., Any], Any, Any]
"""A function, its arguments by place, and those by name."""
TaskEnvironment: TypeAlias = Mapping[str, str]


_OF_SETS: Final = (set.__reduce__, frozenset.__reduce__)
_InPython: Any = pickle._Pickler  # noqa: SLF001 - what is written in C lets no set be ordered


class CanonicalPickler(_InPython):  # type: ignore[misc]
    """Pickles equal values to equal bytes: sets in order, nothing of which texts are one object.

    What cloudpickle adds to a pickler is written in Python, and is taken from its own.
    """

    dispatch: ClassVar[dict[type, Any]] = dict(_InPython.dispatch)
    dispatch_table = cloudpickle.Pickler.dispatch_table
    _function_reduce = cloudpickle.Pickler._function_reduce  # noqa: SLF001
    _dynamic_function_reduce = cloudpickle.Pickler._dynamic_function_reduce  # noqa: SLF001
    _function_getnewargs = cloudpickle.Pickler._function_getnewargs  # noqa: SLF001

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, PICKLE_PROTOCOL)
        self.globals_ref: dict[int, dict[str, Any]] = {}

    def reducer_override(self, value: Any) -> Any:
        """Return how a value is made again: of a kind of set, from its elements in order."""
        if isinstance(value, set | frozenset) and type(value).__reduce__ in _OF_SETS:
            made, (elements,), *state = cast("tuple[Any, ...]", value.__reduce__())
            return made, (sorted(elements, key=canonical),), *state
        return cloudpickle.Pickler.reducer_override(self, value)

    def save_text(self, text: str) -> None:
        """Write a text whole, each time."""
        encoded = text.encode("utf-8", "surrogatepass")
        size = len(encoded)
        head = pickle.BINUNICODE8 + size.to_bytes(8, "little")
        if size < 256:
            head = pickle.SHORT_BINUNICODE + size.to_bytes(1, "little")
        self._write_large_bytes(head, encoded) if size > 65_536 else self.write(head + encoded)

    def save_in_order(self, some: set[Any] | frozenset[Any]) -> None:
        """Write a set by the order of its elements' own bytes."""
        self.save_reduce(type(some), (sorted(some, key=canonical),), obj=some)

    dispatch[str] = save_text
    dispatch[set] = dispatch[frozenset] = save_in_order


def canonical(value: object) -> bytes:
    """Pickle a value so that equal ones, in another process, give the same bytes."""
    out = io.BytesIO()
    CanonicalPickler(out).dump(value)
    return out.getvalue()


def plain(value: object) -> bytes:
    """Pickle a value, fast."""
    dumped: bytes = cloudpickle.dumps(value, PICKLE_PROTOCOL)
    return dumped


# ------------------------------------------------------------------------------------ one clock


class _Shown(type):
    """What is no instance of the stand-in is one of the real class all the same."""

    def __new__(cls, name: str, below: tuple[type, ...], has: dict[str, Any], real: type) -> Any:
        return super().__new__(cls, name, below, {**has, "real": real})

    def __init__(cls, name: str, below: tuple[type, ...], has: dict[str, Any], **_: type) -> None:
        super().__init__(name, below, has)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, vars(cls)["real"])

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, vars(cls)["real"])


def _moment(shown: float) -> type:
    """Return a ``datetime.datetime`` for which it is always the same moment."""
    real = dt.datetime

    class Fixed(real, metaclass=_Shown, real=real):  # type: ignore[misc,valid-type]
        def __new__(cls, *args: Any, **named: Any) -> Any:
            return real(*args, **named)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.fromtimestamp(shown, tz)

        @classmethod
        def today(cls) -> Any:
            return real.fromtimestamp(shown)

        @classmethod
        def utcnow(cls) -> Any:
            return real.fromtimestamp(shown, dt.UTC).replace(tzinfo=None)

    return Fixed


def _day(shown: float) -> type:
    real = dt.date

    class FixedDay(real, metaclass=_Shown, real=real):  # type: ignore[misc,valid-type]
        def __new__(cls, *args: Any, **named: Any) -> Any:
            return real(*args, **named)

        @classmethod
        def today(cls) -> Any:
            return real.fromtimestamp(shown)

    return FixedDay


def _put(moment: Any, day: Any) -> None:
    """Let the module ``datetime`` have these classes."""
    vars(dt).update(datetime=moment, date=day)


def _shows(real: Callable[..., Any], shown: float) -> Callable[..., Any]:
    return lambda told=None: real(shown if told is None else told)


@contextlib.contextmanager
def clock_at(shown: float | None) -> Iterator[None]:
    """Show one moment (Unix seconds) by every clock that tells the date; None leaves them alone."""
    if shown is None:
        yield
        return
    kept = {
        name: getattr(time, name) for name in ("time", "time_ns", "gmtime", "localtime", "ctime")
    }
    classes = dt.datetime, dt.date
    vars(time).update(time=lambda: float(shown), time_ns=lambda: int(shown) * 10**9)
    vars(time).update(
        {name: _shows(kept[name], shown) for name in ("gmtime", "localtime", "ctime")}
    )
    _put(_moment(shown), _day(shown))
    try:
        yield
    finally:
        vars(time).update(kept)
        _put(*classes)


# ------------------------------------------------------------------------------------ the work


class Unusable(Exception):
    """The payload cannot be computed here; the task fails, and is not paid."""


class ComputeMode:
    """How a bag is computed.

    Attributes:
        seed: Of hashes, and of ``random`` together with the call's number; None: whatever comes.
        shown: What clocks show (Unix seconds); None: the time.
    """

    def __init__(self, told: str) -> None:
        kind, *values = told.split(":")
        self.seed = int(values[0]) if kind == "fixed" else None
        self.shown = int(values[1]) if kind == "fixed" else None
        self.dump: Callable[[object], bytes] = plain if self.seed is None else canonical

    def settle(self) -> None:
        """Begin anew with the hash seed, which Python takes at its start alone."""
        if self.seed is not None and os.environ.get("PYTHONHASHSEED") != str(self.seed):
            os.environ["PYTHONHASHSEED"] = str(self.seed)
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606


def unpacked(payload: bytes) -> list[bytes]:
    """Return the blobs of a payload: the shared function's, then one per chunk."""
    inflating = zlib.decompressobj()
    whole = inflating.decompress(payload, MOST_UNPACKED)
    if not inflating.eof:
        raise Unusable(f"the payload is cut off, or larger than {MOST_UNPACKED} bytes")
    line, _, rest = whole.partition(b"\n")
    told = json.loads(line)
    wanted, have = tuple(told["python"]), sys.version_info[:2]
    if wanted != have:
        raise Unusable(
            f"the function was sent by Python {wanted[0]}.{wanted[1]}, and this image has "
            f"{have[0]}.{have[1]}: functions travel between equal versions alone"
        )
    blobs, at = [], 0
    for size in told["sizes"]:
        blobs.append(rest[at : at + size])
        at += size
    return blobs


def calls_of(blobs: list[bytes], number: int) -> list[SentCall]:
    """Return the calls of one chunk."""
    if not 0 <= number < len(blobs) - 1:
        raise Unusable(f"the payload has no chunk {number}")
    shared = pickle.loads(blobs[0]) if blobs[0] else None
    chunk = pickle.loads(blobs[1 + number])
    return [(own or cast("Callable[..., Any]", shared), args, named) for own, args, named in chunk]


def computed(call: SentCall, mode: ComputeMode) -> tuple[dict[str, Any], bytes]:
    """SentCall a function; return how it ended, and the pickled value or exception."""
    function, args, named = call
    try:
        with clock_at(mode.shown):
            value = function(*args, **named)
    except BaseException as fault:  # noqa: BLE001 - what the function raises is what it came to
        return _failed(fault, mode)
    try:
        dumped = mode.dump(value)
    except Exception as fault:  # noqa: BLE001 - the value's own code may raise anything
        return _unsent(f"its value, of type {type(value).__name__}, does not pickle: {fault}")
    if len(dumped) > MOST_RESULT_SENT:
        return _unsent(f"its value has {len(dumped)} bytes, and {MOST_RESULT_SENT} may travel")
    return {"kind": "value"}, dumped


def _failed(fault: BaseException, mode: ComputeMode) -> tuple[dict[str, Any], bytes]:
    trace = fault.__traceback__
    lines = traceback.format_exception(type(fault), fault, trace.tb_next if trace else None)
    told = {
        "kind": "error",
        "type": type(fault).__name__,
        "message": str(fault)[:_MOST_FAULT_WORDS],
        "traceback": "".join(lines)[-_MOST_FAULT_WORDS:],
    }
    try:
        dumped = mode.dump(fault)
        pickle.loads(dumped)  # some pickle, and cannot be made again
    except Exception:  # noqa: BLE001 - an exception's own code may raise anything
        dumped = b""
    return told, dumped if len(dumped) <= MOST_RESULT_SENT else b""


def _unsent(why: str) -> tuple[dict[str, Any], bytes]:
    return {"kind": "unsent", "message": why[:_MOST_FAULT_WORDS]}, b""


def main(words: list[str], environment: TaskEnvironment = os.environ) -> int:
    """Compute the chunk of this task; return the exit code."""
    try:
        told, _, payload = words
        mode = ComputeMode(told)
        mode.settle()
        number = int(environment.get("IEXEC_TASK_INDEX") or 0)
        blobs = unpacked(_payload(payload, environment))
        with clock_at(mode.shown):  # what is unpickled may keep the clock that it finds
            calls = calls_of(blobs, number)
    except Exception as fault:  # noqa: BLE001 - unpickling runs whatever was pickled
        print(f"the functions cannot be run: {type(fault).__name__}: {fault}", file=sys.stderr)
        return 1
    write(calls, mode, number, Path(environment.get("IEXEC_OUT", "/iexec_out")))
    return 0


def _payload(told: str, environment: TaskEnvironment) -> bytes:
    marked = told.startswith(PAYLOAD_FILE_MARK)
    if told != "-" and not marked:
        return base64.urlsafe_b64decode(told)
    folder = Path(environment.get("IEXEC_IN", "/iexec_in"))
    path = folder / environment["IEXEC_INPUT_FILE_NAME_1"]
    if path.stat().st_size > MOST_PACKED:
        raise Unusable(f"the payload has more than {MOST_PACKED} bytes")
    content = path.read_bytes()
    if marked and hashlib.sha256(content).hexdigest() != told.removeprefix(PAYLOAD_FILE_MARK):
        raise Unusable("the input file is not the payload that the deal names")
    return content


def write(calls: list[SentCall], mode: ComputeMode, number: int, out: Path) -> None:
    """Make all calls of a chunk and write what they came to."""
    told, blobs, seconds, arguments = [], [], [], []
    for place, call in enumerate(calls):
        if mode.seed is not None:
            random.seed(f"{mode.seed}:{number}:{place}")
            arguments.append(_digests(call))
        began = time.perf_counter()
        how, dumped = computed(call, mode)
        seconds.append(round(time.perf_counter() - began, 6))
        told.append({**how, "size": len(dumped)})
        blobs.append(dumped)
    head = json.dumps({"outcomes": told}, separators=(",", ":")).encode()
    (out / "result.bin").write_bytes(head + b"\n" + b"".join(blobs))
    measured = {"seconds": seconds, "arguments": arguments}
    (out / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
    named = {"deterministic-output-path": str(out / "result.bin")}
    (out / "computed.json").write_text(json.dumps(named), encoding="utf-8")


def _digests(call: SentCall) -> dict[str, str]:
    """Tell arguments by their bytes, to find one that is another in every process."""
    _, args, named = call
    found = {}
    for name, value in (*enumerate(args), *named.items()):
        try:
            found[str(name)] = hashlib.sha256(canonical(value)).hexdigest()
        except Exception as fault:  # noqa: BLE001 - a value's own code may raise anything
            found[str(name)] = type(fault).__name__
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
