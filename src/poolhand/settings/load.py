"""Reading settings: flags, then the environment, then a file, then defaults, each with its origin.

A program declares its ``Option`` rows once; from them come the values, the messages about bad
ones, the printed configuration and the table in ``docs/settings.md``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from poolhand.domain.errors import PoolhandError, Refused
from poolhand.domain.ids import Address
from poolhand.domain.redaction import REDACTED, without_credentials
from poolhand.domain.text import is_well_formed, shown

_ON: Final = frozenset(("true", "yes", "1", "on"))
SWITCH_WORDS: Final = _ON | {"false", "no", "0", "off"}
"""How people say that something is on or off."""
_MOST_SHOWN_OF_VALUE: Final = 200
"""Characters of a value, in the message about it."""


class BadSetting(Refused):
    """A setting is missing or cannot be read."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        key: Name in the file, and of the flag (``--core-url``).
        variable: Name in the environment.
        parse: Turns text into the value; raises ValueError or ``Refused``.
        default: As text; None when it must be given.
        meaning: For a person, with unit.
        secret: Never shown.
        also: Other names in the environment, looked for after ``variable``.
    """

    key: str
    variable: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str
    secret: bool = False
    also: tuple[str, ...] = ()

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off: then its flag needs no word behind it."""
        return self.parse is flag

    @property
    def variables(self) -> tuple[str, ...]:
        """All its names in the environment, the first one first."""
        return (self.variable, *self.also)


class Rank(IntEnum):
    """How strong the origin of a value is: a stronger one is never overruled by a weaker."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3
    DECIDED = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force and where it comes from; ``shown`` is fit for logs."""

    option: Option
    value: Any
    shown: str
    origin: str
    rank: Rank = Rank.DEFAULT


class Settings(Mapping[str, Any]):
    """Values in force by key; ``rows`` tells their origins."""

    def __init__(self, found: Iterable[Setting]) -> None:
        self._found = {setting.option.key: setting for setting in found}

    def __getitem__(self, key: str) -> Any:
        return self._found[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def rows(self) -> tuple[Setting, ...]:
        """Return every setting in order of declaration."""
        return tuple(self._found.values())

    def rank(self, key: str) -> Rank:
        """Return how strong the origin of a value is."""
        return self._found[key].rank

    def origin(self, key: str) -> str:
        """Return where a value comes from, for a person."""
        return self._found[key].origin

    def only(self, keys: Container[str]) -> Settings:
        """Return some of the settings."""
        return Settings(each for key, each in self._found.items() if key in keys)

    def changed(self, texts: Mapping[str, str], origin: str) -> Settings:
        """Return the same settings with some that were told later.

        Args:
            texts: By key, as written; each is one of these settings.
            origin: Where they come from, for a person.

        Raises:
            BadSetting: One cannot be read.
        """
        made = {
            key: _made(self._found[key].option, text, origin, Rank.DECIDED)
            for key, text in texts.items()
        }
        return Settings({**self._found, **made}.values())

    def decided(self, key: str, value: Any, origin: str) -> Settings:
        """Return the same settings with a value that the program has found out itself."""
        option = self._found[key].option
        shown = REDACTED if option.secret else str(value)
        made = Setting(option, value, shown, origin, Rank.DECIDED)
        return Settings({**self._found, key: made}.values())


def load(
    options: Iterable[Option],
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None = None,
) -> Settings:
    """Find every option's value.

    Args:
        options: What the program understands.
        flags: By key; None where the flag was not given.
        environ: By variable; an empty text counts as not given.
        file: TOML with the keys at the top level.

    Raises:
        BadSetting: A value is missing or unreadable, or the file is, or names an unknown key.
    """
    known = tuple(options)
    written = _read(file, {option.key for option in known}) if file else {}
    return Settings(_find(option, flags, environ, written, str(file)) for option in known)


def read_toml(file: Path) -> dict[str, str]:
    """Read a file of settings; returns them by key, as flags would have them.

    Raises:
        BadSetting: It cannot be read, or is not TOML.
    """
    try:
        return texts_of(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise BadSetting(f"cannot read {file}: {fault.strerror}") from fault
    except ValueError as fault:
        raise BadSetting(f"{file} is not TOML: {fault}: correct it") from fault


def texts_of(toml: str) -> dict[str, str]:
    """Return settings by key, as flags would have them; raises ValueError where it is not TOML."""
    try:
        return {key: _text(value) for key, value in tomllib.loads(toml).items()}
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


def _read(file: Path, keys: set[str]) -> Mapping[str, str]:
    content = read_toml(file)
    unknown = sorted(content.keys() - keys)
    if unknown:
        raise BadSetting(f"{file} has the unknown setting '{unknown[0]}': remove or correct it")
    return content


def _find(
    option: Option,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    written: Mapping[str, str],
    file: str,
) -> Setting:
    flag = flags.get(option.key)
    if flag is not None:
        return _made(option, flag, f"flag --{option.key}", Rank.FLAG)
    for name in option.variables:
        if environ.get(name):
            return _made(option, environ[name], f"environment {name}", Rank.ENVIRONMENT)
    if option.key in written:
        return _made(option, written[option.key], file, Rank.FILE)
    if option.default is None:
        raise BadSetting(
            f"{option.meaning} is missing: set {option.variable} or give --{option.key}"
        )
    return _made(option, option.default, "default", Rank.DEFAULT)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _made(option: Option, text: str, origin: str, rank: Rank) -> Setting:
    if not is_well_formed(text):
        raise BadSetting(f"{option.key} ({origin}): the value is not valid UTF-8: write it again")
    try:
        value = option.parse(text)
    except (ValueError, PoolhandError) as fault:
        told = f"'{shown(text, _MOST_SHOWN_OF_VALUE)}' is not valid: {fault}"
        if option.secret:  # a fault may repeat a part of it
            told = f"the given value is not valid: expected {option.meaning}"
        raise BadSetting(f"{option.key} ({origin}): {told}") from None
    return Setting(option, value, _shown(option, text), origin, rank)


def _shown(option: Option, text: str) -> str:
    if option.secret:
        return REDACTED if text else ""
    return ",".join(without_credentials(part) for part in text.split(","))


# --------------------------------------------------------------------------------- readers of text


def address(text: str) -> Address:
    """Read an address that is somebody's."""
    found = Address.parse(text)
    if found.is_zero:
        raise ValueError("it must not be the zero address")
    return found


def address_or_none(text: str) -> Address | None:
    """Read an address, an empty text as None."""
    return Address.parse(text) if text else None


def whole(least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers."""

    def read(text: str) -> int:
        digits = text.strip().replace("_", "")
        if not digits.removeprefix("-").isdecimal():
            raise ValueError("it must be a whole number")
        value = int(digits)
        if value < least:
            raise ValueError(f"it must be at least {least}")
        if most is not None and value > most:
            raise ValueError(f"it must be at most {most}")
        return value

    return read


def fraction(text: str) -> float:
    """Read a number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("it must be a number") from None
    if not 0 <= value < float("inf"):
        raise ValueError("it must not be negative")
    return value


def flag(text: str) -> bool:
    """Read true or false (also yes, no, on, off, 1, 0)."""
    word = text.strip().lower()
    if word not in SWITCH_WORDS:
        raise ValueError("write true or false (or yes, no, on, off, 1, 0)")
    return word in _ON


def words(text: str) -> tuple[str, ...]:
    """Read a list separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def web_url(text: str) -> str:
    """Read an address of the web: http or https, and a host; or nothing."""
    parts = urlsplit(text.strip())
    if text.strip() and not (parts.scheme in {"http", "https"} and parts.hostname):
        raise ValueError("write it with http:// or https:// and a host, as https://pool.example")
    return text.strip()


def size(text: str) -> int:
    """Read bytes: ``512m``, ``2g``, or a whole number."""
    units = {"k": 1024, "m": 1024**2, "g": 1024**3}
    lower = text.strip().lower().removesuffix("b").removesuffix("i")
    if lower[-1:] in units:
        bytes_wanted = fraction(lower[:-1]) * units[lower[-1]]
        if bytes_wanted == float("inf"):
            raise ValueError("it is too large")
        return int(bytes_wanted)
    return whole()(lower)
