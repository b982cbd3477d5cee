"""Logins of image registries, for whoever asks one: worker and requester."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from poolhand.settings.load import BadSetting, Option

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


def registry_logins(environ: Mapping[str, str]) -> tuple[RegistryLogin, ...]:
    """Read ``IEXEC_WORKER_DOCKER_REGISTRY_{ADDRESS,USERNAME,PASSWORD}_n``; 0 is docker.io.

    Raises:
        BadSetting: A login is told in part.
    """
    logins = []
    for number in range(10):
        prefix = "IEXEC_WORKER_DOCKER_REGISTRY"
        username = environ.get(f"{prefix}_USERNAME_{number}", "")
        password = environ.get(f"{prefix}_PASSWORD_{number}", "")
        address = environ.get(f"{prefix}_ADDRESS_{number}", "") or ("" if number else "docker.io")
        if not username:
            continue
        if not password or not address:
            raise BadSetting(
                f"{prefix}_USERNAME_{number} is set without its "
                f"{'PASSWORD' if not password else 'ADDRESS'}: give both, or neither"
            )
        logins.append(RegistryLogin(address, username, password))
    return tuple(logins)
