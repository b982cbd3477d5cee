"""What a request order tells the app: the JSON text ``params`` of a deal.

Source: iExec SDK 8 and 9 (writer), iExec worker 9.x (reader, argument splitting).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Self

from poolhand.domain.errors import Refused
from poolhand.domain.json_text import HalfPair, parse_json
from poolhand.domain.network_hosts import MOST_HOSTS, NetworkHost, UnfitHost, read_hosts
from poolhand.domain.text import UnfitText, checked, is_well_formed

_HOSTS: Final = "poolhand_hosts"
_KEYS: Final = frozenset(
    {
        "iexec_args",
        "iexec_input_files",
        "iexec_result_encryption",
        "iexec_result_storage_provider",
        "iexec_result_storage_proxy",
        "iexec_secrets",
        "bulk_cid",
        _HOSTS,
    }
)
_LEGACY: Final = frozenset(
    {
        "iexec_developer_logger",
        "iexec_tee_post_compute_image",
        "iexec_tee_post_compute_fingerprint",
    }
)
"""Written by older SDKs and without meaning now; they change nothing."""
MAX_URI: Final = 2_048
"""Characters of an input file's address."""


class UnfitParams(Refused):
    """Params that no worker can act on; who asks for the task must write them anew."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the params of the request cannot be used: {why}")


class LostArguments(Refused):
    """Workers would give the app other arguments than were meant, or none."""


@dataclass(frozen=True, slots=True)
class DealParams:
    """The known members of ``params``; None and empty where absent.

    ``hosts`` (``poolhand_hosts``) is our own: what the app is to reach besides its inputs. Workers
    that do not know it take the whole text as arguments, as they do with every unknown member.
    """

    args: str | None = None
    input_files: tuple[str, ...] = ()
    result_encryption: bool = False
    storage_provider: str | None = None
    storage_proxy: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    bulk_cid: str = ""
    hosts: tuple[NetworkHost, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a deal; what is not such a JSON object is taken whole as arguments.

        Raises:
            UnfitParams: A text in it is not valid Unicode, arguments hold NUL, which no program can
                be given, or an input file's address or a host is none.
        """
        if not is_well_formed(text):
            raise UnfitParams("they are not valid Unicode")
        try:
            raw = parse_json(text)
        except HalfPair as fault:
            raise UnfitParams(str(fault)) from fault
        except ValueError:
            raw = None
        try:
            known = isinstance(raw, dict) and raw.keys() <= _KEYS | _LEGACY
            found = cls._read(raw) if known else cls(args=text or None)
        except TypeError:
            found = cls(args=text or None)
        _check(found.args or "", found.input_files)
        return found

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> Self:
        secrets = _typed(raw, "iexec_secrets", dict) or {}
        return cls(
            args=_typed(raw, "iexec_args", str),
            input_files=_files(raw.get("iexec_input_files")),
            result_encryption=_typed(raw, "iexec_result_encryption", bool) or False,
            storage_provider=_typed(raw, "iexec_result_storage_provider", str),
            storage_proxy=_typed(raw, "iexec_result_storage_proxy", str),
            secrets={str(key): str(value) for key, value in secrets.items()},
            bulk_cid=_typed(raw, "bulk_cid", str) or "",
            hosts=_hosts(raw.get(_HOSTS)),
        )

    def dump(self) -> str:
        """Write compact JSON with the members that say something, as the SDK does."""
        members: dict[str, Any] = {
            "iexec_args": self.args,
            "iexec_input_files": list(self.input_files),
            "iexec_result_encryption": self.result_encryption,
            "iexec_result_storage_provider": self.storage_provider,
            "iexec_result_storage_proxy": self.storage_proxy,
            "iexec_secrets": dict(self.secrets),
            "bulk_cid": self.bulk_cid,
            _HOSTS: list(self.hosts),
        }
        told = {name: value for name, value in members.items() if value}
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def _check(args: str, input_files: tuple[str, ...]) -> None:
    if "\0" in args:
        raise UnfitParams("the arguments hold NUL, which no program can be given")
    try:
        for number, uri in enumerate(input_files, 1):
            checked(uri, f"the address of input file {number}", MAX_URI)
    except UnfitText as fault:
        raise UnfitParams(str(fault)) from fault


def _typed(raw: Mapping[str, Any], name: str, kind: type) -> Any:
    value = raw.get(name)
    if value is not None and not isinstance(value, kind):
        raise TypeError(name)
    return value


def _files(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("iexec_input_files")
    return tuple(value)


def wants_encryption(text: str) -> bool:
    """Tell whether a deal asks for an encrypted result; not where its params cannot be read."""
    if "iexec_result_encryption" not in text:
        return False
    try:
        return DealParams.parse(text).result_encryption
    except UnfitParams:
        return False


def hosts_of(text: str) -> tuple[NetworkHost, ...]:
    """Return the hosts that a deal asks for; none where its params cannot be read."""
    return _read_hosts(text) if _HOSTS in text else ()


@lru_cache(maxsize=256)
def _read_hosts(text: str) -> tuple[NetworkHost, ...]:
    """Read them: the same deals are asked again and again."""
    try:
        return DealParams.parse(text).hosts
    except UnfitParams:
        return ()


def _hosts(value: Any) -> tuple[NetworkHost, ...]:
    try:
        return read_hosts(_files(value), MOST_HOSTS)
    except UnfitHost as fault:
        raise UnfitParams(str(fault)) from fault


def split_arguments(text: str) -> tuple[str, ...]:
    """Split a command line as iExec's worker does.

    Only the space separates; ``'…'`` and ``"…"`` group and are removed; there are no escapes;
    unbalanced quotes give no arguments at all.
    """
    words: list[str] = []
    word, quote = "", ""
    for char in text:
        if char == quote:
            quote = ""
        elif quote:
            word += char
        elif char in "'\"":
            quote = char
        elif char == " ":
            words.append(word)
            word = ""
        else:
            word += char
    if quote:
        return ()
    return tuple(each for each in (*words, word) if each)


def check_arguments(text: str) -> tuple[str, ...]:
    """Split a command line that somebody is about to pay for.

    Raises:
        LostArguments: Workers would lose some of it; the message says how to write it.
    """
    words = split_arguments(text)
    if text.strip(" ") and not words:
        raise LostArguments(
            f"workers would give the app no arguments at all: a quote in {text!r} is never closed. "
            """Put the word into the other kind of quotes ("it's"), or give each word with --arg"""
        )
    if "\\'" in text or '\\"' in text:
        raise LostArguments(
            f"workers know no escapes: the backslash before a quote in {text!r} would reach the "
            "app and the quote would not. Use the other kind of quotes, or give each word with "
            "--arg"
        )
    if _has_empty_word(text):
        raise LostArguments(
            f"workers drop empty words: the app would not get those in {text!r}. Leave them out, "
            "or let the app take a word that means nothing"
        )
    return words


def _has_empty_word(text: str) -> bool:
    """Tell whether a pair of quotes around nothing stands alone, where a word is expected."""
    marked = split_arguments(text.replace("''", "'\0'").replace('""', '"\0"'))
    return "\0" in marked and "\0" not in split_arguments(text)


def join_arguments(words: Iterable[str]) -> str:
    """Write words so that ``split_arguments`` gives exactly these; only what must be is quoted.

    Raises:
        LostArguments: A word is empty, which no quoting can express.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not word:
        raise LostArguments("an empty argument cannot be given to an app: workers drop it")
    if not set(word) & set(" '\""):
        return word
    if '"' not in word:
        return f'"{word}"'
    return "".join(f'"{part}"' if part == "'" else f"'{part}'" for part in _runs(word))


def _runs(word: str) -> list[str]:
    """Cut a word at its single quotes, which become parts of their own."""
    first, *rest = word.split("'")
    parts = [first, *(part for each in rest for part in ("'", each))]
    return [part for part in parts if part]


def input_name(uri: str) -> str:
    """Return the file name in ``/iexec_in`` under which an app finds an input file."""
    return sha256(uri.encode()).hexdigest()
