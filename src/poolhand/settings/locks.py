"""Where the programs of one machine lock the wallets they use: one wallet, one program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from poolhand.settings.load import Option

DEFAULT_LOCKS: Final = Path("~/.poolhand/locks")
LOCKS: Final = Option(
    "locks", "POOLHAND_LOCKS", Path, str(DEFAULT_LOCKS), "folder of this machine's wallet locks"
)
