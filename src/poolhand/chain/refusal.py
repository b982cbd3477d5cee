"""What a node's error object means, and what it is when an endpoint fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from poolhand.chain import wording
from poolhand.domain.errors import ChainUnreachable, Refused

LOGS: Final = "eth_getLogs"
MOST_NODE_MESSAGE: Final = 500
"""Characters of a node's message that are kept."""


class NodeRefusal(Refused):
    """A node understood a request and answered with an error.

    Attributes:
        node_code: The node's number.
        text: Its message.
        data: What came with it: for a revert, what the contract returned.
    """

    def __init__(self, method: str, code: int, text: str, data: bytes = b"") -> None:
        super().__init__(f"the node refused {method}: {text} (code {code})")
        self.method, self.node_code, self.text, self.data = method, code, text, data

    @classmethod
    def read(cls, method: str, error: Any) -> NodeRefusal:
        """Read what stands for an error: an object, as JSON-RPC says, or mere words."""
        members = error if isinstance(error, Mapping) else {"message": error}
        data = members.get("data")
        return cls(method, _code(members.get("code")), _text(members), _bytes(data))

    @property
    def reverted(self) -> bool:
        """Whether a contract refused, not the node."""
        return self.node_code == 3 or bool(wording.REVERTED.search(self.text))

    @property
    def reason(self) -> str:
        """The contract's own words, without the node's preamble; empty when there are none."""
        return wording.BEFORE_REVERT.sub("", self.text) if self.reverted else self.text

    @property
    def known(self) -> bool:
        """Whether the node has this very transaction already."""
        return bool(wording.ALREADY_KNOWN.search(self.text))

    @property
    def nonce_used(self) -> bool:
        """Whether a mined transaction has this nonce."""
        return bool(wording.NONCE_USED.search(self.text))

    @property
    def no_funds(self) -> bool:
        """Whether the wallet cannot pay for gas and value."""
        return bool(wording.NO_FUNDS.search(self.text))

    @property
    def price_too_low(self) -> bool:
        """Whether the node would take the transaction at a higher price or a lower base fee."""
        return bool(wording.PRICE.search(self.text))

    @property
    def later(self) -> bool:
        """Whether the node would take the transaction once others are mined."""
        return bool(wording.NO_PLACE_YET.search(self.text))

    @property
    def wrong_kind(self) -> bool:
        """Whether the chain knows no transactions of this type."""
        return bool(wording.NO_SUCH_TRANSACTION_KIND.search(self.text))

    @property
    def missing(self) -> bool:
        """Whether the node has no such method, or does not offer it."""
        return self.node_code in wording.MISSING_CODES or bool(
            wording.NO_SUCH_METHOD.search(self.text)
        )

    @property
    def not_offered(self) -> bool:
        """Whether asking in another way may help: the node lacks the method, or this way."""
        odd = self.node_code in wording.ODD_CODES or wording.ODD_PARAMETERS.search(self.text)
        return not self.is_plain and (self.missing or bool(odd))

    @property
    def too_wide(self) -> bool:
        """Whether logs of fewer blocks would be told."""
        if self.method != LOGS or wording.TOO_OFTEN.search(self.text) or self.missing:
            return False
        if wording.TOO_WIDE.search(self.text):
            return not wording.BEYOND.search(self.text)
        return self.node_code in wording.WIDE_CODES

    @property
    def busy(self) -> bool:
        """Whether the node has too much to do, and would answer a little later."""
        told = wording.TOO_OFTEN.search(self.text) or wording.BUSY.search(self.text)
        return self.elsewhere and (self.node_code in wording.BUSY_CODES or bool(told))

    @property
    def wait(self) -> float:
        """Seconds for which the node wants to be left alone; 0 when it does not tell."""
        found = wording.ASKED_TO_WAIT.search(self.text)
        return float(found[1]) / (1000 if found[2] else 1) if found else 0.0

    @property
    def is_plain(self) -> bool:
        """Whether it tells of the request itself: no other node, and no later time, helps."""
        return (
            self.reverted
            or self.known
            or self.nonce_used
            or self.no_funds
            or self.price_too_low
            or self.later
            or self.wrong_kind
            or self.too_wide
        )

    @property
    def elsewhere(self) -> bool:
        """Whether another node may well answer: this one is overloaded, lags or cannot."""
        if self.is_plain:
            return False
        told = wording.ELSEWHERE, wording.TOO_OFTEN, wording.BUSY, wording.NO_SUCH_METHOD
        listed = self.node_code in wording.ELSEWHERE_CODES | wording.BUSY_CODES
        return listed or any(words.search(self.text) for words in told)


class EndpointDown(ChainUnreachable):
    """One endpoint did not answer as it should; others may.

    Attributes:
        reached: Whether the request may have arrived.
        retry_after: Seconds it asked us to stay away, 0 when it said nothing.
        busy: Whether it has too much to do: the same request, a little later, may be answered.
        slow: Whether it ran out of time: less of it may be answered.
    """

    def __init__(
        self,
        endpoint: str,
        why: str,
        *,
        reached: bool = True,
        retry_after: float = 0,
        busy: bool = False,
        slow: bool = False,
    ) -> None:
        super().__init__(f"RPC endpoint {endpoint} {why}: check it, or name another")
        self.reached, self.retry_after, self.busy, self.slow = reached, retry_after, busy, slow
        self.endpoint, self.why = endpoint, why


def down(endpoint: str, refusal: NodeRefusal, retry_after: float = 0) -> EndpointDown:
    """Return the failure that a refusal is when it tells of the endpoint, not of the request."""
    return EndpointDown(
        endpoint,
        f"refused {refusal.method}: {refusal.text}",
        retry_after=max(retry_after, refusal.wait),
        busy=refusal.busy,
        slow=bool(wording.SLOW.search(refusal.text)),
    )


def _code(code: Any) -> int:
    """Read an error's number, which some write as text."""
    try:
        return int(code)
    except (ValueError, TypeError, OverflowError):
        return 0


def _text(error: Mapping[str, Any]) -> str:
    """Read an error's message, and what some put beneath it; fit for a log."""
    data, message = error.get("data"), error.get("message")
    more = data.get("message") if isinstance(data, Mapping) else None
    told = [each for each in (message, more) if each not in (None, "")]
    text = ": ".join(str(each) for each in dict.fromkeys(map(str, told)))
    return text.encode("utf-8", "backslashreplace").decode()[:MOST_NODE_MESSAGE]


def _bytes(data: Any) -> bytes:
    """Find the returned bytes in what nodes put into ``data``."""
    if isinstance(data, Mapping):
        data = data.get("data") or data.get("result")
    found = wording.HEX.search(data) if isinstance(data, str) else None
    return bytes.fromhex(found[0][2:]) if found else b""
