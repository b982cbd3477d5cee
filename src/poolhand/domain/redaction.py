"""Secrets taken out of texts that leave a machine: those that are known, and what looks like one.

A private key looks like a task's id: so every such number is replaced by a short print of it, by
which two places that have the same one are still seen to. A password looks like nothing: only those
that are known are found, in whatever spelling a log or a file may have written them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

REDACTED: Final = "***"
KEY_LENGTH: Final = 20
"""A word of a URL's path that is so long may be a key."""
LEAST_SECRET: Final = 4
"""Characters below which a secret cannot be told from any other text."""
LEAST_PHRASE: Final = 12
"""Words of the shortest recovery phrase (BIP 39)."""
_PHRASE_GAP: Final = 24
"""Characters between two words of a phrase, such as quotes, commas and numbers."""
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{60,}|(?:[0-9a-fA-F]{2}[:\s-]){31,}[0-9a-fA-F]{2})")
_URL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s\"'<>`]+")
_LOGIN: Final = re.compile(r"://[^/\n@]{0,400}@")
_NAMED: Final = re.compile(
    r"(?P<name>[\w-]*(?:password|passphrase|secret|token|private|mnemonic|authorization|credential)"
    r"[\w-]*[\"']?\s*[:=]\s*(?:bearer\s+|basic\s+)?)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;}\]]+)",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_SECRET_NAME: Final = re.compile(
    r"password|passphrase|secret|token|private|mnemonic|credential|authorization|api_?key",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Mask user, password, query and long words of a URL's path: endpoints carry keys there."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text.partition("://")[0] + "://" + REDACTED
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{REDACTED}@{host}" if "@" in parts.netloc else host
    path = "/".join(REDACTED if len(part) >= KEY_LENGTH else part for part in parts.path.split("/"))
    return urlunsplit((parts.scheme, netloc, path, REDACTED if parts.query else "", ""))


def is_secret_name(name: str) -> bool:
    """Whether what is called so is nobody else's business."""
    return _SECRET_NAME.search(name) is not None


def secrets_in_url(text: str) -> Iterator[str]:
    """Yield what of a URL is a secret: user and password, its query, long words of its path."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return
    login = parts.netloc.rpartition("@")[0]
    yield from (each for each in (login, *login.split(":", 1)) if each)
    yield from (value for each in parts.query.split("&") if (value := each.rpartition("=")[2]))
    yield from (each for each in parts.path.split("/") if len(each) >= KEY_LENGTH)


class Redaction:
    """Takes secrets out.

    Args:
        secrets: That are known; those of fewer than ``LEAST_SECRET`` characters are not looked for.
        words: Of which recovery phrases are made, in lower case.
    """

    def __init__(self, secrets: Iterable[str], words: Collection[str]) -> None:
        known = {each for secret in secrets for each in _spellings(secret)}
        self._secrets = sorted((each for each in known if len(each) >= LEAST_SECRET), key=len)[::-1]
        self._words = frozenset(_plain(each) for each in words)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        text = self._without_phrases(self._without_known(_plain(text)))
        text = _URL.sub(lambda found: without_credentials(found[0]), text)
        text = _LOGIN.sub(f"://{REDACTED}@", text)
        text = _NAMED.sub(lambda found: found["name"] + REDACTED, text)
        return self._without_known(_HEX.sub(_print, text))

    def value(self, value: Any) -> Any:
        """Return a JSON value without secrets: its texts, names, lists of words and numbers."""
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): REDACTED
                if is_secret_name(str(name)) and isinstance(each, str) and each
                else self.value(each)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            joined = " ".join(map(str, value))
            return (
                REDACTED
                if self._without_phrases(joined) != joined
                else list(map(self.value, value))
            )
        if value is None or isinstance(value, bool):
            return value
        told = self.text(str(value))
        return told if isinstance(value, str) or told != str(value) else value

    def holds(self, text: str) -> bool:
        """Whether one of the known secrets still stands in a text."""
        return self._without_known(text) != text

    def _without_known(self, text: str) -> str:
        for each in self._secrets:
            text = text.replace(each, REDACTED)
        return text

    def _without_phrases(self, text: str) -> str:
        """Mask recovery phrases: so many words of the lists, with nothing else between them."""
        kept, at = [], 0
        for start, end in _runs(text, self._words):
            kept += [text[at:start], REDACTED]
            at = end
        return "".join((*kept, text[at:]))


def _runs(text: str, words: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield where words of the lists follow one another, long enough to be a phrase."""
    start, end, count = 0, 0, 0
    for found in _WORD.finditer(text):
        follows = found.start() - end <= _PHRASE_GAP
        if found[0].lower() not in words:
            if count >= LEAST_PHRASE:
                yield start, end
            count = 0
            continue
        if not count or not follows:
            if count >= LEAST_PHRASE:
                yield start, end
            start, count = found.start(), 0
        count, end = count + 1, found.end()
    if count >= LEAST_PHRASE:
        yield start, end


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _print(found: re.Match[str]) -> str:
    digits = re.sub(r"[^0-9a-f]", "", found[0].lower())
    return f"hex-{sha256(digits.encode()).hexdigest()[:8]}"


def _spellings(secret: str) -> Iterator[str]:
    """Yield how a secret may stand in a log, in JSON, in a URL or in a header."""
    for each in {secret, _plain(secret), unicodedata.normalize("NFKC", secret)}:
        raw = each.encode(errors="surrogatepass")
        yield each
        yield json.dumps(each)[1:-1]
        yield json.dumps(each, ensure_ascii=False)[1:-1]
        yield repr(each)[1:-1]
        yield quote(raw, safe="")
        yield quote(raw)
        yield quote_plus(raw)
        yield b64encode(raw).decode().rstrip("=")
