"""Versions of the worker protocol, and how long what is in its messages may be."""

from __future__ import annotations

from typing import Final

SPOKEN: Final = (2, 3, 4, 5)
"""The versions this code speaks; a new or changed message means the next one."""
FIRST_SESSION_VERSION: Final = SPOKEN[0]
SESSION_VERSION: Final = SPOKEN[-1]
OWNER_MESSAGES: Final = 3
"""The version since which a pool may say something to the operator of a worker, and a worker says
what it is beyond its login."""
LIVE_OUTPUT: Final = 4
"""The version since which a pool may ask a worker for what an app prints while it runs."""
CONFIDENTIAL_OFFERS: Final = 5
"""The version since which a pool may offer confidential tasks."""
TEE_PROOFS: Final = 5
"""The version since which a pool may ask a worker for evidence of its enclaves."""
MAX_WORD: Final = 64
MAX_SENTENCE: Final = 512
DETAIL: Final = 2_048
LOG: Final = 24_576
CALLBACK: Final = 16_384
MOST_HELD: Final = 256
MOST_REPORTS: Final = 8
PROOF_QUOTE: Final = 16_384
"""Bytes of a quote in a message; those of today's machines have about 5,000."""
MOST_OUTPUT_LINES: Final = 256
"""Of an app's, in one message."""
MOST_LINE_NUMBER: Final = 10**12
"""Of an app's: at a million lines a second eleven days of them, and far within any database's."""
