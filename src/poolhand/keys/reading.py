"""Reading keystore files of version 3, whoever wrote them.

Source: Web3 Secret Storage Definition; files of geth, ethers, ``cast`` (which leaves the address
out), Parity and eth-keyfile.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from poolhand.domain.encodings import decoded
from poolhand.domain.errors import BadHex
from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.keys.encryption import CIPHER, find_member
from poolhand.keys.errors import KeystoreUnreadable

MOST_BYTES: Final = 65_536
"""Of a keystore file; real ones have about 500."""
MOST_MEMORY: Final = 1024**3
"""Bytes that scrypt may take: four times what geth asks for."""
MOST_WORK: Final = 2**26
"""n x r x p of scrypt: half a minute."""
MOST_ROUNDS: Final = 50_000_000
"""Of PBKDF2: half a minute."""
PASSWORD_FORMS: Final = ("NFKC", "NFC", "NFD", "NFKD")
"""How programs normalise passwords; geth and ``cast`` do not, ethers takes the first."""
_IS_VECTOR: Final = re.compile("(0[xX])?[0-9a-fA-F]{32}")
_BACKUPS: Final = ("~", ".bak", ".old", ".orig", ".tmp", ".part", ".swp")


def keystore_files(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the version 3 files of a folder and what is in them, oldest first.

    Subfolders, hidden files, editors' backups and whatever else lies there is passed over.
    """
    try:
        paths = [path for path in folder.iterdir() if _may_be_keystore(path)]
    except OSError:
        return
    for path in sorted(paths, key=_age):
        try:
            yield path, read_keystore(path)
        except KeystoreUnreadable:
            continue


def _may_be_keystore(path: Path) -> bool:
    if path.name.startswith((".", "#")) or path.name.lower().endswith(_BACKUPS):
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= MOST_BYTES


def _age(path: Path) -> str:
    """Order by the time in geth's file names; other files by when they were written."""
    if path.name.startswith("UTC--"):
        return path.name
    return f"UTC--{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%dT%H-%M-%S}"


def read_keystore(path: Path) -> dict[str, Any]:
    """Return the content of a version 3 file; raises KeystoreUnreadable, which says why not."""
    try:
        with path.open("rb") as file:
            content = parse_json(decoded(file.read(MOST_BYTES)))
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise KeystoreUnreadable(path, why or "it cannot be read") from fault
    if not isinstance(content, dict) or "version" not in content:
        raise KeystoreUnreadable(path, "no version 3 object")
    if str(content["version"]) != "3":
        raise KeystoreUnreadable(path, _other_version(content["version"]))
    content["version"] = 3
    if not isinstance(find_member(content, "crypto"), Mapping):
        raise KeystoreUnreadable(path, "it has no crypto object")
    return content


def _other_version(version: Any) -> str:
    if version == 4:
        return "it is of version 4, a validator's key, which signs no transactions"
    return f"it is of version {str(version)[:20]!r}"


def claimed_address(content: Mapping[str, Any]) -> Address | None:
    """Return the address that a file tells, None when it tells none."""
    text = content.get("address")
    if not isinstance(text, str):
        return None
    try:
        return Address.parse("0x" + text.strip().lower().removeprefix("0x"))
    except BadHex:
        return None


def check_form(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse a file whose key could come out as another one, without a word.

    The password is checked by the ciphertext alone, so that a vector that was cut short or altered
    opens another wallet. The address tells, where there is one.

    Raises:
        KeystoreUnreadable: Its address is none, or its vector is not whole.
    """
    told = content.get("address")
    if told not in (None, "") and claimed_address(content) is None:
        raise KeystoreUnreadable(path, f"its address is {shown(str(told), 60)!r}")
    vector = _vector(content)
    if not isinstance(vector, str) or not _IS_VECTOR.fullmatch(vector):
        raise KeystoreUnreadable(path, "its iv is no hexadecimal number of 16 bytes")


def _vector(content: Mapping[str, Any]) -> Any:
    """Return the initialisation vector, None where there is none."""
    here: Any = content
    for wanted in ("crypto", "cipherparams", "iv"):
        if not isinstance(here, Mapping):
            return None
        here = find_member(here, wanted)
    return here


def check_cost(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse a file that cannot be opened, or at the cost of all memory or all day.

    Raises:
        KeystoreUnreadable: It says which.
    """
    crypto = find_member(content, "crypto")
    if (cipher := find_member(crypto, "cipher")) != CIPHER:
        raise KeystoreUnreadable(path, f"its cipher is {str(cipher)[:20]!r}, not {CIPHER}")
    parameters = find_member(crypto, "kdfparams")
    if not isinstance(parameters, Mapping):
        raise KeystoreUnreadable(path, "it has no parameters of key derivation")
    numbers = {
        name: _number(find_member(parameters, name)) for name in ("n", "r", "p", "c", "dklen")
    }
    if not 32 <= numbers["dklen"] <= 1024:
        raise KeystoreUnreadable(path, "its derived key has not 32 bytes")
    n, r, p = numbers["n"], numbers["r"], numbers["p"]
    if 128 * n * r > MOST_MEMORY or n * r * p > MOST_WORK:
        raise KeystoreUnreadable(path, f"scrypt with n={n}, r={r}, p={p} takes too much to open it")
    if numbers["c"] > MOST_ROUNDS:
        raise KeystoreUnreadable(path, f"{numbers['c']} rounds of PBKDF2 take too long to open it")


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def password_bytes(password: str) -> list[bytes]:
    """Return what a password may be in bytes: as it was typed, then in each normal form.

    Bytes of a terminal that is not UTF-8 stay what they were.
    """
    forms = [password, *(normalize(form, password) for form in PASSWORD_FORMS)]
    return list(dict.fromkeys(map(_utf8, forms)))


def new_password_bytes(password: str) -> bytes:
    """Return a new password in bytes, normalised as ethers and so the SDK do (NFKC)."""
    return _utf8(normalize("NFKC", password))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
