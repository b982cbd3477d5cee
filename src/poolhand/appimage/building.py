"""From a description to an image in a registry: base found, packages fetched, layers written.

Everything that can be refused is refused before the first byte is pushed: a base without the wanted
Python, a package without a wheel, an image that no worker would pull. The same description over the
same base with the same wheels gives the same bytes, and so the same digest, wherever it is built.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Final

import httpx

from poolhand.appimage.archive import fetch_layer, write_archive
from poolhand.appimage.base import LARGEST_APP_IMAGE, BaseImage, UnfitBase, read_base
from poolhand.appimage.base_python import demand_python
from poolhand.appimage.composing import (
    BuiltImage,
    PublishedImage,
    RunTerms,
    base_variable,
    compose,
)
from poolhand.appimage.image import (
    PACKAGES_FOLDER,
    WORKING_FOLDER,
    Image,
    ImageFile,
    UnfitImage,
)
from poolhand.appimage.importable import function_image_of
from poolhand.appimage.layers import (
    ContentChanged,
    Layer,
    LayerEntry,
    LayerPlace,
    Streamed,
    write_layer,
)
from poolhand.appimage.pip_download import PipDownload
from poolhand.appimage.pushing import PUSH_AND_PULL, ImagePusher, TellStep
from poolhand.appimage.reference import BadImageName, ImageReference
from poolhand.appimage.registry_api import FindLogin, RegistryApi, nobody
from poolhand.appimage.threads import in_thread
from poolhand.appimage.wheel import SCRIPTS_FOLDER, Wheel, opened_wheel, wheel_entries
from poolhand.appimage.wheels import TargetPython, WheelSource, find_wheels
from poolhand.domain.doctor.machine import show_bytes
from poolhand.domain.errors import is_machines_fault
from poolhand.domain.function_image import FUNCTIONS_LABEL
from poolhand.domain.platforms import WORKER_PLATFORMS, linux_on

MOST_PACKAGE_FILES: Final = 300_000
"""Files of all packages of an image: a worker unpacks at most 500,000 of a whole one."""
MOST_PACKAGE_BYTES: Final = 12 * 1024**3
"""Of all packages of an image, unpacked: of a whole image a worker unpacks at most 16 GiB."""
IMAGE_COMPRESSION: Final = 6
PATH_OF_MOST_BASES: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def usual_base(image: Image) -> str:
    """Return the base that an image names, or Docker's own one of its Python."""
    return image.base or f"docker.io/library/python:{image.python_version}-slim"


def silent(line: str) -> None:
    """Tell nobody."""


class ImageBuilder:
    """Builds and pushes images.

    Args:
        http: A client, for registries.
        login_of: Finds logins of registries.
        built_for: The platform of its images.
        base_of: Tells the base of an image.
        told: What is done now, in a line.
        wheels: Fetches packages; None: by pip.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        login_of: FindLogin = nobody,
        built_for: str = WORKER_PLATFORMS[0],
        base_of: Callable[[Image], str] = usual_base,
        told: TellStep = silent,
        wheels: WheelSource | None = None,
    ) -> None:
        self._http, self._login_of, self._platform = http, login_of, built_for
        self._base_of, self._told = base_of, told
        self._wheels = wheels or PipDownload(told)

    async def build(self, image: Image, folder: Path) -> BuiltImage:
        """Build an image.

        Args:
            image: What is wanted.
            folder: For its layers, which have to stay there until it is pushed.

        Raises:
            UnfitImage: It is not clear what it runs, it is too large, or a file has changed.
            NoSuchImage, RegistryDown, UnfitBase, FalseRegistry: The base cannot be had or used.
            MissingWheel, IndexDown, NoPip, UnfitWheel: The packages cannot be had.
        """
        command = image.runs
        base = await self._base(image, folder)
        wheels = await self._packages(image, base, folder)
        layers: list[Layer] = []
        if wheels:
            self._told(f"packages: {', '.join(map(str, wheels))}")
            packed = folder / "packages.tar.gz"
            layers.append(await in_thread(partial(_write_packages, packed, wheels)))
        layers.append(await in_thread(partial(_write_files, folder / "files.tar.gz", image.files)))
        variables = {**_variables(base, packages=bool(wheels)), **dict(image.variables)}
        labels = await self._labels(image, base, wheels)
        run = RunTerms(command, WORKING_FOLDER, environment=variables, labels=labels)
        built = compose(layers, run, self._platform, base)
        if built.size > LARGEST_APP_IMAGE:
            raise UnfitImage(
                f"the image has {show_bytes(built.size)}, and workers pull none over 8 GiB: "
                "require or copy less, or take a smaller base (--from)"
            )
        self._told(f"built: sha256:{built.digest}, {show_bytes(built.size)} with its base")
        return built

    async def _labels(
        self, image: Image, base: BaseImage, wheels: Sequence[Wheel]
    ) -> Mapping[str, str]:
        """Return what an image that runs functions says of itself."""
        if not image.runs_functions:
            return {}
        about = await in_thread(lambda _: function_image_of(image, wheels, base.config))
        return {FUNCTIONS_LABEL: about.dump()}

    async def demand_writable(self, to: str) -> None:
        """See to it that a registry takes the image, before it is built; raises as ``push``."""
        await (await self._pusher(target_of(to))).demand_writable()

    async def push(self, built: BuiltImage, to: str) -> PublishedImage:
        """Push an image.

        Args:
            built: By ``build``.
            to: ``registry/owner/name:tag``.

        Raises:
            BadImageName: It is no such name.
            PushRefused, NoSuchImage: The registry does not take it, or the base is gone.
            RegistryDown, FalseRegistry: It broke off; the same again goes on.
        """
        target, source = target_of(to), None
        if built.base is not None:
            name = built.base.name
            source = RegistryApi(self._http, name, await self._login_of(name.registry))
        return await (await self._pusher(target, built.base)).push(built, source)

    async def save(self, built: BuiltImage, file: Path, folder: Path, name: str = "") -> None:
        """Write an image into one file, for engines to load.

        Args:
            built: By ``build``.
            file: Made anew, whole or not at all.
            folder: For what is fetched of the base meanwhile.
            name: Under which an engine keeps it; empty: by its digest alone.

        Raises:
            NoSuchImage, RegistryDown, FalseRegistry: The base cannot be had.
            NoRoomToBuild: It cannot be written.
        """
        layers = {each.digest: each.path for each in built.layers}
        if built.base is not None:
            base = built.base.name
            source = RegistryApi(self._http, base, await self._login_of(base.registry))
            for each in built.base_layers:
                self._told(f"base: fetching {show_bytes(each.size)} from {base.registry}")
                layers[each.digest] = await fetch_layer(source, each, folder)
        await in_thread(lambda _: write_archive(file, built, layers, name))

    async def _pusher(self, target: ImageReference, base: BaseImage | None = None) -> ImagePusher:
        login = await self._login_of(target.registry)
        same = base is not None and base.name.registry == target.registry
        mounted = (base.name.repository,) if same and base is not None else ()
        registry = RegistryApi(self._http, target, login, access=PUSH_AND_PULL, mounted=mounted)
        return ImagePusher(registry, self._told)

    async def _base(self, image: Image, folder: Path) -> BaseImage:
        name = ImageReference.parse(self._base_of(image))
        self._told(f"base: {name}")
        registry = RegistryApi(self._http, name, await self._login_of(name.registry))
        base = await read_base(registry, self._platform)
        found, wanted = base.python_version, image.python_version
        if found is None:
            await demand_python(registry, base, wanted, folder, self._told)
        elif not f"{found}.".startswith(f"{wanted}."):
            raise UnfitBase(
                base.name,
                f"it has Python {found}, and {wanted} is wanted: name another (--from), "
                f"or take its Python (--python {'.'.join(found.split('.')[:2])})",
            )
        return base

    async def _packages(self, image: Image, base: BaseImage, folder: Path) -> tuple[Wheel, ...]:
        if not image.requirements:
            return ()
        full = base.python_version or image.python_version
        musl = "alpine" in base.name.tag
        full = full if full.count(".") == 2 else f"{image.python_version}.0"
        target = TargetPython(image.python_version, full, self._platform, musl)
        self._told(f"packages: looking for wheels for {target}")
        place = folder / "wheels"
        place.mkdir()
        return await find_wheels(self._wheels, image.requirements, image.indexes, target, place)


def platform_for(to: str, platforms: Sequence[str]) -> str:
    """Return what an image is built for: what workers run.

    From a registry of this machine's own no other pulls; then it is what this machine runs.
    """
    local = bool(to) and ImageReference.parse(to).is_local
    return linux_on(platform.machine()) if local else platforms[0]


def target_of(to: str) -> ImageReference:
    """Read where an image goes; raises BadImageName for a name without a tag's form."""
    target = ImageReference.parse(to)
    if target.digest is not None:
        raise BadImageName(to)
    return target


def _variables(base: BaseImage, *, packages: bool) -> Mapping[str, str]:
    """Return what a Python needs in a container that throws away what it writes."""
    usual = {
        "LANG": base_variable(base, "LANG") or "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if not packages:
        return usual
    path, search = (
        base_variable(base, "PATH") or PATH_OF_MOST_BASES,
        base_variable(base, "PYTHONPATH"),
    )
    return {
        **usual,
        "PATH": f"{SCRIPTS_FOLDER}:{path}",
        "PYTHONPATH": f"{PACKAGES_FOLDER}:{search}" if search else PACKAGES_FOLDER,
    }


def _write_files(path: Path, files: Sequence[ImageFile], abandoned: threading.Event) -> Layer:
    entries: dict[str, LayerEntry] = {WORKING_FOLDER: LayerPlace()}
    for each in files:
        entries[each.name] = Streamed(
            each.size, partial(_open, each.source), each.executable, each.sha256
        )
    try:
        return write_layer(path, entries, IMAGE_COMPRESSION, abandoned)
    except (ContentChanged, OSError) as fault:
        if isinstance(fault, OSError) and is_machines_fault(fault):
            raise
        raise UnfitImage(
            "a file was changed or taken away since the image was described: describe it anew"
        ) from fault


def _open(source: Path | bytes) -> IO[bytes]:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _write_packages(path: Path, wheels: Sequence[Wheel], abandoned: threading.Event) -> Layer:
    entries: dict[str, LayerEntry] = {}
    with ExitStack() as opened:
        for each in wheels:
            archive = opened.enter_context(opened_wheel(each.path))
            entries.update(wheel_entries(each.path, archive))
            _demand_bounded(entries)
        return write_layer(path, entries, IMAGE_COMPRESSION, abandoned)


def _demand_bounded(entries: Mapping[str, LayerEntry]) -> None:
    size = sum(each.size for each in entries.values() if isinstance(each, Streamed))
    if len(entries) > MOST_PACKAGE_FILES or size > MOST_PACKAGE_BYTES:
        raise UnfitImage(
            f"the packages have {len(entries)} files of {show_bytes(size)} in all, and workers "
            "unpack no image like that: require fewer, or smaller ones"
        )
