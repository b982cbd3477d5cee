"""Frames: one message in its envelope, as the text of one WebSocket message.

``{"v": 2, "type": "offer", "body": {…}}``; ``v`` is the version that gave
the message its form: whoever speaks a newer one writes older messages as they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from poolhand.domain.errors import Bug, Malformed
from poolhand.domain.json_text import parse_json
from poolhand.wire import messages, tee_messages
from poolhand.wire.fields import dump_object, load_object
from poolhand.wire.message_versions import version_of
from poolhand.wire.messages import SessionMessage
from poolhand.wire.session_terms import SPOKEN

MAX_SESSION_FRAME: Final = 65_536
"""Bytes of one frame, in UTF-8."""

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_BY_NAME: Final[Mapping[str, type[SessionMessage]]] = {
    "hello": messages.Hello,
    "login": messages.Login,
    "welcome": messages.Welcome,
    "reject": messages.Reject,
    "offer": messages.OfferTask,
    "confidential-offer": tee_messages.OfferConfidentialTask,
    "activated": messages.TaskActivated,
    "reveal-asked": messages.AskReveal,
    "upload-asked": messages.AskUpload,
    "completed": messages.Completed,
    "aborted": messages.Aborted,
    "acknowledged": messages.AcknowledgeReports,
    "idle": messages.Idle,
    "owner-message": messages.OwnerMessage,
    "follow": messages.FollowTask,
    "tee-proof-asked": tee_messages.AskTeeProof,
    "tee-proof-judged": tee_messages.TeeProofJudged,
    "reported": messages.ReportBatch,
    "logs": messages.Logs,
    "output": messages.TaskOutput,
    "progress": messages.WorkProgress,
    "capacity": messages.Capacity,
    "about": messages.About,
    "conditions": messages.Conditions,
    "declined": messages.Declined,
    "tee-proof": tee_messages.TeeProof,
    "close": messages.Close,
}
"""What a message is called on the wire, whatever its class is called here."""
_NAMES: Final = {kind: name for name, kind in _BY_NAME.items()}
_VERSIONS: Final = {kind: version_of(kind) for kind in _NAMES}
_SPOKEN: Final = " and ".join((", ".join(map(str, SPOKEN[:-1])), str(SPOKEN[-1])))


class UnknownVersion(Malformed):
    """The envelope is of a version that this code does not speak."""


class OversizedMessage(Bug):
    """Code of ours built a message that the protocol's limits refuse; clip before sending."""


def encode(message: SessionMessage) -> str:
    """Write a message as a frame.

    Raises:
        OversizedMessage: A field or the frame is over its limit.
    """
    try:
        body = dump_object(message)
    except Malformed as fault:
        raise OversizedMessage(f"{_NAMES[type(message)]}: {fault}") from fault
    kind = type(message)
    envelope = {"v": _VERSIONS[kind], "type": _NAMES[kind], "body": body}
    text = _COMPACT.encode(envelope)
    if len(text) * 4 > MAX_SESSION_FRAME and len(text.encode()) > MAX_SESSION_FRAME:
        raise OversizedMessage(f"{_NAMES[kind]} takes over {MAX_SESSION_FRAME} bytes")
    return text


def decode(data: str | bytes) -> SessionMessage:
    """Read a frame.

    Raises:
        Malformed: Anything but the UTF-8 of one frame within all limits.
        UnknownVersion: The frame is of a version that this side does not speak.
    """
    envelope = _parse(data)
    if type(envelope) is not dict:
        raise Malformed("a frame is a JSON object")
    version = envelope.get("v")
    if type(version) is not int or version not in SPOKEN:
        raise UnknownVersion(f"frame version {str(version)[:20]}, this side speaks {_SPOKEN}")
    name = envelope.get("type")
    kind = _BY_NAME.get(name) if type(name) is str else None
    if kind is None:
        raise Malformed(f"no message is called {str(name)[:40]!r}")
    if version != _VERSIONS[kind]:
        raise Malformed(f"{name} is a message of version {_VERSIONS[kind]}, not {version}")
    if envelope.keys() != {"v", "type", "body"}:
        raise Malformed(f"the envelope of {name} has other members than v, type and body")
    message: SessionMessage = load_object(kind, envelope["body"])
    return message


def _parse(data: str | bytes) -> Any:
    """Parse JSON under the frame limit; no repeated keys, NaN or floats."""
    try:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > MAX_SESSION_FRAME:
            raise Malformed(f"frame of {len(raw)} bytes, the limit is {MAX_SESSION_FRAME}")
        return parse_json(raw, object_pairs_hook=_unique, parse_constant=_no, parse_float=_no)
    except ValueError as fault:
        raise Malformed(f"frame is not JSON of this protocol: {type(fault).__name__}") from fault


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a JSON object repeats a member")
    return members


def _no(text: str) -> NoReturn:
    raise Malformed(f"{text[:20]} is not a number of this protocol")
