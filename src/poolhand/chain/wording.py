"""The words by which nodes and the gateways before them refuse: no two say it alike.

Source: the messages of Geth, Nitro, Nethermind, Besu, Erigon, Reth, OpenEthereum, Anvil and
Hardhat, and of the gateways Alchemy, Ankr, BlockPI, Chainstack, Cloudflare, dRPC, Hedera's relay,
Infura, proxyd and QuickNode.
"""

from __future__ import annotations

import re
from typing import Final


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


REVERTED: Final = _words(r"revert", r"vm execution error", r"evm error|invalid opcode|out of gas")
ALREADY_KNOWN: Final = _words(
    r"already (?:known|imported|exists|in (?:the )?(?:mem|tx)?_?pool)",
    r"known transaction|alreadyknown|already_exists|already exists|duplicate transaction",
)
NONCE_USED: Final = _words(
    r"nonce (?:is )?too low|oldnonce|nonce has already been used|nonce_too_low|nonce too old"
)
NO_FUNDS: Final = _words(
    r"insufficient[ _](?:funds|balance|eth|payer)|insufficientfunds|upfront cost|outoffunds",
    r"(?:not|n't) (?:have )?enough (?:funds|balance|eth|cash)",
)
PRICE: Final = _words(
    r"underpriced|fee ?too ?low|gas price (?:is )?(?:too low|below)|less than block base fee",
    r"max fee per gas|replacementnotallowed|tip above fee",
)
NO_PLACE_YET: Final = _words(
    r"nonce (?:is )?too high|nonce gap|gapped.nonce|nonce_too_high",
    r"(?:tx ?|transaction |mem)?pool (?:is |limit )?(?:full|exceeded)|queue (?:is )?full",
    r"too many (?:pending|queued)|in-flight transaction limit",
)
"""The transaction is fine, and the node has no place for it yet."""
NO_SUCH_TRANSACTION_KIND: Final = _words(
    r"(?:transaction|tx) type (?:is )?(?:not|un)|(?:unsupported|invalid) (?:transaction|tx) type",
    r"(?:eip-?1559|dynamic.fee|type.?2)\b.*(?:not (?:supported|enabled|activated)|unsupported)",
    r"only legacy",
)
"""The chain has no transactions of EIP-1559."""
TOO_OFTEN: Final = _words(
    r"\brates?\b|rate.?limit|too many (?:requests|connections|concurrent)|throttl|quota|capacity",
    r"compute units|credits|throughput|\brps\b|requests? (?:limit|per|count)|calls per|slow down",
    r"per (?:second|minute|hour|day)|retry (?:in|after) \d",
)
"""Asked too often."""
BUSY: Final = _words(r"too many|limit exceeded|overload|server is busy|try again later")
TOO_WIDE: Final = _words(
    r"range|more than \d|too (?:large|many|wide|big|long)|exceed|limit|\bmax(?:imum)?\b|narrow",
    r"reduc|response size|payload|timed? ?out|deadline|cancell?ed",
)
"""Of ``eth_getLogs``: fewer blocks would do."""
BEYOND: Final = _words(r"beyond|ahead of|cannot be found|unknown block")
"""Of ``eth_getLogs``: the node has not all these blocks."""
SLOW: Final = _words(r"timed? ?out|deadline|cancell?ed|too long")
OF_BATCHES: Final = _words(r"batch")
NO_SUCH_METHOD: Final = _words(
    r"method\b.{0,80}(?:not (?:found|exist|available|supported|implemented|allowed|whitelisted"
    r"|enabled)|does ?n[o']t exist|unsupported|unavailable|disabled)",
    r"(?:unknown|unsupported|no such|invalid) (?:rpc )?method|not implemented",
)
ODD_PARAMETERS: Final = _words(
    r"invalid (?:params?|arguments?|request|block|input)|too many arguments|unsupported|unmarshal",
    r"not supported|deserial|pars(?:e|ing)|expected|missing value|unrecogni[sz]ed|unknown tag",
)
"""What was asked is written in a way that the node does not read."""
ELSEWHERE: Final = _words(
    r"exceeded|unknown block|not found|cannot be found|missing trie|unavailable|not available",
    r"pruned|not synced|syncing|internal|timed? ?out|not supported|unsupported|lagging",
    r"beyond (?:the )?(?:current )?head|header for hash|connection|upstream|no healthy",
)
BEFORE_REVERT: Final = re.compile(r"^.*?revert(?:ed)?(?: with reason string)?:?\s*", re.IGNORECASE)
"""What a node says before a contract's own words."""
HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
ASKED_TO_WAIT: Final = re.compile(
    r"(?:retry|try again|back ?off)\D{0,12}(\d+(?:\.\d+)?) ?(ms|milliseconds)?", re.IGNORECASE
)
"""How long a node wants to be left alone."""

BUSY_CODES: Final = frozenset({-32005, -32029, -32090, 429})
WIDE_CODES: Final = frozenset({413, -32005, -32008, -32020, -32614})
ELSEWHERE_CODES: Final = frozenset({-32001, -32601, -32603, 429})
MISSING_CODES: Final = frozenset({-32601, -32004})
ODD_CODES: Final = frozenset({-32602, -32600, -32700})
