"""Telling what went wrong: a sentence for people, an object for programs, never a stack trace."""

from __future__ import annotations

import json
import os
import tempfile
import traceback
from collections.abc import Sequence

from poolhand.cli.exits import BUG
from poolhand.cli.masking import masked
from poolhand.cli.saying import say


def tell(code: str, message: str, *, as_json: bool) -> None:
    """Write an error: ``error: …`` on standard error, or one JSON object on standard output."""
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}))
    else:
        say(f"error: {message}")


def tell_bug(fault: BaseException, arguments: Sequence[str], *, as_json: bool) -> int:
    """Write a trace file, tell where it is, and return the exit code of bugs."""
    handle, path = tempfile.mkstemp(prefix="poolhand-", suffix=".trace", text=True)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"poolhand {' '.join(masked(arguments))}\n\n")
        traceback.print_exception(fault, file=file)
    text = str(fault).strip() or "no message"
    summary = f"{type(fault).__name__}: {text.splitlines()[0][:200]}"
    tell(
        "bug",
        f"this is a bug of Poolhand, not yours ({summary}). Report it with {path}",
        as_json=as_json,
    )
    return BUG
