"""What a pool tells whoever reads a running task, and how a requester proves that it may.

``GET /v1/tasks/{id}/output`` answers with server-sent events, each of them one ``OutputNews``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, RootModel

from poolhand.domain.app_lines import is_clean_line
from poolhand.domain.messages import ReaderSignIn
from poolhand.domain.units import Seconds
from poolhand.wire.join_api import ChainId
from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words
from poolhand.wire.owner_sign_in import Expiry

OutputCount: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


def _clean(text: str) -> str:
    if not is_clean_line(text):
        raise ValueError("a line holds what commands a terminal or cannot be seen")
    return text


CleanLine: TypeAlias = Annotated[str, Field(max_length=24_576), AfterValidator(_clean)]


class NewsKind(StrEnum):
    """What an event tells."""

    LINES = "lines"
    PROGRESS = "progress"
    SILENT = "silent"
    PRINTED = "printed"
    BEAT = "beat"
    END = "end"


class OutputLine(Told):
    """A line that an app printed; ``text`` may hold colours (SGR), and no other command."""

    is_error: bool
    text: CleanLine


class OutputProgress(Told):
    """How far a replicate is.

    Bytes of its image that have come while it is pulled (null: it is not, or that is not told),
    bytes of its data that have come, bytes of memory, milliseconds of all processors, processes;
    ``fraction`` (0 to 1) and ``words`` are what the app says of itself.
    """

    pulled: OutputCount | None = None
    downloaded: OutputCount = 0
    memory: OutputCount = 0
    cpu_ms: OutputCount = 0
    processes: OutputCount = 0
    fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    words: Sentence = ""


class OutputNews(Told):
    """One event of a task's output.

    Attributes:
        kind: ``lines`` of an app; ``progress``; ``silent``: nothing will come of this worker while
            it computes, and why; ``printed``: the end of what an app had printed that nobody
            followed; ``beat``: nothing new; ``end``: the task has ended and nothing follows.
        worker: Whom it is about; null for ``beat`` and ``end``.
        first: The number of the first line, counted from 0 for each worker.
        left_out: Lines before it that are lost: an app printed faster than could be told.
        lines: With consecutive numbers.
        progress: How far it is.
        because: Why nothing comes.
        stdout, stderr: The end of each.
    """

    kind: NewsKind
    worker: JsonAddress | None = None
    first: OutputCount = 0
    left_out: OutputCount = 0
    lines: Annotated[tuple[OutputLine, ...], Field(max_length=4_096)] = ()
    progress: OutputProgress | None = None
    because: Sentence = ""
    stdout: Words = ""
    stderr: Words = ""


class ReaderChallenge(Told):
    """``GET /v1/reader/sign-in``: what a requester is to sign, once, before ``expiry``.

    ``typed_data`` is what a browser's wallet is given (``eth_signTypedData_v4``).
    """

    requester: JsonAddress
    workerpool: JsonAddress
    chain_id: ChainId
    url: Words
    nonce: Words
    expiry: Expiry
    typed_data: dict[str, Any]


class ReaderProof(Told):
    """``POST /v1/reader/sign-in``: the challenge's own members, signed (r ‖ s ‖ v)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requester: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
    nonce: Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
    expiry: Expiry
    signature: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{130}$")]


class ReaderSession(Told):
    """What further requests carry (``Authorization: Bearer``), and for how long (seconds)."""

    token: Words
    expires_in: Seconds


_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_STRUCT = [{"name": name, "type": kind} for kind, name in ReaderSignIn.TYPE.members]


def typed_reader_sign_in(message: ReaderSignIn) -> dict[str, Any]:
    """Return what a wallet in a browser is given to sign."""
    domain = message.domain
    return {
        "types": {"EIP712Domain": _DOMAIN, "ReaderSignIn": _STRUCT},
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": str(domain.contract),
        },
        "primaryType": "ReaderSignIn",
        "message": {
            "requester": str(message.requester),
            "url": message.url,
            "nonce": f"0x{bytes(message.nonce).hex()}",
            "expiry": message.expiry,
        },
    }


class Printed(Told):
    """What an app printed on one worker."""

    stdout: Words
    stderr: Words


class PrintedByWorker(RootModel[Mapping[JsonAddress, Printed]]):
    """``GET /v1/tasks/{id}/logs``: what the app printed, by worker."""
