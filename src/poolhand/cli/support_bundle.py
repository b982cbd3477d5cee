"""A support bundle: one file with what others need to help, and nothing that is a secret."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from poolhand.domain.redaction import Redaction
from poolhand.observe.private import write_private

README: Final = "README.txt"
_HEAD: Final = """What is in this file, for whoever helps with a worker of Poolhand's.

Passwords, tokens, recovery phrases and logins of addresses were taken out (***). Every number of 60
and more hexadecimal digits is a print of it, hex- and 8 digits (the first of the SHA-256 of its
digits in lower case), for a private key looks like a task's id. Look through it before you send it.
"""


@dataclass(frozen=True, slots=True)
class BundlePart:
    """One file of a bundle: its name, what it is, and its content, a text or a JSON value."""

    name: str
    what: str
    content: Any


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A file as it stands in a bundle; ``size`` in bytes."""

    name: str
    what: str
    size: int


def write_bundle(
    path: Path, parts: tuple[BundlePart, ...], redaction: Redaction
) -> tuple[WrittenPart, ...]:
    """Write a ZIP file that its owner alone may read; what cannot be told without a secret is not.

    Args:
        path: Of the file; one that is there is replaced.
        parts: Its files.
        redaction: Takes secrets out of each.

    Returns:
        What stands in it, the list of its files first.
    """
    told = {each.name: redacted(each.content, redaction) for each in parts}
    listed = "".join(f"\n{each.name}: {each.what}" for each in parts)
    told = {README: redaction.text(_HEAD + listed + "\n"), **told}
    whats = {README: "what is in this file", **{each.name: each.what for each in parts}}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in told.items():
            file.writestr(name, text)
    write_private(path, content.getvalue(), lasting=True)
    return tuple(_written(told, whats))


def _written(told: Mapping[str, str], whats: Mapping[str, str]) -> Iterator[WrittenPart]:
    for name, text in told.items():
        yield WrittenPart(name, whats[name], len(text.encode()))


def redacted(content: Any, redaction: Redaction) -> str:
    """Return a text, or a JSON value as one, without secrets."""
    if isinstance(content, str):
        text = redaction.text(content)
    else:
        text = json.dumps(redaction.value(content), indent=2, ensure_ascii=False, default=str)
    if redaction.holds(text):
        return "left out: a secret is part of what would stand here\n"
    return text.encode(errors="replace").decode()
