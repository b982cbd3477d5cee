"""``python -m poolhand``."""

from __future__ import annotations

from poolhand.cli.main import main

main()
