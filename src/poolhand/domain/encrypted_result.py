"""An encrypted result as those see it who cannot open it: three files, and the digest on chain."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from poolhand.domain.computed import COMPUTED_FILE, NoResult
from poolhand.domain.errors import Refused
from poolhand.domain.ids import ResultDigest
from poolhand.domain.json_text import parse_json

ENCRYPTED_KEY: Final = "aes-key.rsa"
ENCRYPTED_ARCHIVE: Final = "iexec_out.zip.aes"
ENCRYPTED_FILES: Final = frozenset({ENCRYPTED_KEY, ENCRYPTED_ARCHIVE, COMPUTED_FILE})
"""What is in an encrypted archive of ours; iExec's enclaves leave out the last."""


def is_encrypted_result(names: Collection[str]) -> bool:
    """Tell whether an archive with these files is an encrypted result."""
    return {ENCRYPTED_KEY, ENCRYPTED_ARCHIVE} <= set(names) <= ENCRYPTED_FILES


def told_digest(computed: bytes) -> ResultDigest:
    """Return the digest that an encrypted archive's ``computed.json`` tells.

    Raises:
        NoResult: It tells none.
    """
    try:
        told = parse_json(computed)["result-digest"]
        return ResultDigest.parse(told)
    except (ValueError, LookupError, TypeError, AttributeError, Refused) as fault:
        raise NoResult(f"{COMPUTED_FILE} of an encrypted result tells no result-digest") from fault
