"""JSON objects that a devnet leaves in its folder for others to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_members(path: Path, members: Mapping[str, Any]) -> None:
    """Write an object into a file, whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(members, indent=2), encoding="utf-8")
    draft.replace(path)
