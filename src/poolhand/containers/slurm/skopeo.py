"""Images brought by skopeo from registries to a folder of the worker's.

It knows logins, mirrors and certificates as they are configured for Podman, and checks what it
fetches against the digest.

Source: skopeo-copy(1) 1.9, containers-transports(5) for ``dir:``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Final

import structlog

from poolhand.containers.errors import EngineFull, ImageNotFound, ImagePullFailed, ImageUnusable
from poolhand.containers.image_name import HUB, ImageName
from poolhand.containers.pull_causes import PullCause, cause_of
from poolhand.containers.pulls import HUB_SERVER, FindPullLogin, PullFailure
from poolhand.containers.slurm.layers import MOST_IMAGE_BYTES
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown
from poolhand.settings.registries import RegistryLogin

MOST_PACKED_BYTES: Final = 8 * 1024**3
"""Bytes of an image as it is fetched."""
LEAST_LEFT_FREE: Final = 512 * 1024**2
"""Bytes that a pull leaves free on the shared folder."""
PAUSE_BETWEEN_FETCH_LOOKS: Final = 0.25
"""Seconds between two looks at how much has come."""
SKOPEO_ENVIRONMENT: Final = (
    "PATH", "HOME", "USER", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "no_proxy",
)  # fmt: skip
"""Of this process's environment, what it is given: no password of the worker's."""
_LOOPBACK: Final = ("localhost", "127.", "[::1]")

log = structlog.get_logger()


class Skopeo:
    """Calls skopeo.

    Args:
        login_of: Finds the login of a registry.
        platform: What images must be built for, ``os/architecture``.
    """

    def __init__(self, login_of: FindPullLogin, platform: str) -> None:
        self._login_of, self._platform = login_of, platform

    async def fetch(self, name: ImageName, reference: str, into: Path) -> None:
        """Fetch an image into an empty folder, as ``dir:``.

        Where the login of its registry is refused, without: the image may be public.

        Raises:
            ImageNotFound, ImageUnusable, ImagePullFailed, EngineFull: As ``pull`` of the port says.
            RuntimeDown: skopeo is not installed here.
        """
        login = await self._login_of(name.registry)
        if login is None:
            await self._fetch(name, reference, into)
            return
        kept = into.parent / "login"
        _write_login(kept, login)
        try:
            await self._fetch(name, reference, into, f"--src-authfile={kept}")
        except ImagePullFailed as fault:
            if fault.cause not in (PullCause.LOGIN, PullCause.LOGIN_REFUSED):
                raise
            log.warning("registry_login_refused", registry=login.address)
            await self._fetch_unknown(name, reference, into)
        finally:
            kept.unlink(missing_ok=True)

    async def _fetch_unknown(self, name: ImageName, reference: str, into: Path) -> None:
        try:
            await self._fetch(name, reference, into, "--src-no-creds")
        except ImagePullFailed as fault:
            refused = fault.cause is PullCause.LOGIN
            raise self._failure(
                reference, PullCause.LOGIN_REFUSED if refused else fault.cause
            ) from fault

    async def _fetch(self, name: ImageName, reference: str, into: Path, *login: str) -> None:
        machine = self._platform.partition("/")[2]
        words = ["--insecure-policy", "--override-os=linux", f"--override-arch={machine}"]
        words += ["copy", "--quiet", *login]
        if name.registry.startswith(_LOOPBACK):  # as Docker's engine does
            words.append("--src-tls-verify=false")
        words += [f"docker://{reference}", f"dir:{into}"]
        await self._run(reference, into, MOST_PACKED_BYTES, *words)

    async def decompress(self, reference: str, packed: Path, plain: Path) -> None:
        """Copy it to another empty folder, its layers unpacked; raises as ``fetch``."""
        words = ("--insecure-policy", "copy", "--quiet", "--dest-decompress")
        await self._run(reference, plain, MOST_IMAGE_BYTES, *words, f"dir:{packed}", f"dir:{plain}")

    async def _run(self, reference: str, into: Path, most: int, *words: str) -> None:
        """Let skopeo write into a folder, but no more than ``most`` bytes."""
        try:
            process = await asyncio.create_subprocess_exec(
                "skopeo", *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in SKOPEO_ENVIRONMENT if name in os.environ},
            )  # fmt: skip
        except OSError as fault:
            raise RuntimeDown(
                f"skopeo cannot be run ({fault.strerror}): install it where the worker runs (apt "
                "install skopeo), then it goes on by itself"
            ) from fault
        watch = asyncio.create_task(_until_too_much(into, most))
        ending = asyncio.create_task(process.communicate())
        try:
            await asyncio.wait({watch, ending}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                raise self._failure(reference, watch.result())
            _, told = ending.result()
        finally:
            if process.returncode is None:
                process.kill()
            watch.cancel()
            await asyncio.gather(watch, ending, return_exceptions=True)
        if process.returncode:
            raise self._diagnose(reference, told.decode(errors="replace"))

    def _failure(self, reference: str, cause: PullCause) -> PullFailure | EngineFull:
        if cause is PullCause.NOT_FOUND:
            return ImageNotFound(reference, cause.happened)
        if cause is PullCause.NO_ROOM:
            return EngineFull(reference)
        kind = ImageUnusable if cause.is_lasting else ImagePullFailed
        return kind(reference, cause, self._platform)

    def _diagnose(self, reference: str, told: str) -> PullFailure | EngineFull:
        log.warning("image_not_pulled", image=reference, engine=shown(told.strip()[-500:], 500))
        words = told.lower()
        if "no image found" in words:
            return self._failure(reference, PullCause.PLATFORM)
        if "does not match provided manifest digest" in words:
            return self._failure(reference, PullCause.DIGEST)
        return self._failure(reference, cause_of(0, told))


def _write_login(path: Path, login: RegistryLogin) -> None:
    """Write a login as containers-auth.json(5), for nobody else to read."""
    key = HUB_SERVER if login.address == HUB else login.address
    secret = b64encode(f"{login.username}:{login.password}".encode()).decode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"auths": {key: {"auth": secret}}}, file)


async def _until_too_much(into: Path, most: int) -> PullCause:
    """Wait until more has come than may, or the folder's disk runs short."""
    while True:
        await asyncio.sleep(PAUSE_BETWEEN_FETCH_LOOKS)
        came, free = await asyncio.to_thread(_measure, into)
        if came > most:
            return PullCause.SIZE
        if free < LEAST_LEFT_FREE:
            return PullCause.NO_ROOM


def _measure(into: Path) -> tuple[int, int]:
    came = 0
    for each in into.iterdir():
        try:
            came += each.stat().st_size
        except FileNotFoundError:
            continue
    return came, shutil.disk_usage(into).free
