"""``Image``: what an app's image is made of, said in Python instead of a Dockerfile.

>>> from poolhand import Client, Image
>>> image = (
...     Image.python("3.12")
...     .pip("numpy>=2", "pillow")
...     .copy("analyse.py")
...     .entrypoint("python3", "/app/analyse.py")
... )
>>> image.deploy(Client(), "ghcr.io/you/analyse:1.0").app.address

An image is a value: each method returns another one, and nothing is read but the files that are
copied, once, when they are named. Two that say the same are equal, files by their content, and have
the same ``content_id``; built over the same base from the same wheels they are the same bytes.
A client's ``build_image`` writes a file that engines load, ``push_image`` brings it to a registry,
``deploy_image`` registers it as an app on chain as well; ``build``, ``push`` and ``deploy`` of an
image are the same. Building runs no code of any package, and needs no engine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, Self, TypeVar

from poolhand.appimage.requirements import (
    RequirementLine,
    read_requirement,
    read_requirements_file,
)
from poolhand.domain.errors import Refused
from poolhand.domain.text import is_well_formed, shown

IMAGE_RECIPE: Final = 1
"""Raised when the same description is built into other bytes."""
WORKING_FOLDER: Final = "/app"
PACKAGES_FOLDER: Final = "/opt/poolhand/packages"
"""Where an image has its packages: on ``PYTHONPATH``, whatever Python the base has, and where."""
MOST_COPIED_FILES: Final = 50_000
MOST_COPIED_BYTES: Final = 8 * 1024**3
"""Of all files copied into an image, as workers pull no larger one."""
LONGEST_IMAGE_PATH: Final = 1024
"""Bytes of a name in an image."""
FUNCTION_RUNNER: Final = Path(__file__).parents[1] / "devnet" / "function_app" / "main.py"
"""The app that runs functions: one file, which stands alone."""
_VERSION: Final = re.compile(r"3\.([89]|[1-9][0-9])")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules"})
_OURS: Final = ("/iexec_in", "/iexec_out", "/proc", "/dev", "/sys")
"""Where workers mount what a task gets."""


_B_co = TypeVar("_B_co", covariant=True)
_P_co = TypeVar("_P_co", covariant=True)
_D_co = TypeVar("_D_co", covariant=True)


class _Images(Protocol[_B_co, _P_co, _D_co]):
    """A client, synchronous or not, as far as images need one."""

    def build_image(self, image: Image, file: str | Path) -> _B_co: ...

    def push_image(self, image: Image, to: str) -> _P_co: ...

    def deploy_image(self, image: Image, to: str, name: str = "") -> _D_co: ...


class UnfitImage(Refused):
    """A description that no image can be made of; it says of which part, and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class ImageFile:
    """A file of an image.

    Attributes:
        name: Its absolute name there.
        sha256: Of its content, 64 digits.
        size: In bytes.
        executable: Whether it may be run.
        source: Where its content is: a file of this machine, or the content itself.
    """

    name: str
    sha256: str
    size: int
    executable: bool
    source: Path | bytes = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of an app; see the module for how it is made.

    Attributes:
        python_version: Of the Python that it has, such as ``3.12``.
        base: The image below it; empty: the usual one of that Python.
        requirements: Packages, each a line as pip knows it.
        indexes: Where packages are, as options of pip.
        files: By their names.
        variables: Of the environment, sorted.
        command: What a container runs; empty: ``main.py``, or the only program that was copied.
        runs_functions: Whether it runs functions of Python programs, and says so.
    """

    python_version: str
    base: str = ""
    requirements: tuple[RequirementLine, ...] = ()
    indexes: tuple[str, ...] = ()
    files: tuple[ImageFile, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    runs_functions: bool = False

    @classmethod
    def python(cls, version: str = "", *, base: str = "") -> Self:
        """Begin an image with a Python.

        Args:
            version: Such as ``3.12``; empty: that of the Python which runs this.
            base: An image that has it, ``registry/name:tag``; empty: the usual one.

        Raises:
            UnfitImage: It is no such version.
        """
        wanted = version or f"{sys.version_info.major}.{sys.version_info.minor}"
        if not _VERSION.fullmatch(wanted):
            raise UnfitImage(f"'{shown(wanted, 20)}' is no version of Python: write 3.12 or alike")
        return cls(wanted, base.strip())

    def pip(self, *requirements: str) -> Self:
        """Add packages: ``numpy>=2``; only what has a wheel for this Python can be had.

        Raises:
            UnfitRequirement: One cannot be read, or would have to be built.
        """
        added = tuple(map(read_requirement, requirements))
        return replace(self, requirements=tuple(dict.fromkeys((*self.requirements, *added))))

    def from_requirements(self, file: str | Path) -> Self:
        """Add what a requirements file asks for; hashes in it are checked.

        Raises:
            UnfitRequirement: A line of it cannot be had.
        """
        found = read_requirements_file(Path(file))
        lines = dict.fromkeys((*self.requirements, *found.lines))
        options = dict.fromkeys((*self.indexes, *found.options))
        return replace(self, requirements=tuple(lines), indexes=tuple(options))

    def copy(self, source: str | Path, to: str = "") -> Self:
        """Add a file, or a folder with all that is in it, as it is now.

        Of folders ``__pycache__`` and what is hidden (names that begin with a dot) stays out: an
        image is public, and secrets lie there.

        Args:
            source: On this machine.
            to: Where it goes, from ``/app`` on or absolute; a folder where it ends with ``/``.
                Empty: under its own name in ``/app``.

        Raises:
            UnfitImage: It is not there, is too much, or has a name that an image cannot have.
        """
        path = Path(source)
        where = f"{to}{path.absolute().name}" if not to or to.endswith("/") else to
        if path.is_dir():
            pairs: Iterable[tuple[Path, str]] = (
                (each, f"{where}/{each.relative_to(path).as_posix()}") for each in _within(path)
            )
        else:
            pairs = ((path, where),)
        return self._with(_read(each, place(name)) for each, name in pairs)

    def text(self, to: str, content: str | bytes) -> Self:
        """Add a file by its content (text as UTF-8); ``to`` as for ``copy``.

        Raises:
            UnfitImage: Its name is none that an image can have.
        """
        data = content.encode() if isinstance(content, str) else content
        return self._with(
            [
                ImageFile(
                    place(to), sha256(data).hexdigest(), len(data), executable=False, source=data
                )
            ]
        )

    def env(self, variables: Mapping[str, str] | None = None, /, **more: str) -> Self:
        """Set variables of the environment; everybody can read them in the image.

        Raises:
            UnfitImage: A name or value is none.
        """
        added = {**(variables or {}), **more}
        for name, value in added.items():
            if not _VARIABLE.fullmatch(name) or not is_well_formed(value) or "\0" in value:
                raise UnfitImage(f"'{shown(name, 60)}' cannot be a variable: write NAME=text")
        return replace(self, variables=tuple(sorted({**dict(self.variables), **added}.items())))

    def entrypoint(self, *words: str) -> Self:
        """Say what a container runs, word by word; a task's arguments come behind it.

        Raises:
            UnfitImage: No word is given, or one is no text.
        """
        if not words or not all(is_well_formed(each) and "\0" not in each for each in words):
            raise UnfitImage('an entry point has words, such as "python3", "/app/main.py"')
        return replace(self, command=words)

    def functions(self) -> Self:
        """Let it run functions that are sent from Python: ``client.map`` and its kin.

        It gets the app that runs them and cloudpickle as it is here, and says which modules it has:
        those of its packages, and what was copied beside the app.

        Raises:
            UnfitImage: cloudpickle is not installed here.
        """
        try:
            pickles = f"cloudpickle=={installed_version('cloudpickle')}"
        except PackageNotFoundError as fault:
            raise UnfitImage(
                "functions travel by cloudpickle, which is not installed: pip install "
                "'poolhand[functions]'"
            ) from fault
        runner = f"{WORKING_FOLDER}/poolhand_functions.py"
        image = self.pip(pickles).text(runner, FUNCTION_RUNNER.read_bytes())
        return replace(image.entrypoint("python3", runner), runs_functions=True)

    def build(self, client: _Images[_B_co, Any, Any], file: str | Path) -> _B_co:
        """Return ``client.build_image(self, file)``, of an ``AsyncClient`` to be awaited."""
        return client.build_image(self, file)

    def push(self, client: _Images[Any, _P_co, Any], to: str) -> _P_co:
        """Return ``client.push_image(self, to)``, of an ``AsyncClient`` to be awaited."""
        return client.push_image(self, to)

    def deploy(self, client: _Images[Any, Any, _D_co], to: str, name: str = "") -> _D_co:
        """Return ``client.deploy_image(self, to, name)``, of an ``AsyncClient`` to be awaited."""
        return client.deploy_image(self, to, name)

    @property
    def content_id(self) -> str:
        """What all of this amounts to: 64 digits, the same for equal images on any machine."""
        told = {
            "recipe": IMAGE_RECIPE,
            "python": self.python_version,
            "base": self.base,
            "requirements": [str(each) for each in self.requirements],
            "indexes": self.indexes,
            "files": [(each.name, each.sha256, each.executable) for each in self.files],
            "variables": self.variables,
            "command": self.command,
            **({"functions": True} if self.runs_functions else {}),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def runs(self) -> tuple[str, ...]:
        """What a container runs, word by word.

        Raises:
            UnfitImage: Nothing was said, and no program is the one.
        """
        if self.command:
            return self.command
        programs = [
            each.name
            for each in self.files
            if str(PurePosixPath(each.name).parent) == WORKING_FOLDER and each.name.endswith(".py")
        ]
        main = f"{WORKING_FOLDER}/main.py"
        if main in programs or len(programs) == 1:
            return ("python3", main if main in programs else programs[0])
        raise UnfitImage(
            "what a container shall run is not clear: copy one program (main.py), or give the "
            "entry point (python3 /app/…)"
        )

    def _with(self, added: Iterable[ImageFile]) -> Self:
        files = {each.name: each for each in self.files}
        for each in added:
            files[each.name] = each
            if len(files) > MOST_COPIED_FILES:
                raise UnfitImage(
                    f"over {MOST_COPIED_FILES} files are copied: name a smaller folder, or sell "
                    "the files as a dataset"
                )
        if sum(each.size for each in files.values()) > MOST_COPIED_BYTES:
            raise UnfitImage(
                "over 8 GiB are copied, and workers run no larger image: sell the files as a "
                "dataset"
            )
        return replace(self, files=tuple(sorted(files.values())))


def place(name: str) -> str:
    """Return the absolute name of a file in an image; a relative one is below ``/app``.

    Raises:
        UnfitImage: It leads out, is where workers mount things, or no file can be called so.
    """
    whole = name if name.startswith("/") else f"{WORKING_FOLDER}/{name}"
    parts = whole.split("/")[1:]
    sound = (
        is_well_formed(whole) and "\0" not in whole and len(whole.encode()) <= LONGEST_IMAGE_PATH
    )
    if not sound or any(each in ("", ".", "..") for each in parts):
        raise UnfitImage(
            f"'{shown(name, 80)}' names no file in an image: write it without '..', such as "
            f"{WORKING_FOLDER}/data/words.txt"
        )
    if whole.startswith(tuple(f"{each}/" for each in _OURS)):
        raise UnfitImage(
            f"'{shown(name, 80)}' would be hidden by what workers put there: copy it to "
            f"{WORKING_FOLDER}"
        )
    return whole


def _within(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder in order; links are files where they lead to one."""
    for each in sorted(folder.iterdir()):
        if each.name.startswith(".") or each.name in _LEFT_OUT or each.suffix == ".pyc":
            continue
        if each.is_dir():
            if not each.is_symlink():  # it may lead back here
                yield from _within(each)
        elif each.is_file():
            yield each


def _read(path: Path, name: str) -> ImageFile:
    try:
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            size, mode = file.tell(), path.stat().st_mode
    except OSError as fault:
        raise UnfitImage(f"{path} cannot be copied ({fault.strerror}): correct the name") from fault
    return ImageFile(name, digest, size, bool(mode & 0o100), path.absolute())


def described(image: Image) -> dict[str, Any]:
    """Return an image as JSON-ready members, for people and programs to read."""
    return {
        "python": image.python_version,
        "base": image.base or None,
        "requirements": [str(each) for each in image.requirements],
        "files": [each.name for each in image.files],
        "entrypoint": list(image.runs),
        "content_id": image.content_id,
    }
