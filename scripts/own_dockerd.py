"""The devnet's private Docker engine, for use before anything is installed.

``poolhand.devnet.dockerd`` and the packages around it need the standard library alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from poolhand.containers.mounts import SYSTEM_PATH
from poolhand.devnet.dockerd import (
    EngineFailed,
    EnginePlace,
    answers,
    nobody_else,
    own_engine,
    sweep,
)

__all__ = [
    "SYSTEM_PATH",
    "EngineFailed",
    "EnginePlace",
    "answers",
    "nobody_else",
    "own_engine",
    "sweep",
]
