"""Which addresses of input files workers can read: told before anything is paid.

Source: what workers refuse by default (``transport.fetcher``, ``transport.hop``).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.errors import Refused

_IPFS: Final = re.compile(r"(?:ipfs://|/ipfs/)[A-Za-z0-9]{10,128}(?:/.*)?")
_HOW: Final = "publish it at an https address or on IPFS, and give that URL"


class UnreadableInput(Refused):
    """No worker could download this input file."""


def check_input_url(url: str) -> str:
    """Check the address of an input file; returns it.

    Plain http is let through for loopback and private addresses alone, as in a devnet.

    Raises:
        UnreadableInput: Workers cannot, or by default do not, read it; says what to give instead.
    """
    shown = ascii(url[:200])
    if re.search(r"\s", url):
        raise UnreadableInput(f"the input {shown} has a space in it: write %20 instead")
    if _IPFS.fullmatch(url):
        return url
    scheme, host = _parts(url)
    if scheme == "https" and host:
        return url
    if scheme == "http" and host:
        if is_near(host):
            return url
        raise UnreadableInput(
            f"workers do not read the input {shown} over plain http, which anybody on the way can "
            "alter: give its https address"
        )
    raise UnreadableInput(
        f"the input {shown} is no address that a worker could read: files of this machine stay "
        f"here; {_HOW}"
    )


def _parts(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), parts.hostname or ""
    except ValueError:
        return "", ""


def is_near(host: str) -> bool:
    """Whether a host is on this side of any wall, as far as its name tells."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".test"))


def is_near_url(url: str) -> bool:
    """Whether the host of a URL is so; False of what is none."""
    try:
        return is_near(urlsplit(url).hostname or "")
    except ValueError:
        return False
