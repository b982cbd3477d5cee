"""The files by which a computer joins the pool, made once, each known by its hash, and signed.

They name one another: the list of packages names the wheel, the script both, that for Windows the
script, and the manifest all four, which the pool's owner signs. None of them names a place to
download from but the pool.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from shlex import quote
from string import printable
from textwrap import fill
from typing import Final
from urllib.parse import quote as url_quote

from poolhand import __version__
from poolhand.domain.ids import Address
from poolhand.ports.signer import Signer
from poolhand.scheduler.joining.docker_files import docker_archive
from poolhand.scheduler.joining.own_files import (
    file_text,
    pinned_requirements,
    worker_packages,
)
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel, own_wheel
from poolhand.settings.chains import KNOWN_CHAINS, public_chain
from poolhand.wire.join_api import JoinFile, JoinManifest

WHEEL_PATH: Final = f"/join/{WHEEL_NAME}"
REQUIREMENTS_PATH: Final = "/join/requirements.txt"
SCRIPT_PATH: Final = "/join.sh"
WINDOWS_SCRIPT_PATH: Final = "/join.ps1"
_NO_SIGNATURE: Final = "0x" + "00" * 65
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)", re.MULTILINE)
SCRIPT_WIDTH: Final = 96
"""Characters of a line of the script's plan."""
_GAP: Final = re.compile(r"@([A-Z0-9_]+)@")


@dataclass(frozen=True, slots=True)
class JoinPlace:
    """Whom a computer joins: a pool, under an address; ``rpc`` as ``JoinManifest`` has it."""

    chain_id: int
    hub: Address
    workerpool: Address
    url: str
    rpc: str = ""

    @property
    def public_chain(self) -> str | None:
        """The name of the pool's chain; None where workers need to be told a node of it."""
        name = public_chain(self.chain_id, (self.rpc,) if self.rpc else ())
        return name if name is not None and KNOWN_CHAINS[name].hub == self.hub else None


@dataclass(frozen=True, slots=True)
class JoinSet:
    """All that a pool gives to a computer that joins it."""

    manifest: JoinManifest
    wheel: bytes
    requirements: bytes
    script: bytes
    docker: bytes
    windows_script: bytes


def join_set(place: JoinPlace, owner: Signer, wheel: OwnWheel, lock: str) -> JoinSet:
    """Make the files of a pool.

    Args:
        place: The pool.
        owner: Signs them.
        wheel: Of the pool's own program.
        lock: What that needs, as ``worker_packages`` has it.
    """
    requirements = pinned_requirements(wheel, lock)
    script = _script(place, owner.address, wheel, requirements, lock)
    windows_script = _windows_script(place, owner.address, script)
    unsigned = JoinManifest(
        version=__version__,
        chain_id=place.chain_id,
        hub=place.hub,
        workerpool=place.workerpool,
        owner=owner.address,
        url=place.url,
        rpc=place.rpc if place.public_chain is None else "",
        wheel=JoinFile.of(WHEEL_PATH, wheel.content),
        requirements=JoinFile.of(REQUIREMENTS_PATH, requirements),
        script=JoinFile.of(SCRIPT_PATH, script),
        windows_script=JoinFile.of(WINDOWS_SCRIPT_PATH, windows_script),
        signature=_NO_SIGNATURE,
    )
    signature = "0x" + owner.sign_message(unsigned.message).hex()
    signed = unsigned.model_copy(update={"signature": signature})
    docker = docker_archive(place, wheel)
    return JoinSet(signed, wheel.content, requirements, script, docker, windows_script)


def _script(
    place: JoinPlace, owner: Address, wheel: OwnWheel, requirements: bytes, lock: str
) -> bytes:
    return _filled(
        "join.sh",
        place,
        owner,
        POOL_URL_QUOTED=quote(place.url),
        WHEEL_QUOTED=quote(wheel.name),
        WHEEL_SHA256=sha256(wheel.content).hexdigest(),
        REQUIREMENTS_SHA256=sha256(requirements).hexdigest(),
        PACKAGES_QUOTED=quote(_packages(lock)),
    )


def _packages(lock: str) -> str:
    """Return the packages of a lock by name and version, as lines of a plan."""
    named = ", ".join(f"{name} {version}" for name, version in _PINNED.findall(lock)) or "none"
    indent = " " * 5
    return fill(
        named,
        SCRIPT_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _windows_script(place: JoinPlace, owner: Address, script: bytes) -> bytes:
    return _filled(
        "join.ps1",
        place,
        owner,
        POOL_URL_POWERSHELL=powershell_quoted(place.url),
        SCRIPT_SHA256=sha256(script).hexdigest(),
    )


def powershell_quoted(url: str) -> str:
    """Return a URL as one word of PowerShell, in ASCII: its old version reads no other encoding."""
    return "'" + url_quote(url, safe=printable).replace("'", "''") + "'"


def _filled(name: str, place: JoinPlace, owner: Address, **own: str) -> bytes:
    """Return a script with its gaps filled in."""
    gaps: Mapping[str, str] = {
        "WORKERPOOL": str(place.workerpool),
        "CHAIN_ID": str(place.chain_id),
        "OWNER": str(owner),
        "VERSION": __version__,
        **own,
    }
    return _GAP.sub(lambda gap: gaps[gap[1]], file_text(name)).encode()


class JoinTeller:
    """Gives the files of a pool: made when somebody first asks, and then kept.

    Args:
        place: The pool.
        owner: Signs them.
    """

    def __init__(self, place: JoinPlace, owner: Signer) -> None:
        self._place, self._owner = place, owner
        self._making: asyncio.Task[JoinSet] | None = None

    async def files(self) -> JoinSet:
        """Return them.

        Raises:
            NoOwnWheel: This program has no wheel to give.
        """
        made = self._making
        if made is None or (made.done() and made.exception() is not None):
            made = self._making = asyncio.create_task(self._make())
        return await asyncio.shield(made)

    async def _make(self) -> JoinSet:
        wheel = await asyncio.to_thread(own_wheel)
        return join_set(self._place, self._owner, wheel, worker_packages())
