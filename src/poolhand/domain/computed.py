"""What an app's output comes to: ``computed.json`` and the digest that goes on chain.

Both the worker (from a folder) and the results service (from an archive) name every file below
``/iexec_out`` by its relative path and sha256, and get the same digest from ``result_digest``.

Source: iExec worker 9.x, ``ResultUtils`` and ``ComputedFile``.
"""

from __future__ import annotations

import codecs
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from eth_hash.auto import keccak

from poolhand.domain.errors import Refused
from poolhand.domain.ids import ResultDigest
from poolhand.domain.json_text import HalfPair, parse_json
from poolhand.domain.text import UnfitText, checked, shown

COMPUTED_FILE: Final = "computed.json"
OUTPUT_FOLDER: Final = "/iexec_out"
MAX_COMPUTED: Final = 262_144
"""Bytes of ``computed.json``."""
MAX_PATH: Final = 1_024
"""Characters of a path in it."""
_MARKS: Final = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
"""Byte order marks of what is not UTF-8."""
_KEYS: Final = frozenset(
    {
        "deterministic-output-path",
        "callback-data",
        "task-id",
        "result-digest",
        "enclave-signature",
        "error-message",
    }
)


class NoResult(Refused):
    """The app ended, but what it left in ``/iexec_out`` is no result; the message says why."""


@dataclass(frozen=True, slots=True)
class Computed:
    """``path`` of the deterministic output inside the container; bytes for a callback contract."""

    path: str | None
    callback_data: bytes | None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read ``computed.json``: a JSON object in UTF-8, with or without a byte order mark.

        Raises:
            NoResult: Not JSON, an unknown member, or a member of the wrong form.
        """
        members = _members(raw)
        unknown = members.keys() - _KEYS
        if unknown:
            raise NoResult(f"computed.json has the unknown member '{shown(min(unknown), 40)}'")
        path, data = members.get("deterministic-output-path"), members.get("callback-data")
        if not isinstance(path, str | None) or not isinstance(data, str | None):
            raise NoResult("a member of computed.json is not a text: correct the app")
        try:
            checked(path or "", "deterministic-output-path of computed.json", MAX_PATH)
        except UnfitText as fault:
            raise NoResult(str(fault)) from fault
        try:
            callback = bytes.fromhex(data.removeprefix("0x")) if data else None
        except ValueError as fault:
            raise NoResult("callback-data of computed.json is not hexadecimal") from fault
        return cls(path or None, callback)

    @property
    def inside(self) -> str:
        """The path below ``/iexec_out``, empty for the whole of it.

        Raises:
            NoResult: None is named, or one outside of it.
        """
        if self.path is None:
            raise NoResult("computed.json names no deterministic-output-path")
        path = posixpath.normpath(self.path)
        if path != OUTPUT_FOLDER and not path.startswith(OUTPUT_FOLDER + "/"):
            raise NoResult(f"deterministic-output-path '{self.path}' is not below {OUTPUT_FOLDER}")
        return path.removeprefix(OUTPUT_FOLDER).removeprefix("/")


def _members(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_COMPUTED:
        raise NoResult(f"computed.json is over {MAX_COMPUTED} bytes: correct the app")
    wrong = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if wrong:
        raise NoResult(f"computed.json is written in {wrong}: let the app write UTF-8")
    try:
        members = parse_json(raw.removeprefix(codecs.BOM_UTF8))
    except HalfPair as fault:
        raise NoResult(
            "computed.json holds half of a surrogate pair, which is not valid Unicode: correct the "
            "app"
        ) from fault
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise NoResult("computed.json is not a JSON object: correct the app")
    return members


def result_digest(
    computed: Computed, files: Mapping[str, bytes], *, with_callback: bool
) -> ResultDigest:
    """Return what goes on chain.

    Args:
        computed: What the app says of its output.
        files: Relative path below ``/iexec_out`` (``/`` between parts) to sha256 (32 bytes).
        with_callback: Whether the deal has a callback contract: then its bytes decide.

    Returns:
        keccak of the callback data, sha256 of the file, or keccak of the joined sha256 of the
        direct children of the folder, sorted by path (UTF-16).

    Raises:
        NoResult: The named path is missing, outside of ``/iexec_out``, or there are no callback
            data.
    """
    if with_callback:
        if computed.callback_data is None:
            raise NoResult("the deal has a callback but computed.json has no callback-data")
        return ResultDigest(keccak(computed.callback_data))
    inside = computed.inside
    if inside in files:
        return ResultDigest(files[inside])
    folder = inside + "/" if inside else ""
    below = [name for name in files if name.startswith(folder)]
    if not below:
        raise NoResult(f"the app did not write {computed.path}")
    children = sorted((name for name in below if "/" not in name[len(folder) :]), key=_as_java)
    return ResultDigest(keccak(b"".join(files[name] for name in children)))


def _as_java(name: str) -> bytes:
    """Give the order of UTF-16 code units, in which Java compares texts."""
    return name.encode("utf-16-be", "surrogatepass")
