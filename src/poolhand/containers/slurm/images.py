"""Images on the shared folder: fetched by skopeo, unpacked by us, once for all nodes.

No daemon is asked, and none is needed. ``skopeo`` speaks to registries (logins, mirrors and
certificates are configured as for Podman) and checks what it fetches against the digest; what it
has fetched is a stranger's, and laid down by ``layers``. An image is there whole, under its digest,
or not at all.

Source: skopeo-copy(1) 1.9, containers-transports(5) for ``dir:``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from poolhand.containers.errors import EngineFull, ImageNotFound, ImagePullFailed, ImageUnusable
from poolhand.containers.folders import remove
from poolhand.containers.image_name import HUB, ImageName
from poolhand.containers.pull_causes import PullCause, cause_of
from poolhand.containers.pulls import MOST_CONFIG, Logins, RegistryRule, any_registry, no_login
from poolhand.containers.sharing import Shared
from poolhand.containers.slurm.layers import (
    BadLayer,
    Layers,
    LayersTooLarge,
    Scope,
    WrongContent,
)
from poolhand.domain.errors import RuntimeDown, is_machines_fault
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.domain.units import Seconds

MOST_PACKED: Final = 8 * 1024**3
"""Bytes of an image as it is fetched."""
MOST_LAYERS: Final = 127
SPARED: Final = 512 * 1024**2
"""Bytes that a pull leaves free on the shared folder."""
LOOK: Final = 0.25
"""Seconds between two looks at how much has come."""
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_MANIFEST: Final = 4 * 1024**2
_TARGETS: Final = (
    "/proc", "/dev", "/sys", "/tmp", "/iexec_in", "/iexec_out", "/iexec_work",  # noqa: S108 - inside
)  # fmt: skip
_LOOPBACK: Final = ("localhost", "127.", "[::1]")

log = structlog.get_logger()


def platform_of_machine(machine: str) -> str:
    """Return ``os/architecture`` for what a kernel calls its machine."""
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


class SharedImages:
    """Images below a folder that all nodes see.

    Args:
        folder: For them alone.
        login_of: Finds the login of a registry.
        may_ask: Decides which registries are asked.
    """

    def __init__(
        self, folder: Path, login_of: Logins = no_login, may_ask: RegistryRule = any_registry
    ) -> None:
        self._folder, self._login_of, self._may_ask = folder, login_of, may_ask
        self._pulls = Shared[None]()
        self.platform = platform_of_machine(platform.machine())

    def root(self, reference: str) -> Path:
        """Return where an image's files are."""
        return self._of(reference) / "rootfs"

    def config(self, reference: str) -> dict[str, Any] | None:
        """Return an image as Docker's engine would tell of it; None: it is not present."""
        try:
            with (self._of(reference) / "image.json").open("rb") as file:
                members = parse_json(file.read(_MANIFEST))
        except FileNotFoundError:
            return None
        assert isinstance(members, dict), "it was written here"
        return members

    def _of(self, reference: str) -> Path:
        return self._folder / reference.rpartition(":")[2]

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Implement ``ContainerRuntime.pull``."""
        name = ImageName.parse(image)
        reference = name.at(digest)
        if await asyncio.to_thread(self.config, reference) is not None:
            return reference
        if not await self._may_ask(name.registry):
            raise ImageUnusable(reference, PullCause.FORBIDDEN, self.platform)
        try:
            async with asyncio.timeout(timeout):
                await self._pulls.do(digest, lambda: self._pull(name, reference))
        except TimeoutError as fault:
            raise ImagePullFailed(reference, PullCause.TOO_SLOW, self.platform) from fault
        return reference

    async def _pull(self, name: ImageName, reference: str) -> None:
        log.info("image_pull_started", image=reference)
        new = self._folder / f".new-{uuid4().hex}"
        try:
            (new / "packed").mkdir(parents=True)
            await self._fetch(name, reference, new / "packed")
            await asyncio.to_thread(self._unpack, reference, new)
            await asyncio.to_thread(self._publish, reference, new)
        except OSError as fault:
            if not is_machines_fault(fault):
                raise RuntimeDown(
                    f"image {reference} could not be laid down ({fault}): let the worker write "
                    "to the cluster's shared folder"
                ) from fault
            raise EngineFull(reference) from fault
        finally:
            await asyncio.to_thread(remove, new)
        log.info("image_pulled", image=reference)

    def _publish(self, reference: str, new: Path) -> None:
        remove(new / "packed")
        try:
            new.rename(self._of(reference))
        except OSError:
            if self.config(reference) is None:
                raise  # else another worker on this folder was quicker

    async def _fetch(self, name: ImageName, reference: str, into: Path) -> None:
        login = await self._login_of(name.registry)
        machine = self.platform.partition("/")[2]
        built_for = ["--override-os=linux", f"--override-arch={machine}"]
        words = ["--insecure-policy", *built_for, "copy", "--quiet"]
        if name.registry.startswith(_LOOPBACK):  # as Docker's engine does
            words.append("--src-tls-verify=false")
        if login is not None:
            key = "https://index.docker.io/v1/" if name.registry == HUB else name.registry
            secret = b64encode(f"{login.username}:{login.password}".encode()).decode()
            _write_private(into.parent / "login", {"auths": {key: {"auth": secret}}})
            words.append(f"--src-authfile={into.parent / 'login'}")
        try:
            await self._skopeo(reference, into, *words, f"docker://{reference}", f"dir:{into}")
        finally:
            (into.parent / "login").unlink(missing_ok=True)

    async def _skopeo(self, reference: str, into: Path, *words: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                "skopeo", *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as fault:
            raise RuntimeDown(
                f"skopeo cannot be run ({fault.strerror}): install it where the worker runs (apt "
                "install skopeo), then it goes on by itself"
            ) from fault
        watch = asyncio.create_task(_until_too_much(into))
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

    def _failure(self, reference: str, cause: PullCause) -> Exception:
        if cause is PullCause.NOT_FOUND:
            return ImageNotFound(reference, cause.happened)
        if cause is PullCause.NO_ROOM:
            return EngineFull(reference)
        kind = ImageUnusable if cause.is_lasting else ImagePullFailed
        return kind(reference, cause, self.platform)

    def _diagnose(self, reference: str, told: str) -> Exception:
        log.warning("image_not_pulled", image=reference, engine=shown(told.strip()[-500:], 500))
        words = told.lower()
        if "no image found" in words:
            return self._failure(reference, PullCause.PLATFORM)
        if "does not match provided manifest digest" in words:
            return self._failure(reference, PullCause.DIGEST)
        return self._failure(reference, cause_of(0, told))

    def _unpack(self, reference: str, new: Path) -> None:
        packed, root = new / "packed", new / "rootfs"
        root.mkdir()
        root.chmod(0o755)
        try:
            image, layers = _read(packed)
            self._check_platform(reference, image)
            laid = Layers(root)
            for blob, diff_id in layers:
                with blob.open("rb") as file:
                    laid.add(file, diff_id)
            config = image.get("config") or {}
            folders = (*_TARGETS, config.get("WorkingDir") or "/", *(config.get("Volumes") or ()))
            for each in folders:
                _make_target(Scope(root), str(each))
        except LayersTooLarge as fault:
            raise ImageUnusable(reference, PullCause.SIZE, self.platform) from fault
        except WrongContent as fault:
            raise ImageUnusable(reference, PullCause.DIGEST, self.platform) from fault
        except (BadLayer, _NoImage, UnicodeError) as fault:
            log.warning("image_malformed", image=reference, cause=shown(str(fault), 300))
            raise ImageUnusable(reference, PullCause.FORMAT, self.platform) from fault
        if len(json.dumps(config)) > MOST_CONFIG:
            raise ImageUnusable(reference, PullCause.CONFIG, self.platform)
        (new / "image.json").write_text(json.dumps({"Config": config}))

    def _check_platform(self, reference: str, image: Mapping[str, Any]) -> None:
        system, machine = image.get("os"), image.get("architecture")
        found = f"{system}/{machine}" if system and machine else ""
        if found not in ("", self.platform):
            raise ImageUnusable(reference, PullCause.PLATFORM, self.platform, found)


class _NoImage(Exception):
    """What was fetched is no image that runs."""


def _read(packed: Path) -> tuple[dict[str, Any], list[tuple[Path, str]]]:
    """Return an image's configuration, and its layers with what each is, unpacked."""
    manifest = _members(packed / "manifest.json")
    named, layers = manifest.get("config"), manifest.get("layers")
    if not isinstance(named, dict) or not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise _NoImage("its manifest names no configuration, or no layers, or too many")
    place = _blob(packed, named)
    with place.open("rb") as file:
        content = file.read(_MANIFEST)
    if hashlib.sha256(content).hexdigest() != place.name:
        raise WrongContent
    image = _members(place)
    ids = (image.get("rootfs") or {}).get("diff_ids")
    if not isinstance(ids, list) or len(ids) != len(layers):
        raise _NoImage("its configuration names other layers than its manifest")
    if any("zstd" in str(each.get("mediaType")) for each in layers if isinstance(each, dict)):
        raise _NoImage("its layers are compressed by zstd")
    return image, [(_blob(packed, each), str(diff)) for each, diff in zip(layers, ids, strict=True)]


def _members(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            members = parse_json(file.read(_MANIFEST))
    except ValueError as fault:
        raise _NoImage(f"{path.name} is no JSON") from fault
    if not isinstance(members, dict):
        raise _NoImage(f"{path.name} is no object")
    return members


def _blob(packed: Path, named: object) -> Path:
    digest = named.get("digest") if isinstance(named, dict) else None
    kind, _, name = str(digest).partition(":")
    if kind != "sha256" or len(name) != 64 or not name.isalnum() or not (packed / name).is_file():
        raise _NoImage("a part of it is missing")
    return packed / name


def _make_target(scope: Scope, path: str) -> None:
    """See to it that something can be mounted at a path; where a file is there, nothing can."""
    try:
        scope.folder(path.split("/"), make=True)
    except OSError as fault:
        if is_machines_fault(fault):
            raise
        raise BadLayer(f"no folder can be at {path[:100]}") from fault


def _write_private(path: Path, members: Mapping[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(members, file)


async def _until_too_much(into: Path) -> PullCause:
    """Wait until more has come than may, or the folder's disk runs short."""
    while True:
        await asyncio.sleep(LOOK)
        came, free = await asyncio.to_thread(_measure, into)
        if came > MOST_PACKED:
            return PullCause.SIZE
        if free < SPARED:
            return PullCause.NO_ROOM


def _measure(into: Path) -> tuple[int, int]:
    came = 0
    for each in into.iterdir():
        try:
            came += each.stat().st_size
        except FileNotFoundError:
            continue
    return came, shutil.disk_usage(into).free
