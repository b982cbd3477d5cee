"""What an HTTP answer says: the body is read before the status is judged.

Gateways tell a node's errors with any status, and their own with bodies that are no JSON-RPC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolhand.chain import wording
from poolhand.chain.batches import Answers, BatchRefused
from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal, down
from poolhand.domain.json_text import parse_json
from poolhand.domain.retry_after import BUSY_STATUSES, retry_after

SLOW_STATUSES: Final = frozenset({408, 504, 524})
"""The gateway, or the node behind it, ran out of time."""
CLOSED_STATUSES: Final = frozenset({401, 402, 403, 407})
"""Who asks is not let in."""
TOO_LARGE: Final = 413
MOST_PAGE_SHOWN: Final = 200
"""Characters of a page that are shown."""
_TAGS: Final = re.compile(
    r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE
)
_ADVICE: Final = {
    401: "wants a key or a password (HTTP 401)",
    402: "wants to be paid (HTTP 402)",
    403: "does not let us in (HTTP 403)",
    404: "has nothing at this path (HTTP 404)",
    407: "is behind a proxy that wants a password (HTTP 407)",
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back, all of it.

    Attributes:
        name: Of the endpoint.
        told: Its ``Retry-After``.
        now: When it came (Unix seconds).
    """

    name: str
    status: int
    told: str | None
    body: bytes
    now: float

    @property
    def wait(self) -> float:
        """Seconds for which the endpoint wants to be left alone."""
        return retry_after(self.told, self.now)


def read_answers(queries: Sequence[Query[Any]], sent: Sequence[int], answer: HttpAnswer) -> Answers:
    """Return the response objects in order of the requests.

    Args:
        queries: What was asked.
        sent: The ids of the requests.
        answer: What came back.

    Raises:
        BatchRefused: One error, or nonsense, came for several requests.
        EndpointDown: The answer tells of the endpoint, not of what was asked.
    """
    content = read_json(answer.body)
    if len(sent) > 1:
        return _several(sent, content, answer)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not _is_response(content):
        if answer.status == TOO_LARGE:
            return [{"error": {"code": TOO_LARGE, "message": "HTTP 413 (payload too large)"}}]
        raise failure(answer, content)
    _judge(queries[0].method, content, answer)
    return [dict(content)]


def _several(sent: Sequence[int], content: Any, answer: HttpAnswer) -> Answers:
    found = in_order(sent, content)
    if found is not None:
        return found
    fault = failure(answer, content)
    is_about_us = answer.status in CLOSED_STATUSES | SLOW_STATUSES or answer.status == 502
    if (fault.busy or is_about_us) and not wording.OF_BATCHES.search(fault.why):
        raise fault
    raise BatchRefused(fault)


def in_order(sent: Sequence[int], content: Any) -> Answers | None:
    """Return the responses of a batch by the ids of its requests; None when one has none."""
    if not isinstance(content, list) or not all(map(_is_response, content)):
        return None
    by_id = {str(each.get("id")): dict(each) for each in content}
    found = [by_id.get(str(number)) for number in sent]
    return [each for each in found if each is not None] if None not in found else None


def _is_response(content: Any) -> bool:
    """Whether something is an answer as JSON-RPC defines it, or nearly."""
    if not isinstance(content, Mapping):
        return False
    return "result" in content or content.get("error") is not None


def _judge(method: str, content: Mapping[str, Any], answer: HttpAnswer) -> None:
    """Raise EndpointDown where the status says that an error is the endpoint's own."""
    if answer.status < 400 or content.get("error") is None:
        return
    refusal = NodeRefusal.read(method, content["error"])
    if refusal.is_plain or refusal.missing:
        return
    if answer.status in BUSY_STATUSES:
        raise EndpointDown(
            answer.name,
            _busy(f"answered HTTP {answer.status} ({refusal.text})", answer.wait or refusal.wait),
            retry_after=answer.wait or refusal.wait,
            busy=True,
        )
    if answer.status >= 500 or answer.status in CLOSED_STATUSES | SLOW_STATUSES:
        raise down(answer.name, refusal, answer.wait)


def failure(answer: HttpAnswer, content: Any, *, reached: bool = True) -> EndpointDown:
    """Return what an answer that is none means; ``content`` is its body, read as JSON."""
    busy, words = answer.status in BUSY_STATUSES, _words(answer, content)
    rated = bool(wording.TOO_OFTEN.search(words)) and answer.status >= 400
    told = f": {words}" if words else ""
    if answer.status < 300:
        why = f"answers no JSON-RPC{told}" if words else "answers nothing"
    else:
        why = f"{_ADVICE.get(answer.status, f'answered HTTP {answer.status}')}{told}"
    return EndpointDown(
        answer.name,
        _busy(why, answer.wait) if busy else why,
        reached=reached,
        retry_after=answer.wait,
        busy=busy or rated,
        slow=answer.status in SLOW_STATUSES,
    )


def _busy(why: str, wait: float) -> str:
    return f"{why}: too many requests, it wants to be asked again in {wait:.0f} s" if wait else why


def _words(answer: HttpAnswer, content: Any) -> str:
    """Return the first words of a body, without a page's markup; fit for a log."""
    if isinstance(content, Mapping):
        error = content.get("error") or content
        text = NodeRefusal.read("", error).text or json.dumps(content)
    else:
        text = _TAGS.sub(" ", answer.body[:10_000].decode("utf-8", "replace"))
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return text if len(text) <= MOST_PAGE_SHOWN else f"{text[:MOST_PAGE_SHOWN]}…"


def read_json(body: bytes) -> Any:
    """Read JSON in any Unicode encoding; None where it is none."""
    try:
        return parse_json(body.decode(json.detect_encoding(body)))
    except ValueError:
        return None
