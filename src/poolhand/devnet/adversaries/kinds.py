"""The kinds of simulated adversaries: what each does, and what must follow.

Source: the attack classes of PoCo (copied hashes, withheld reveals), and the ways in which
workers of real networks fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How a simulated adversary misbehaves; ``ADVERSARY_ROWS`` says what must follow."""

    WRONG_HASH = "wrong-hash"
    COPIED_HASH = "copied-hash"
    NEVER_REVEALS = "never-reveals"
    RUBBISH_UPLOAD = "rubbish-upload"
    VANISHES = "vanishes"
    FLOODS = "floods"
    FAILS = "fails"
    LATE = "late"
    HOG = "hog"
    BOASTER = "boaster"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind.

    Attributes:
        kind: Which.
        nick: Its workers are called so, with a number behind.
        does: What it does.
        follows: What must follow, whoever else takes part.
    """

    kind: Kind
    nick: str
    does: str
    follows: str


ADVERSARY_ROWS: Final = (
    KindRow(Kind.WRONG_HASH, "liar",
        "computes, then contributes another hash with a seal that fits it",
        "where the trust asks for more than one worker, the others agree, it loses its stake to "
        "them and ends as ABORTED_ON_CONSENSUS_REACHED; with trust 1 nobody contradicts it"),
    KindRow(Kind.COPIED_HASH, "copycat",
        "computes nothing, waits for another's contribution and contributes the same hash with a "
        "made-up seal; tries to reveal once another's reveal has made the digest public",
        "the hub refuses its reveal, it loses its stake to those who computed, and the task "
        "completes after the reveal deadline"),
    KindRow(Kind.NEVER_REVEALS, "mute",
        "contributes honestly and never reveals",
        "after the reveal deadline the task is finalized by the reveals of others, or reopened "
        "and computed by others; it loses its stake and ends as REVEAL_TIMEOUT"),
    KindRow(Kind.RUBBISH_UPLOAD, "litterer",
        "reveals, then uploads what is not its result: by the task's index the archive of another "
        "result, no archive, one with paths that leave the folder, a bomb, or it only claims to "
        "have uploaded",
        "the results service refuses it or the pool does not believe it, and another worker is "
        "asked; having revealed, it is paid"),
    KindRow(Kind.VANISHES, "vanisher",
        "takes a task and kills its own process while COMPUTING",
        "it is WORKER_LOST and replaced within 30 s; started again it finishes what it holds and "
        "vanishes with the next task"),
    KindRow(Kind.FLOODS, "flooder",
        "sends messages as fast as it can once it is let in",
        "its session ends with a coded reason, and others are served as before"),
    KindRow(Kind.FAILS, "bungler",
        "fails in every computation",
        "COMPUTE_FAILED, and the task is given to another worker"),
    KindRow(Kind.LATE, "latecomer",
        "computes and holds its contribution back until the deadline has passed",
        "CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE; whoever needed it is refunded by the claim"),
    KindRow(Kind.HOG, "hog",
        "claims 65,535 processors, slots and GPUs, takes whatever it is offered, and does none "
        "of it",
        "it is given no more than any newcomer, whoever has proved itself goes first, and idle "
        "workers are put beside it: the task completes without it"),
    KindRow(Kind.BOASTER, "boaster",
        "claims 65,535 processors, slots and GPUs, and computes honestly with what it has",
        "it is given no more than any newcomer, and more with every task that it settles"),
    KindRow(Kind.SILENT, "sleeper",
        "joins, says that it takes tasks, and never answers an offer",
        "the offer goes to somebody else within seconds, and with each further one its turn sinks "
        "for twice as long"),
)  # fmt: skip

ADVERSARIES: Final[Mapping[Kind, KindRow]] = {row.kind: row for row in ADVERSARY_ROWS}
TURN_SEEKERS: Final = (Kind.HOG, Kind.BOASTER, Kind.SILENT)
"""Those that are about who gets work; the others misbehave in work that they were given."""
STANDARD: Final = tuple(kind for kind in Kind if kind is not Kind.LATE)
"""What ``poolhand devnet up --faults`` starts one each of; LATE shows only when time is moved."""

_NICKS: Final = {row.nick: row.kind for row in ADVERSARY_ROWS}


def names_of(kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Name adversaries: ``liar-1``, ``liar-2``, ``mute-1`` and so on, in the order given."""
    seen: Counter[Kind] = Counter()
    named = {}
    for kind in kinds:
        seen[kind] += 1
        named[f"{ADVERSARIES[kind].nick}-{seen[kind]}"] = kind
    return named


def kind_of(name: str) -> Kind | None:
    """Return the kind of an adversary by its name; None when it is no adversary's."""
    return _NICKS.get(name.rpartition("-")[0])
