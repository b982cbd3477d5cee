"""Chunks of calls on their way to the network, and the futures that wait for them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from poolhand.client.functions.payload import NOTHING, Blob, RemoteCall, pickled
from poolhand.client.functions.terms import FunctionTerms


class CallFuture(Future[Any]):
    """What a call on the network will come to, as of ``concurrent.futures``.

    Args:
        keeps: What lasts as long as it does: the client's loop.

    Attributes:
        chunk: In which it is computed; None before that is known, and when it has ended.
    """

    def __init__(self, keeps: object = None) -> None:
        super().__init__()
        self._keeps = keeps
        self.chunk: Chunk | None = None


@dataclass(slots=True, eq=False)
class Chunk:
    """Calls that one task makes.

    Attributes:
        terms: On which it is bought.
        shared: The function that it has in common with others; ``NOTHING`` where it brings its own.
        blob: Its calls, pickled.
        futures: One for each call; none once these have their values.
        place: Bag and index in which it is computed; None before that is known, and when nobody
            waits any more.
        is_left: Nobody waits any more.
        seconds: That its calls have computed; 0 before that is known.
    """

    terms: FunctionTerms
    shared: Blob
    blob: Blob
    futures: tuple[CallFuture, ...]
    place: tuple[str, int] | None = field(default=None)
    is_left: bool = field(default=False)
    seconds: float = field(default=0.0)

    def __post_init__(self) -> None:
        for each in self.futures:
            each.chunk = self

    @property
    def key(self) -> str:
        """By which the same calls, made by the same program's next run, are found again."""
        told = f"{self.terms.name} {self.shared.name} {self.blob.name}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def modules(self) -> frozenset[str]:
        """What its image has to have beside the standard library."""
        return self.shared.modules | self.blob.modules

    def begin(self) -> bool:
        """Say that it is about to be bought; False where everybody has cancelled."""
        open_ = [each for each in self.futures if each.cancelled() or not each.done()]
        return sum(each.set_running_or_notify_cancel() for each in open_) > 0

    @property
    def is_open(self) -> bool:
        """Whether a call has come to nothing yet."""
        return not all(each.done() for each in self.futures)

    def leave(self) -> None:
        """Say that nobody waits any more: what comes all the same is had by the same call."""
        self.is_left = True

    def computed(self, seconds: Sequence[float]) -> None:
        """Tell what each call took."""
        self.seconds = sum(seconds)

    def fail(self, fault: BaseException) -> None:
        """Tell who waits that nothing will come; what has come already stays."""
        for each in self.futures:
            _settle(each, None, fault)

    def settle(self, found: list[tuple[Any, BaseException | None]]) -> None:
        """Tell who waits what each call has returned, or raised.

        Nothing stays in ``found``: the values are whose they are, also while others are told.
        """
        found.reverse()
        for future in self.futures:
            _settle(future, *found.pop())
        self.futures = ()


def _settle(future: CallFuture, value: Any, fault: BaseException | None) -> None:
    future.chunk = None
    if future.done():
        return
    with suppress(InvalidStateError):  # cancelled just now
        if fault is None:
            future.set_result(value)
        else:
            future.set_exception(fault)


def chunk_of(
    terms: FunctionTerms,
    shared: Blob,
    calls: Sequence[RemoteCall],
    futures: Sequence[CallFuture],
    what: str = "the call",
) -> Chunk:
    """Pickle calls.

    Args:
        terms: On which they are bought.
        shared: The function of those that name none.
        calls: One or more.
        futures: Who waits for each.
        what: They are, for the message.

    Raises:
        Unpicklable, NoCloudpickle: Nothing was paid.
    """
    return Chunk(terms, shared, pickled(list(calls), what), tuple(futures))


def one_call(
    terms: FunctionTerms,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    keeps: object = None,
) -> Chunk:
    """Return a chunk of one call that brings its function; its future tells what did not pickle."""
    future = CallFuture(keeps)
    try:
        return chunk_of(terms, NOTHING, [(function, args, named)], [future])
    except Exception as fault:  # noqa: BLE001 - the future tells it, as of every executor
        future.set_exception(fault)
        return Chunk(terms, NOTHING, NOTHING, (future,))


def alike(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Yield chunks that go into one deal together: of the same terms and shared function."""
    found: defaultdict[tuple[FunctionTerms, str], list[Chunk]] = defaultdict(list)
    for each in chunks:
        found[each.terms, each.shared.name].append(each)
    yield from found.values()
