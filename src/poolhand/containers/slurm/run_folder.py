"""One run on the shared folder: what outlives the worker, and what its nodes write.

A run has attempts, each with a folder of its own: one is made anew where a node was lost. Within
one, ``order.json`` is written last of what the worker prepares, ``begun`` is made by whoever is
first: the node, or the worker that gives the attempt up (then no node begins it any more).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from poolhand.containers.engine import Tail
from poolhand.containers.folders import remove
from poolhand.containers.slurm.runner import LOG_FRAME, write
from poolhand.domain.json_text import parse_json

STDOUT: Final = 1
_LONGEST_FILE: Final = 1024**2


@dataclass(frozen=True, slots=True)
class JobAttempt:
    """A folder in which one job works."""

    folder: Path

    @property
    def number(self) -> int:
        """The first is 1."""
        return int(self.folder.name)

    @property
    def is_ready(self) -> bool:
        """Whether all that the job needs is there."""
        return (self.folder / "order.json").exists()

    @property
    def job_name(self) -> str:
        """What its job is called: as no job of an earlier run, of which the cluster still tells."""
        return str((self.members("order.json") or {}).get("id", ""))

    def members(self, name: str) -> dict[str, Any] | None:
        """Return what is written in one of its files; None where there is none yet."""
        return members_of(self.folder / name)

    def give_up(self) -> bool:
        """See to it that no node begins it; tells whether none has."""
        try:
            (self.folder / "begun").mkdir()
        except FileExistsError:
            return False
        return True

    @property
    def has_begun(self) -> bool:
        """Whether a node has begun it, or the worker has given it up."""
        return (self.folder / "begun").exists()

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it: it has a result, or is removed."""
        return self.members("result") is not None or not self.folder.exists()

    @property
    def has_ended(self) -> bool:
        """Whether the app has run to its end here, or all of the run is removed."""
        result = self.members("result")
        return not self.folder.exists() if result is None else "failed" not in result

    def printed(self, most: int) -> tuple[bytes, bytes]:
        """Return the last ``most`` bytes of each stream."""
        out, err = Tail(most), Tail(most)
        for stream, data in self.frames():
            (out if stream == STDOUT else err).add(data)
        return bytes(out), bytes(err)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield what was printed so far, as far as it is kept."""
        for name in ("log.1", "log"):
            try:
                with (self.folder / name).open("rb") as file:
                    yield from frames(file)
            except FileNotFoundError:
                continue


def frames(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield whole pieces from where a file stands; it stands behind the last one afterwards."""
    while True:
        here = file.tell()
        head = file.read(LOG_FRAME.size)
        if len(head) == LOG_FRAME.size:
            stream, length = LOG_FRAME.unpack(head)
            data = file.read(length)
            if len(data) == length:
                yield stream, data
                continue
        file.seek(here)
        return


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The run of one name."""

    folder: Path

    @property
    def labels(self) -> Mapping[str, str] | None:
        """Whose it is; None where there is no such run."""
        return members_of(self.folder / "labels.json")

    def create(self, labels: Mapping[str, str]) -> None:
        """Make it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.folder / "labels.json", dict(labels))

    def attempt(self) -> JobAttempt | None:
        """Return the newest attempt."""
        try:
            numbers = [int(each.name) for each in self.folder.iterdir() if each.name.isdecimal()]
        except FileNotFoundError:
            return None
        return JobAttempt(self.folder / str(max(numbers))) if numbers else None

    def new_attempt(self) -> JobAttempt:
        """Make the next one."""
        last = self.attempt()
        made = JobAttempt(self.folder / str(1 if last is None else last.number + 1))
        made.folder.mkdir()
        return made

    def remove(self) -> None:
        """Remove it; from the first moment on it is no run any more."""
        gone = self.folder.with_name(f".gone-{self.folder.name}")
        remove(gone)
        try:
            self.folder.rename(gone)
        except FileNotFoundError:
            return
        remove(gone)


def members_of(path: Path) -> dict[str, Any] | None:
    """Return what is written in a file; None where there is none, or nothing whole."""
    try:
        with path.open("rb") as file:
            members = parse_json(file.read(_LONGEST_FILE))
    except FileNotFoundError:
        return None
    except (ValueError, json.JSONDecodeError):
        return None
    return members if isinstance(members, dict) else None
