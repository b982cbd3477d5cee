"""The secret management service's answers, described once; its secrets are plain text.

Source: services-api.md 4.1.
"""

from __future__ import annotations

from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words


class SmsFault(Told):
    """Why a secret of an app or a requester is not set, as iExec's own service tells it, and ours.

    ``error`` and ``data`` are iExec's, ``code`` and ``message`` what every service here answers.
    """

    code: Words
    message: Words
    data: None
    error: tuple[Words, ...]


class SmsHealth(Told):
    """``GET /health``: ``ok`` is false while the chain cannot be read; ``chain`` says why."""

    ok: bool
    version: Sentence
    chain_id: int
    hub: JsonAddress
    framework: Words
    chain: Sentence | None = None
