"""Reading text files as people's editors save them: UTF-8 or UTF-16, byte order mark or not."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def decoded(raw: bytes) -> str:
    """Return the text of a file, without byte order mark.

    Raises:
        ValueError: It is in no encoding of Unicode; the message is part of a sentence.
    """
    try:
        return raw.decode(_encoding(raw))
    except UnicodeDecodeError:
        raise ValueError("it is neither UTF-8 nor UTF-16 text: save it as UTF-8") from None


def _encoding(raw: bytes) -> str:
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    if len(raw) >= 2 and len(raw) % 2 == 0:  # Windows' tools write UTF-16 without a mark, too
        if not any(raw[1::2]):
            return "utf-16-le"
        if not any(raw[::2]):
            return "utf-16-be"
    return "utf-8"
