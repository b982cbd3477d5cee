"""Which modules a program in an image can import, by the names of the image's files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import PurePosixPath
from typing import Final

from poolhand.appimage.image import PACKAGES_FOLDER, WORKING_FOLDER, Image
from poolhand.appimage.wheel import Wheel, opened_wheel, wheel_entries
from poolhand.domain.function_image import FunctionImage

_CODE: Final = (".py", ".so")


def importable(names: Iterable[str]) -> tuple[str, ...]:
    """Return top names of modules among the files of an image, sorted.

    Args:
        names: Of files, absolute; those beside the app and among the packages count.
    """
    found = set()
    for name in names:
        below = next((f for f in (PACKAGES_FOLDER, WORKING_FOLDER) if name.startswith(f"{f}/")), "")
        if below and name.endswith(_CODE):
            top = PurePosixPath(name).relative_to(below).parts[0].partition(".")
            found.add(top[0] if name.count("/") == below.count("/") + 1 else "".join(top))
    return tuple(sorted(each for each in found if each.isidentifier()))


def function_image_of(image: Image, wheels: Sequence[Wheel], base: object) -> FunctionImage:
    """Return what an image says of the functions that it runs.

    Args:
        image: That runs them.
        wheels: Its packages.
        base: The config of the image below it; what that has by its own word is there, too.

    Raises:
        UnfitWheel: A wheel is none.
    """
    major, minor = map(int, image.python_version.split("."))
    below = FunctionImage.of_config(base)
    names = chain((each.name for each in image.files), _names(wheels))
    had = below.modules if below is not None and below.python == (major, minor) else ()
    return FunctionImage((major, minor), tuple(sorted({*importable(names), *had})))


def _names(wheels: Sequence[Wheel]) -> Iterable[str]:
    for each in wheels:
        with opened_wheel(each.path) as archive:
            yield from wheel_entries(each.path, archive)
