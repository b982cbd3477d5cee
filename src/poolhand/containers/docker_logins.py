"""The logins that ``docker login`` keeps, read as Docker's own client reads them.

Source: docker/cli, config.json (``auths``, ``credHelpers``, ``credsStore``) and the protocol of
docker-credential-helpers (``get``: the server on stdin, JSON on stdout). A login by an identity
token, which only the engine's vendor understands, counts as none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.containers.image_name import HUB
from poolhand.domain.json_text import parse_json
from poolhand.settings.registries import RegistryLogin

HUB_NAMES: Final = (
    "https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io",
)  # fmt: skip
HELPER_SECONDS: Final = 20.0
LARGEST_DOCKER_CONFIG: Final = 1024**2
"""Bytes of a config.json that are read."""
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN: Final = "<token>"  # noqa: S105 - how helpers name the user of an identity token

log = structlog.get_logger()


class RegistryLogins:
    """Logins that an operator gave by name, and behind them Docker's own.

    Args:
        named: Given by name; they win.
        config: Docker's config.json, read at each question; None: it is left alone.
    """

    def __init__(self, named: Iterable[RegistryLogin] = (), config: Path | None = None) -> None:
        self._named = {login.address: login for login in named}
        self._config = config

    async def of(self, registry: str) -> RegistryLogin | None:
        """Return the login of a registry (``docker.io``, ``host:port``), if there is one."""
        if registry in self._named or self._config is None:
            return self._named.get(registry)
        members = await asyncio.to_thread(_read, self._config)
        for name in _names(registry):
            login = await _login(members, name, registry)
            if login is not None:
                return login
        return None


def _names(registry: str) -> tuple[str, ...]:
    """Return how config.json may call a registry."""
    if registry == HUB:
        return HUB_NAMES
    return (registry, f"https://{registry}", f"https://{registry}/", f"https://{registry}/v1/",
            f"https://{registry}/v2/", f"http://{registry}")  # fmt: skip


def _read(config: Path) -> dict[str, Any]:
    try:
        with config.open("rb") as file:
            members = parse_json(file.read(LARGEST_DOCKER_CONFIG))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        log.warning("docker_logins_unreadable", file=str(config), cause=type(fault).__name__)
        return {}
    return members if isinstance(members, dict) else {}


def _member(members: dict[str, Any], name: str) -> dict[str, Any]:
    found = members.get(name)
    return found if isinstance(found, dict) else {}


async def _login(members: dict[str, Any], name: str, registry: str) -> RegistryLogin | None:
    helper = _member(members, "credHelpers").get(name)
    if helper is None and name in _member(members, "auths"):
        helper = members.get("credsStore")
    if isinstance(helper, str) and _HELPER.fullmatch(helper):
        return await _ask(helper, name, registry)
    return _written(_member(_member(members, "auths"), name), registry)


def _written(entry: dict[str, Any], registry: str) -> RegistryLogin | None:
    """Read ``auth``: user and password in base64."""
    try:
        text = base64.b64decode(str(entry.get("auth", "")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        log.warning("docker_login_unreadable", registry=registry)
        return None
    user, colon, password = text.partition(":")
    return RegistryLogin(registry, user, password.rstrip("\0")) if user and colon else None


async def _ask(helper: str, name: str, registry: str) -> RegistryLogin | None:
    """Ask a credential helper; one that fails or knows nothing is as good as none."""
    program = f"docker-credential-{helper}"
    try:
        process = await asyncio.create_subprocess_exec(
            program, "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as fault:
        log.warning("credential_helper_failed", program=program, cause=fault.strerror)
        return None
    try:
        async with asyncio.timeout(HELPER_SECONDS):
            told, _ = await process.communicate(name.encode())
        members = parse_json(told)
        user, secret = str(members["Username"]), str(members["Secret"])
    except TimeoutError:
        log.warning("credential_helper_failed", program=program, cause="no answer in time")
        return None
    except (ValueError, KeyError, TypeError):
        return None
    finally:  # who no longer wants the answer leaves nobody behind that works on it
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if user == _TOKEN else RegistryLogin(registry, user, secret)
