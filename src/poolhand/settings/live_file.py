"""A file of settings that people and a program change: a line each; all else in it is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from poolhand.settings.load import BadSetting, read_toml, texts_of

CHANGES_HEAD: Final = """\
# What was changed of this worker while it runs: by `poolhand worker set`, on its page, or here.
# A running worker takes up a change within seconds. It wins over flags, environment and --config;
# without its line a setting is again what the worker was started with.
"""
_LINE: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


def read_changes(file: Path) -> dict[str, str]:
    """Return what stands in the file, by key, as a flag would have it; nothing where it is not.

    Raises:
        BadSetting: It cannot be read, or is not TOML.
    """
    try:
        return read_toml(file)
    except BadSetting as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            return {}
        raise


def write_changes(
    file: Path, changes: Mapping[str, str], write: Callable[[Path, str], None]
) -> None:
    """Change lines of the file; an empty text takes a line out.

    Args:
        file: Which.
        changes: Values by key.
        write: Puts a text in the file's place, for its owner alone, whole or not at all.

    Raises:
        BadSetting: It cannot be read or written, or is not TOML.
    """
    wanted = {**read_changes(file), **changes}
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else CHANGES_HEAD
        write(file, edited(before, {key: text for key, text in wanted.items() if text}))
    except OSError as fault:
        raise BadSetting(
            f"{file} cannot be written ({fault.strerror}): make room or let this user write it; "
            "nothing was changed"
        ) from fault


def edited(text: str, wanted: Mapping[str, str]) -> str:
    """Return a file's text with just these settings; comments stay where they are."""
    left, lines = dict(wanted), list[str]()
    for line in text.removesuffix("\n").split("\n"):
        found = _LINE.match(line)
        if found is None:
            lines.append(line)
        elif (value := left.pop(found[1], None)) is not None:
            lines.append(line if _says(line, found[1], value) else _line(found[1], value))
    lines += [_line(key, value) for key, value in left.items()]
    made = "\n".join(lines) + "\n"
    if _values(made) == dict(wanted):
        return made
    return CHANGES_HEAD + "".join(f"{_line(key, value)}\n" for key, value in wanted.items())


def _line(key: str, value: str) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{key} = {text}"


def _says(line: str, key: str, value: str) -> bool:
    return _values(line) == {key: value}


def _values(text: str) -> dict[str, str] | None:
    try:
        return texts_of(text)
    except ValueError:
        return None
