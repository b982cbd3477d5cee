"""What Python packages an image is to have: lines as pip knows them, read and checked at once.

Only what comes as a wheel is taken: a wheel is unpacked, and all else would run the code of a
stranger's package on the machine that builds the image. So whatever pip would build although it is
told not to (a folder, a repository, the URL of a source archive) is refused where it is named.

Source: PEP 508 (names, versions, markers), pip's "Requirements File Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from poolhand.domain.errors import Refused
from poolhand.domain.text import shown

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MOST_REQUIREMENTS: Final = 2000
"""Lines that an image may ask for, all files together."""
LARGEST_REQUIREMENTS_FILE: Final = 4 * 1024**2
"""Bytes of one file; hashes make them long."""
DEEPEST_REQUIREMENTS: Final = 10
"""Files that name one another."""
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_HASH: Final = re.compile(r"\s--hash[=\s]\s*(sha(?:256|384|512):[0-9a-f]{64,128})")
_INDEX, _MORE = (f"{each}-url" for each in ("--index", "--extra-index"))
_WITH_VALUE: Final = {
    "-i": _INDEX, _INDEX: _INDEX, _MORE: _MORE,
    "-f": "--find-links", "--find-links": "--find-links", "--trusted-host": "--trusted-host",
}  # fmt: skip
"""Options of a file that say where packages are, under their long names."""
_ALONE: Final = frozenset({"--no-index", "--pre", "--require-hashes"})
_IMPLIED: Final = frozenset({"--only-binary", "--prefer-binary"})
_LOCAL: Final = re.compile(r"(\.{0,2}/|[A-Za-z]:\\|~|file:)|.*\.(whl|zip|tar\.gz|tgz|tar\.bz2)$")


class UnfitRequirement(Refused):
    """A line that asks for what an image cannot have, or that cannot be read."""

    def __init__(self, line: str, why: str) -> None:
        super().__init__(f"'{shown(line, 120)}' cannot go into an image: {why}")


@dataclass(frozen=True, slots=True)
class RequirementLine:
    """One requirement: ``text`` as PEP 508 has it, and the hashes of which its wheel has one."""

    text: str
    hashes: tuple[str, ...] = ()

    @property
    def parsed(self) -> Requirement:
        """The requirement, read."""
        from packaging.requirements import Requirement  # noqa: PLC0415 - few programs need it

        return Requirement(self.text)

    def __str__(self) -> str:
        return " ".join((self.text, *(f"--hash={each}" for each in self.hashes)))


@dataclass(frozen=True, slots=True)
class RequirementsFile:
    """All that a file asks for, those that it names with it: lines, and where packages are."""

    lines: tuple[RequirementLine, ...]
    options: tuple[str, ...]


def read_requirement(text: str) -> RequirementLine:
    """Read one requirement, such as ``numpy>=2; python_version > "3.10"``.

    Raises:
        UnfitRequirement: It is none, or would have to be built.
    """
    from packaging.requirements import InvalidRequirement  # noqa: PLC0415 - few programs need it

    hashes = tuple(sorted(_HASH.findall(text)))
    bare = _HASH.sub("", text).strip()
    if _LOCAL.match(bare) and "@" not in bare:
        raise UnfitRequirement(
            text,
            "it is a file or folder of this machine: name the package, and where its wheel lies by "
            "a line '--find-links FOLDER' of a requirements file; sources go in by copying them",
        )
    line = RequirementLine(bare, hashes)
    try:
        url = line.parsed.url
    except InvalidRequirement as fault:
        raise UnfitRequirement(
            text, f"it cannot be read as a requirement ({shown(str(fault).splitlines()[0], 120)})"
        ) from fault
    if url is not None and not _is_wheel(url):
        raise UnfitRequirement(
            text,
            "its URL leads to no wheel, so that it would have to be built, by code of the package: "
            "build the wheel (pip wheel …), put it where https reaches it, and name that URL",
        )
    return line


def read_requirements_file(file: Path) -> RequirementsFile:
    """Read a file, and those that it names by ``-r``.

    Raises:
        UnfitRequirement: A line is not to be had, or the file cannot be read.
    """
    lines: list[RequirementLine] = []
    options: list[str] = []
    _collect(file, lines, options, DEEPEST_REQUIREMENTS)
    return RequirementsFile(tuple(dict.fromkeys(lines)), tuple(dict.fromkeys(options)))


def _collect(file: Path, lines: list[RequirementLine], options: list[str], left: int) -> None:
    for line in _logical(file):
        if not line.startswith("-"):
            lines.append(read_requirement(line))
            if len(lines) > MOST_REQUIREMENTS:
                raise UnfitRequirement(line, f"an image has at most {MOST_REQUIREMENTS} of them")
            continue
        option, value = _option(line)
        if option in ("-r", "--requirement"):
            if not left:
                raise UnfitRequirement(line, f"over {DEEPEST_REQUIREMENTS} files name one another")
            _collect(file.parent / value, lines, options, left - 1)
        else:
            options += _followed(line, option, value, file)


def _option(line: str) -> tuple[str, str]:
    """Split a line into its option and the value, which stands behind a space or an equals sign."""
    words = line.split(maxsplit=1)
    option, equals, joined = words[0].partition("=")
    return option, joined if equals else " ".join(words[1:])


def _followed(line: str, option: str, value: str, file: Path) -> list[str]:
    """Return what pip is told for an option; raises UnfitRequirement."""
    if option in _WITH_VALUE and value:
        return [f"{_WITH_VALUE[option]}={_placed(option, value, file)}"]
    if option in _ALONE:
        return [option]
    if option in _IMPLIED:
        return []
    raise UnfitRequirement(line, _why_not(option))


def _logical(file: Path) -> Iterator[str]:
    """Yield the lines of a file: joined where they go on, without comments."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_REQUIREMENTS_FILE + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise UnfitRequirement(str(file), f"it cannot be read ({why}): correct the name") from fault
    if len(content) > LARGEST_REQUIREMENTS_FILE:
        raise UnfitRequirement(str(file), "it is over 4 MiB, which no list of requirements is")
    return filter(None, (_COMMENT.sub("", line).strip() for line in _joined(text.splitlines())))


def _joined(lines: Iterable[str]) -> Iterator[str]:
    held = ""
    for line in lines:
        if line.endswith("\\") and not _COMMENT.search(line):
            held += line[:-1] + " "
        else:
            yield held + line
            held = ""
    yield held


def _placed(option: str, value: str, file: Path) -> str:
    """Return what an option says, a folder seen from the file that names it."""
    if _WITH_VALUE[option] != "--find-links" or "://" in value or "$" in value:
        return value
    return str((file.parent / value).absolute())


def _why_not(option: str) -> str:
    if option in ("-e", "--editable"):
        return (
            "an editable package is sources of this machine: copy them into the image instead, or "
            "build a wheel of them (pip wheel …)"
        )
    if option in ("-c", "--constraint"):
        return "constraints are not read: write the versions into the requirements themselves"
    if option == "--no-binary":
        return (
            "only wheels are taken, for all else would run a package's code on this machine: take "
            "the line out"
        )
    return "this option is not known here: take the line out"


def _is_wheel(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.path.endswith(".whl")
