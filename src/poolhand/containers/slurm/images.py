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
import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from poolhand.containers.errors import EngineFull, ImagePullFailed, ImageUnusable
from poolhand.containers.folders import remove
from poolhand.containers.image_name import ImageName
from poolhand.containers.pull_causes import PullCause
from poolhand.containers.pulls import (
    MOST_CONFIG,
    FindPullLogin,
    RegistryRule,
    any_registry,
    no_login,
)
from poolhand.containers.sharing import Shared
from poolhand.containers.slurm.layer_archive import BadLayer, LayersTooLarge
from poolhand.containers.slurm.layers import Layers, Scope, WrongContent
from poolhand.containers.slurm.old_images import IMAGE_FILE, clear_images, note_use
from poolhand.containers.slurm.skopeo import Skopeo
from poolhand.domain.errors import RuntimeDown, is_machines_fault
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.domain.units import Seconds

MOST_IMAGE_LAYERS: Final = 127
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
"""How a frame of zstd begins (RFC 8878, 3.1.1)."""
_MANIFEST: Final = 4 * 1024**2
_TARGETS: Final = ("/proc", "/dev", "/sys", "/iexec_in", "/iexec_out", "/iexec_work")
_OPEN: Final = 0o1777
"""Of what an app may write to. runc gives a file system in memory the mode of what it hides."""

log = structlog.get_logger()


def platform_of_machine(machine: str) -> str:
    """Return ``os/architecture`` for what a kernel calls its machine."""
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


class SharedImages:
    """Images below a folder that all nodes see.

    Args:
        folder: For them alone.
        runs: Of the runs, which use images.
        login_of: Finds the login of a registry.
        may_ask: Decides which registries are asked.
    """

    def __init__(
        self,
        folder: Path,
        runs: Path,
        login_of: FindPullLogin = no_login,
        may_ask: RegistryRule = any_registry,
    ) -> None:
        self._folder, self._runs, self._may_ask = folder, runs, may_ask
        self._pulls = Shared[None]()
        self.platform = platform_of_machine(platform.machine())
        self._skopeo = Skopeo(login_of, self.platform)

    def root(self, reference: str) -> Path:
        """Return where an image's files are."""
        return self._of(reference) / "rootfs"

    def _is_present(self, reference: str) -> bool:
        """Tell whether an image is here, and keep it for a while if so."""
        try:
            note_use(self._of(reference))
        except FileNotFoundError:
            return False
        return True

    def config(self, reference: str) -> dict[str, Any] | None:
        """Return an image as Docker's engine would tell of it; None: it is not present."""
        try:
            with (self._of(reference) / IMAGE_FILE).open("rb") as file:
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
        if await asyncio.to_thread(self._is_present, reference):
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
            await asyncio.to_thread(clear_images, self._folder, self._runs)
            (new / "packed").mkdir(parents=True)
            await self._skopeo.fetch(name, reference, new / "packed")
            packed = await self._plain(reference, new)
            await self._unpack_here(reference, packed, new / "rootfs")
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

    async def _plain(self, reference: str, new: Path) -> Path:
        """Return the folder of what was fetched; unpacked by skopeo where we cannot, for zstd."""
        packed, plain = new / "packed", new / "plain"
        if not await asyncio.to_thread(_has_zstd, packed):
            return packed
        plain.mkdir()
        await self._skopeo.decompress(reference, packed, plain)
        await asyncio.to_thread(remove, packed)
        return plain

    def _publish(self, reference: str, new: Path) -> None:
        for name in ("packed", "plain"):
            remove(new / name)
        try:
            new.rename(self._of(reference))
        except OSError:
            if self.config(reference) is None:
                raise  # else another worker on this folder was quicker

    async def _unpack_here(self, reference: str, packed: Path, root: Path) -> None:
        """Unpack in a thread that has ended when this is left: what it writes is removed then."""
        abandoned = threading.Event()
        work = asyncio.to_thread(self._unpack, reference, packed, root, abandoned)
        unpacking = asyncio.create_task(work)
        try:
            await asyncio.shield(unpacking)
        finally:
            abandoned.set()
            await asyncio.gather(unpacking, return_exceptions=True)

    def _unpack(self, reference: str, packed: Path, root: Path, abandoned: threading.Event) -> None:
        root.mkdir()
        root.chmod(0o755)
        try:
            image, layers = _read(packed)
            self._check_platform(reference, image)
            config = _config_of(image)
            if len(json.dumps(config)) > MOST_CONFIG:
                raise ImageUnusable(reference, PullCause.CONFIG, self.platform)
            laid = Layers(root, abandoned=abandoned)
            for blob, diff_id in layers:
                with blob.open("rb") as file:
                    laid.add(file, diff_id)
            make_targets(root, config)
        except LayersTooLarge as fault:
            raise ImageUnusable(reference, PullCause.SIZE, self.platform) from fault
        except WrongContent as fault:
            raise ImageUnusable(reference, PullCause.DIGEST, self.platform) from fault
        except (BadLayer, _NoImage, ValueError) as fault:
            log.warning("image_malformed", image=reference, cause=shown(str(fault), 300))
            raise ImageUnusable(reference, PullCause.FORMAT, self.platform) from fault
        (root.parent / IMAGE_FILE).write_text(json.dumps({"Config": config}))

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
    if (
        not isinstance(named, dict)
        or not isinstance(layers, list)
        or len(layers) > MOST_IMAGE_LAYERS
    ):
        raise _NoImage("its manifest names no configuration, or no layers, or too many")
    place = _blob(packed, named)
    with place.open("rb") as file:
        content = file.read(_MANIFEST)
    if hashlib.sha256(content).hexdigest() != place.name:
        raise WrongContent
    image = _members(place)
    rootfs = image.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(ids, list) or len(ids) != len(layers):
        raise _NoImage("its configuration names other layers than its manifest")
    return image, [(_blob(packed, each), str(diff)) for each, diff in zip(layers, ids, strict=True)]


def _config_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an image wants of whoever runs it, of the shape that engines make sure of."""
    config = image.get("config") or {}
    if not isinstance(config, dict):
        raise _NoImage("its configuration says nothing of how it is run")
    for name in ("User", "WorkingDir"):
        if not isinstance(config.get(name) or "", str):
            raise _NoImage(f"its {name} is no text")
    for name in ("Entrypoint", "Cmd", "Env", "Volumes"):
        told = config.get(name) or []
        if not isinstance(told, dict if name == "Volumes" else list) and told != []:
            raise _NoImage(f"its {name} is no list")
        if not all(isinstance(each, str) for each in told):
            raise _NoImage(f"its {name} holds what is no text")
    return config


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


def make_targets(root: Path, config: Mapping[str, Any]) -> None:
    """See to it that all can be mounted in an image, and that its program's folder is there.

    Raises:
        BadLayer: A file is in the way, or links go round in circles.
    """
    folder = str(config.get("WorkingDir") or "/")
    volumes = [str(each) for each in config.get("Volumes") or ()]
    for path in (*_TARGETS, folder, "/tmp", *volumes):  # noqa: S108 - inside
        try:
            place = Scope(root).folder(path.split("/"), make=True)
            assert place is not None, "it was to be made"
            if path in _TARGETS:
                place.chmod(0o755)
            elif path != folder and place != root:
                place.chmod(_OPEN)
        except OSError as fault:
            if is_machines_fault(fault):
                raise
            raise BadLayer(f"no folder can be at {path[:100]}") from fault


def _has_zstd(packed: Path) -> bool:
    """Tell whether a part of an image is compressed by zstd, whatever its manifest says of it."""
    for each in packed.iterdir():
        with each.open("rb") as file:
            if file.read(len(_ZSTD)) == _ZSTD:
                return True
    return False
