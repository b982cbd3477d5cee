"""How many workers a pool lets in at the same time, unless its owner has it otherwise."""

from __future__ import annotations

from typing import Final

CONNECTIONS_PER_ADDRESS: Final = 64
"""Workers of one client address, unless the pool's owner has it otherwise."""
LOGINS_PER_ADDRESS: Final = 32
"""Of these, who may be logging in at the same time."""
LOGINS_TOGETHER: Final = 1_024
"""Of all addresses together: two seconds of a processor's work."""
