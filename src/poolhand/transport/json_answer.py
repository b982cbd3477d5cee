"""JSON that leaves over HTTP: it can always be written."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class JsonAnswer(JSONResponse):
    """An answer whose texts were refused or repaired where they came in; the last net below that.

    The usual one raises on half of a surrogate pair, which makes a 500 of an answer.
    """

    def render(self, content: Any) -> bytes:
        """Write it; see ``json_bytes``."""
        return json_bytes(content)


def json_bytes(content: Any) -> bytes:
    """Write UTF-8, with a question mark for what is no character."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="replace")
