"""Reading what clients of the market send, leniently, and refusing the rest in iExec's words.

Addresses come in any case, numbers also as decimal strings, truth as true, false, 1 or 0. Texts are
word for word those of iExec's validator (yup), with the name of the parameter, or the path of the
member, in front.

Source: market API 7.1.2, services-api-2.md A.2.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

from poolhand.domain.errors import BadHex
from poolhand.domain.ids import Address, FixedBytes
from poolhand.domain.market.book import LARGEST_SAFE_NUMBER
from poolhand.domain.market.challenges import MOST_SIGN
from poolhand.domain.market.refusals import BadParameter
from poolhand.domain.text import UnfitText, checked, shown

ANY: Final = "any"
_NUMBER: Final = re.compile(r"\s*(?P<whole>[+-]?[0-9]{1,80})(?P<fraction>\.[0-9]{0,40})?\s*")
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_MOST_VALUE_REPEATED: Final = 60
"""Characters of a value that are repeated."""

F = TypeVar("F", bound=FixedBytes)


def required(name: str, value: Any) -> Any:
    """Return a value that is there."""
    if value is None or value == "":
        raise BadParameter(f"{name} is a required field")
    return value


def address(name: str, value: Any) -> Address:
    """Read an address, whatever its capitals."""
    try:
        return Address.parse(value) if isinstance(value, str) else Address(b"")
    except BadHex:
        raise BadParameter(f"{name} is not a valid ethereum address") from None


def address_or_any(name: str, value: Any) -> Address | None:
    """Read an address, or ``any``: None."""
    if value == ANY:
        return None
    try:
        return address(name, value)
    except BadParameter:
        raise BadParameter(f'{name} is neither "any" nor a valid ethereum address') from None


def word(kind: type[F], name: str, value: Any) -> F:
    """Read 32 bytes of hexadecimal."""
    try:
        return kind.parse(value) if isinstance(value, str) else kind(b"")
    except BadHex:
        raise BadParameter(f"{name} must be a bytes32 hexstring") from None


def signature(name: str, value: Any) -> bytes:
    """Read a signature: 0x and hexadecimal, whoever's it may be."""
    try:
        is_hex = isinstance(value, str) and value[:2] == "0x" and " " not in value
        found = bytes.fromhex(value[2:]) if is_hex else None
    except ValueError:
        found = None
    if found is None or len(found) > MOST_SIGN:
        raise BadParameter(f"{name} must be a valid signature")
    return found


def whole(name: str, value: Any, least: int = 0, most: int = LARGEST_SAFE_NUMBER) -> int:
    """Read a whole number that JavaScript can write exactly."""
    number = _number(name, value)
    if number < least:
        raise BadParameter(f"{name} must be greater than or equal to {least}")
    if number > most:
        raise BadParameter(f"{name} must be less than or equal to {most}")
    return number


def _number(name: str, value: Any) -> int:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, float) or (found and (found["fraction"] or "").strip(".0")):
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise BadParameter(f"{name} must be an integer")
    if found:
        return int(found["whole"])
    if type(value) is not int:
        told = _told(value)
        raise BadParameter(
            f"{name} must be a `number` type, but the final value was: `NaN` "
            f"(cast from the value `{told}`)."
        )
    return value


def flag(name: str, value: Any) -> bool:
    """Read true or false."""
    word = str(value).lower()
    if word not in _FLAGS:
        raise BadParameter(
            f"{name} must be a `boolean` type, but the final value was: `{_told(value)}`."
        )
    return _FLAGS[word]


def free_text(name: str, value: Any, most: int) -> str:
    """Read a text by the rule for texts that a person is shown: nothing commands or hides."""
    if not isinstance(value, str):
        raise BadParameter(
            f"{name} must be a `string` type, but the final value was: `{_told(value)}`."
        )
    if len(value.encode(errors="replace")) > most:
        raise BadParameter(f"{name} must be at most {most} characters")
    try:
        return checked(value, name, most, lines=True)
    except UnfitText as fault:
        raise BadParameter(str(fault)) from None


def _told(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return shown(text, _MOST_VALUE_REPEATED)
