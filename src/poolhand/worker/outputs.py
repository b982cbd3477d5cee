"""What an app's output comes to, read from the folder that was its ``/iexec_out``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.computed import (
    COMPUTED_FILE,
    MAX_COMPUTED,
    OUTPUT_FOLDER,
    Computed,
    NoResult,
    result_digest,
)
from poolhand.domain.ids import ResultDigest
from poolhand.worker.result_files import oddity, open_plain, result_files

_MISSING: Final = (
    f"the app did not write {OUTPUT_FOLDER}/{COMPUTED_FILE} as a regular file: it must, and name "
    "its deterministic-output-path there"
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The digest for the chain; bytes for a callback contract, None when there is none."""

    digest: ResultDigest
    callback_data: bytes | None


def read_outputs(folder: Path, *, with_callback: bool) -> Outputs:
    """Read ``computed.json`` and hash the files below ``folder``.

    Args:
        folder: Mounted as ``/iexec_out`` in a container that has ended.
        with_callback: Whether the deal has a callback contract.

    Raises:
        NoResult: The app left no result; the message says what is missing.
        OSError: A file cannot be read.
    """
    places = dict(result_files(folder))
    if COMPUTED_FILE not in places:
        raise NoResult(oddity(folder, COMPUTED_FILE) or _MISSING)
    with open_plain(places[COMPUTED_FILE]) as file:
        computed = Computed.parse(file.read(MAX_COMPUTED + 1))
    files = {name: _sha256(path) for name, path in places.items()}
    if not with_callback and (odd := oddity(folder, computed.inside)):
        raise NoResult(odd)
    digest = result_digest(computed, files, with_callback=with_callback)
    return Outputs(digest, computed.callback_data if with_callback else None)


def _sha256(path: Path) -> bytes:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").digest()
