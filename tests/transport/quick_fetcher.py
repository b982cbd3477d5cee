"""The fetcher's program as tests start it: it tries again at once, and may trust an authority."""

from __future__ import annotations

import ssl
import sys

from poolhand.cli.fetcher_program import main


async def at_once(_seconds):
    """Let no time pass between two tries."""


if __name__ == "__main__":
    authorities = sys.argv[1:-1]
    trust = ssl.create_default_context(cafile=authorities[0]) if authorities else None
    sys.exit(main(trust, at_once))
