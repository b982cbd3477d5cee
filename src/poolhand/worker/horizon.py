"""When a node may be believed that something is *missing* from the chain.

A node that lags shows an old chain: what is there was there, but what it lacks may have come since.
So the one verdict that ends a replicate because something is missing, too little stake, is given
only of a block that passes all of these (``Horizon.doubt``):

- no block that this worker has seen, on any endpoint, is newer;
- no block that the pool told of (``TaskActivated``) is newer: one that lies makes us wait, no more;
- it is no older than ``MOST_AGE`` by this machine's clock, which is all that a worker with one
  endpoint can go by.

And a second look, at a later block that passes too, must show the same. Until then the worker looks
again with every block, and says in its log why it waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds

MOST_AGE: Final = Seconds(60)
"""Age of a newest block beyond which its node, or the whole chain, stands still."""


@dataclass(slots=True)
class Horizon:
    """The newest block that anybody has told this worker of."""

    newest: BlockNumber = BlockNumber(0)

    def saw(self, block: BlockNumber) -> None:
        """Note a block, seen or told of."""
        self.newest = max(self.newest, block)

    def doubt(self, head: Head, now: UnixSeconds) -> str | None:
        """Say why a block may not be the newest, None when it may be taken for it."""
        if head.number < self.newest:
            return f"the node is at block {head.number} and block {self.newest} is known"
        if now - head.timestamp > MOST_AGE:
            return f"the node's newest block {head.number} is {now - head.timestamp} s old"
        return None
