"""What `make images` has built: for which processor, and whether that is emulated here."""

from __future__ import annotations

from images import FOLDER, Images

BUILT = Images.wanted()
TAG = BUILT.tag.read_text(encoding="utf-8").strip()
EMULATED = BUILT.folder != FOLDER
COMMAND_SECONDS = 1000 if EMULATED else 100
"""For one command, or one condition to come true."""
