"""What a node's error object means: no client words it like another.

Source: the messages of Geth, Nitro, Nethermind, Besu, Erigon, OpenEthereum and Anvil.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from poolhand.domain.errors import ChainUnreachable, Refused

_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_PREFIX: Final = re.compile(r"^.*?revert(?:ed)?(?: with reason string)?:?\s*", re.IGNORECASE)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_REVERTED: Final = _words(r"revert|vm execution error|evm error|invalid opcode|out of gas")
_TOO_WIDE: Final = _words(r"range|more than \d+|too (large|many) (results|logs)|response size")
_KNOWN: Final = _words(r"already (known|imported|exists)|known transaction|alreadyknown")
_NONCE_USED: Final = _words(r"nonce (is )?too low|oldnonce|nonce has already been used")
_NO_FUNDS: Final = _words(r"insufficient (funds|balance)|insufficientfunds|upfront cost")
_PRICE: Final = _words(
    r"underpriced|fee ?too ?low|gas price (is )?(too low|below)|less than block base fee"
    r"|max fee per gas|replacementnotallowed|tip above fee"
)
_ELSEWHERE: Final = _words(
    r"rate|too many|capacity|quota|limit exceeded|exceeded|unknown block|not found|missing trie"
    r"|not available|unavailable|pruned|not synced|syncing|internal|time(d)? ?out|overload"
    r"|not supported|unsupported|lagging"
)
_BUSY: Final = _words(r"rate|too many|capacity|limit exceeded|overload")
_BUSY_CODES: Final = (-32005, 429)
_ELSEWHERE_CODES: Final = (-32001, -32601, -32603, 429)


class NodeRefusal(Refused):
    """A node understood a request and answered with an error.

    Attributes:
        code: The node's number.
        text: Its message.
        data: What came with it: for a revert, what the contract returned.
    """

    def __init__(self, method: str, code: int, text: str, data: bytes = b"") -> None:
        super().__init__(f"the node refused {method}: {text} (code {code})")
        self.method, self.node_code, self.text, self.data = method, code, text, data

    @classmethod
    def read(cls, method: str, error: Mapping[str, Any]) -> NodeRefusal:
        """Read a JSON-RPC error object."""
        code = error.get("code")
        return cls(
            method,
            code if isinstance(code, int) else 0,
            str(error.get("message", "")),
            _bytes(error.get("data")),
        )

    @property
    def reverted(self) -> bool:
        """Whether a contract refused, not the node."""
        return self.node_code == 3 or bool(_REVERTED.search(self.text))

    @property
    def reason(self) -> str:
        """The contract's own words, without the node's preamble; empty when there are none."""
        return _PREFIX.sub("", self.text) if self.reverted else self.text

    @property
    def known(self) -> bool:
        """Whether the node has this very transaction already."""
        return bool(_KNOWN.search(self.text))

    @property
    def nonce_used(self) -> bool:
        """Whether a mined transaction has this nonce."""
        return bool(_NONCE_USED.search(self.text))

    @property
    def no_funds(self) -> bool:
        """Whether the wallet cannot pay for gas and value."""
        return bool(_NO_FUNDS.search(self.text))

    @property
    def price_too_low(self) -> bool:
        """Whether the node would take the transaction at a higher price or a lower base fee."""
        return bool(_PRICE.search(self.text))

    @property
    def busy(self) -> bool:
        """Whether the node has too much to do, and would answer a little later."""
        return self.elsewhere and (self.node_code in _BUSY_CODES or bool(_BUSY.search(self.text)))

    @property
    def elsewhere(self) -> bool:
        """Whether another node may well answer: this one is overloaded, lags or cannot."""
        told = (
            self.reverted
            or self.known
            or self.nonce_used
            or self.no_funds
            or self.price_too_low
            or _TOO_WIDE.search(self.text)
        )
        if told:
            return False
        return self.node_code in _ELSEWHERE_CODES or bool(_ELSEWHERE.search(self.text))


class EndpointDown(ChainUnreachable):
    """One endpoint did not answer as it should; others may.

    Attributes:
        reached: Whether the request may have arrived.
        retry_after: Seconds it asked us to stay away, 0 when it said nothing.
        busy: Whether it has too much to do: the same request, a little later, may be answered.
    """

    def __init__(
        self,
        endpoint: str,
        why: str,
        *,
        reached: bool = True,
        retry_after: float = 0,
        busy: bool = False,
    ) -> None:
        super().__init__(f"RPC endpoint {endpoint} {why}: check it, or name another")
        self.reached, self.retry_after, self.busy = reached, retry_after, busy


def _bytes(data: Any) -> bytes:
    """Find the returned bytes in what nodes put into ``data``."""
    if isinstance(data, Mapping):
        data = data.get("data") or data.get("result")
    found = _HEX.search(data) if isinstance(data, str) else None
    return bytes.fromhex(found[0][2:]) if found else b""
