"""A map that survives restarts: bounded, and of each key only the newest record counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from poolhand.ports.journal import EventLog

MOST_KEYS_KNOWN: Final = 10_000
"""Keys that are remembered; of more, what was not heard of for longest is forgotten."""
MOST_RECORDS_OF_A_KEY: Final = 8
"""Of one key: more are cleared away, or a pool that runs for long would have one of each change."""
_AGAIN: Final = "/again"
"""Ends the other one of a key's two streams."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MapCodec(Generic[K, V]):
    """How keys and values are read and written; ``str`` of a key is what ``key`` reads."""

    key: Callable[[str], K]
    encode: Callable[[V], Mapping[str, Any]]
    decode: Callable[[Mapping[str, Any]], V]


class JournaledMap(Generic[K, V]):
    """Values by key.

    A key has two streams: while records are cleared away, the newest is written to the stream that
    does not hold it, and only then the other is forgotten. So a crash between two writes leaves one
    record too many, never one too few.

    Args:
        journal: None forgets at a restart.
        codec: Of what is kept.
        most: How many keys are remembered.
    """

    def __init__(
        self, journal: EventLog | None, codec: MapCodec[K, V], most: int = MOST_KEYS_KNOWN
    ) -> None:
        self._journal, self._codec, self._most = journal, codec, most
        self._known: OrderedDict[K, V] = OrderedDict()
        self._streams: dict[K, tuple[str, int]] = {}

    def recover(self) -> None:
        """Read what was remembered; of each key only the newest record is kept."""
        records: dict[K, list[str]] = {}
        for stream, record in self._journal.read() if self._journal else ():
            key = self._codec.key(stream.removesuffix(_AGAIN))
            self._known[key] = self._codec.decode(record)
            self._known.move_to_end(key)
            records.setdefault(key, []).append(stream)
        for key, streams in records.items():
            self._streams[key] = streams[-1], 1
            if len(streams) > 1:
                if (other := _other(streams[-1])) in streams:
                    self._forget_stream(other)  # older than what the newest's stream has
                self._clear_away(key)
        self._forget_oldest()

    def get(self, key: K) -> V | None:
        """Return what is known of a key."""
        return self._known.get(key)

    def put(self, key: K, value: V, *, durably: bool) -> None:
        """Remember a value; ``durably`` over a restart, too."""
        self._known[key] = value
        self._known.move_to_end(key)
        if durably:
            self._write(key)
        self._forget_oldest()

    def drop(self, key: K) -> None:
        """Remember a key no longer, over restarts either; repeatable."""
        if self._known.pop(key, None) is not None:
            self._forget(key)

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[K]:
        """Yield the keys, first those that were not heard of for longest."""
        return iter(self._known)

    def _write(self, key: K) -> None:
        """Write a key's value down; where it has many records, instead of these."""
        stream, records = self._streams.get(key, (str(key), 0))
        if records >= MOST_RECORDS_OF_A_KEY:
            self._clear_away(key)
        else:
            self._add(key, stream, records + 1)

    def _clear_away(self, key: K) -> None:
        """Keep one record of a key, in the stream that did not have its newest and is empty."""
        stream, _ = self._streams[key]
        self._add(key, _other(stream), 1)
        self._forget_stream(stream)

    def _add(self, key: K, stream: str, records: int) -> None:
        self._streams[key] = stream, records
        if self._journal is not None:
            self._journal.add(stream, self._codec.encode(self._known[key]))

    def _forget_stream(self, stream: str) -> None:
        if self._journal is not None:
            self._journal.forget(stream)

    def _forget_oldest(self) -> None:
        while len(self._known) > self._most:
            key, _ = self._known.popitem(last=False)
            self._forget(key)

    def _forget(self, key: K) -> None:
        self._streams.pop(key, None)
        self._forget_stream(str(key))
        self._forget_stream(f"{key}{_AGAIN}")


def _other(stream: str) -> str:
    """Return the other one of a key's two streams."""
    known = stream.removesuffix(_AGAIN)
    return known if known != stream else stream + _AGAIN
