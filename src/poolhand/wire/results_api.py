"""The results service's HTTP API, described once: the service answers by it, clients read by it.

Sizes are bytes, moments Unix seconds. Members are added, never renamed.
"""

from __future__ import annotations

import re
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.units import UnixSeconds
from poolhand.wire.json_models import JsonAddress, JsonDigest, JsonTaskId, Sentence, Told, Words

_INPUT_URL: Final = re.compile(r"/v1/inputs/(0x[0-9a-f]{40})/([0-9a-f]{64})\Z")


class StoredResult(Told):
    """``PUT /v1/results/{id}``: the link to put on chain, a JSON text as iExec's SDK reads it."""

    link: str


class StoredInput(Told):
    """``PUT /v1/inputs/{owner}/{sha256}``: where workers find a file that a requester left."""

    location: Words


def input_path(owner: Address, sha256: bytes) -> str:
    """Return the path of a file that a requester left, by its sha256 (32 bytes)."""
    return f"/v1/inputs/0x{owner.hex()}/{sha256.hex()}"


def read_input_url(url: str) -> tuple[Address, bytes] | None:
    """Return whose file a URL names, and its sha256 (32 bytes), at whatever host; None: no such."""
    found = _INPUT_URL.search(url)
    return (Address.parse(found[1]), bytes.fromhex(found[2])) if found else None


class FileInResult(Told):
    """A file of a result archive."""

    name: Words
    size: int


class ResultInfo(Told):
    """``GET /v1/results/{id}/info``: what a result archive is, and what it holds.

    ``sha256`` is of the archive itself, in hexadecimal without prefix; ``location`` is where its
    link says that it lies.
    """

    task_id: JsonTaskId
    worker: JsonAddress
    digest: JsonDigest
    size: int
    sha256: str
    location: Words
    stored_at: UnixSeconds
    files: tuple[FileInResult, ...]


class ToldResultKey(Told):
    """``GET /v1/result-keys/{address}``: what a beneficiary handed in, with the owner's signature.

    ``value`` is the base64 text of a public key in PEM, ``signature`` 65 bytes in hexadecimal.
    """

    value: str
    signature: str


class ResultsHealth(Told):
    """``GET /health``: ``ok`` is false while the chain cannot be read; ``chain`` says why."""

    ok: bool
    version: Sentence
    chain_id: int
    hub: JsonAddress
    chain: Sentence | None = None
