"""Logins of image registries, for whoever asks one: worker and requester."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from poolhand.settings.load import Option

DOCKER_CONFIG: Final = "config.json"
DEFAULT_DOCKER: Final = Path("~/.docker")
DOCKER_CONFIG_OPTION: Final = Option(
    "docker-config", "DOCKER_CONFIG", Path, str(DEFAULT_DOCKER),
    "folder of Docker's config.json, whose logins of registries are used",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Credentials for one image registry (``docker.io``, ``host:port``)."""

    address: str
    username: str
    password: str = field(repr=False)
