"""Keys for encrypted results: made, handed in where workers find them, and used."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from poolhand.domain.errors import Malformed, Refused, Unavailable
from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.result_key import RESULT_KEY_NAME, ResultKey, key_value
from poolhand.settings.home import at_home

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun

MOST_KEY_FILE: Final = 65_536
"""Bytes of a file with a key."""
HANDING_IN_SECONDS: Final = 60
"""Seconds for a key to be taken."""


class KeyFileThere(Refused):
    """A key is there already, and nothing could bring it back."""


class NoKeyFile(Refused):
    """There is no such key."""


class KeyNotTaken(Refused):
    """The results service does not take the key; it says why."""


class KeysUnreachable(Unavailable):
    """The results service does not answer."""


def new_keypair(key: Path) -> tuple[Path, Path]:
    """Make a pair; returns its files.

    Raises:
        KeyFileThere: One of them is there already.
    """
    from poolhand.keys.result_encryption import make_keypair
    from poolhand.observe.private import write_private

    private = at_home(key)
    public = _public(private)
    for each in (private, public):
        if each.exists():
            raise KeyFileThere(f"{each} is there already: name another with --key")
    made = make_keypair()
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(private, made[0].decode(), lasting=True)
    public.write_text(made[1].decode(), encoding="ascii")
    return private, public


async def push(command: CommandRun, key: Path, *, change: bool) -> tuple[str, Address]:
    """Hand the public key in; returns where, and for whom.

    Raises:
        NoKeyFile: There is none.
        KeyNotTaken, KeysUnreachable: The service refuses, or does not answer.
    """
    from poolhand.keys.keystore import open_wallet

    value = key_value(_read(_public(at_home(key))))
    url = await _results_url(command)
    stored = command.stored
    wallet = open_wallet(stored.path, stored.path.parent, command.password())
    told = ResultKey(wallet.address, value, wallet.sign_result_key(value))
    await _hand_in(url, told, "PUT" if change else "POST")
    return url, wallet.address


async def _results_url(command: CommandRun) -> str:
    """Return where keys are kept: as the settings say, or as the pool does."""
    settings = command.settings(signing=False)
    named: str = settings.sms_url or settings.results_url or ""
    if not named:
        async with command.requester() as requester:
            if requester.pool is not None:
                told = await requester.pool.config()
                named = told.sms_url or told.results_url
    if not named:
        raise KeyNotTaken("where are secrets kept? Give --sms-url, or --pool-url")
    return named.rstrip("/")


async def _hand_in(url: str, key: ResultKey, method: str) -> None:
    import httpx

    from poolhand.domain.json_text import parse_json
    from poolhand.domain.text import shown
    from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, ask
    from poolhand.web.trusted import trusted
    from poolhand.wire.json_models import ServiceFault, read_model

    asked = {"ownerAddress": str(key.owner), "secretName": RESULT_KEY_NAME}
    headers = {"Authorization": "0x" + key.signature.hex(), "Content-Type": "text/plain"}
    try:
        async with httpx.AsyncClient(
            timeout=HANDING_IN_SECONDS, verify=trusted(environment=True)
        ) as http:
            answer = await ask(
                http,
                method,
                f"{url}/secrets/web2",
                Caps(65_536, HANDING_IN_SECONDS),
                params=asked,
                headers=headers,
                content=key.value.encode(),
            )
    except (NoAnswer, AnswerTooLarge) as fault:
        raise KeysUnreachable(f"the results service at {url} does not answer: {fault}") from fault
    if answer.is_success:
        return
    try:
        told = parse_json(answer.content)
        why = read_model(ServiceFault, told, "the results service").message
    except (ValueError, Malformed) as fault:
        raise KeysUnreachable(f"what answers at {url} is no results service") from fault
    why = shown(why, 300).replace("ask to change it (PUT)", "say --change")
    if answer.status == HTTPStatus.CONFLICT and "--change" not in why:
        why += ": say --change to put yours in its place"
    raise KeyNotTaken(f"the results service at {url} does not take the key: {why}")


def opened(archive: Path, key: Path, to: Path | None) -> tuple[Path, ResultDigest | None]:
    """Decrypt an archive; returns where it is now, and its digest where the archive tells one."""
    from poolhand.requester.results import open_encrypted

    if not archive.is_file():
        raise NoKeyFile(f"there is no archive {archive}: `poolhand task download` fetches one")
    target = to or archive.with_name(f"{archive.stem}.decrypted.zip")
    return target, open_encrypted(archive, target, _read(at_home(key)))


def _public(private: Path) -> Path:
    return private.with_name(f"{private.name}.pub")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_KEY_FILE)
    except OSError as fault:
        raise NoKeyFile(
            f"cannot read {path} ({fault.strerror}): `poolhand results keypair` makes a pair, "
            "--key names another"
        ) from fault
