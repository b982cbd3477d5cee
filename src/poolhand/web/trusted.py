"""Whose certificates count: read once for the whole program, for reading them takes 15 to 50 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Final

import httpx

AUTHORITY_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What in the environment names other authorities than the usual ones."""


def trusted(*, environment: bool = False) -> ssl.SSLContext:
    """Return the authorities that are trusted; whoever asks again is given the same object.

    Args:
        environment: Whether the environment may name others, as for a user's own commands.
    """
    return _read(
        tuple(os.environ.get(name, "") for name in AUTHORITY_VARIABLES) if environment else ()
    )


@cache
def _read(named: tuple[str, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=bool(named))
