"""What `make images` has built: for which processor, and how long that takes here."""

from __future__ import annotations

import os

from images import FOLDER, Images

BUILT = Images.wanted()
TAG = BUILT.tag.read_text(encoding="utf-8").strip()
COMMAND_SECONDS = 100 if BUILT.folder == FOLDER else 1000
"""For one command, or one condition to come true; an emulator takes its time."""
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
"""At which the engine answers."""
HOST = {"network_mode": "host", "environment": {"IEXEC_WORKER_PORT": "0"}}
"""The devnet listens on loopback, and the host's ports are others' as well."""
