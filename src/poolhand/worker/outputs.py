"""What an app left behind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from poolhand.domain.computed import Computed, result_digest
from poolhand.domain.ids import ResultDigest


@dataclass(frozen=True, slots=True)
class Outputs:
    """Digest and callback data."""

    digest: ResultDigest
    callback_data: bytes | None


def read_outputs(folder: Path, *, with_callback: bool) -> Outputs:
    """Read the outputs."""
    computed = Computed.parse((folder / "computed.json").read_bytes())
    files = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).digest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    return Outputs(
        result_digest(computed, files, with_callback=with_callback), computed.callback_data
    )
