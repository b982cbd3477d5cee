"""Keys that beneficiaries hand in, so that workers encrypt results to them.

Each is signed by its owner, and is given out with that signature: whoever uses one checks it, so
this service is no more trusted with keys than with results. A file for each, bounded in number.

Source: iExec's secret management service, of which SDKs use three routes for this one secret.
"""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Header, Query, Request, Response

from poolhand.domain.errors import Malformed, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.result_key import MOST_RESULT_KEY, RESULT_KEY_NAME, ResultKey
from poolhand.domain.signatures import BadSignature
from poolhand.keys.result_encryption import read_public_key
from poolhand.observe.private import private_folder, write_private
from poolhand.ports.storage import StorageDown
from poolhand.transport.asgi import service_router
from poolhand.wire.json_models import AddressText
from poolhand.wire.results_api import ToldResultKey

MOST_RESULT_KEYS: Final = 100_000
"""Keys that are kept, 1 KiB each; the owner of one may change it."""
MOST_CHANGES: Final = 100
"""Of one key: those that it replaced are remembered, for everybody can have their signatures."""
_Owner: TypeAlias = Annotated[AddressText, Query(alias="ownerAddress")]
_Name: TypeAlias = Annotated[str, Query(alias="secretName", max_length=256)]
_Signature: TypeAlias = Annotated[
    str, Header(alias="Authorization", pattern=r"^0x[0-9a-fA-F]{130}$")
]
_TEXT: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
}


class NoResultKey(Refused):
    """Nobody has handed in such a key or secret here."""

    http_status = 404


class ResultKeyThere(Refused):
    """There is a key already, and it was not asked to change it."""

    http_status = 409


class NotTheKeysOwner(Refused):
    """The key is not signed by the address that it is for."""

    http_status = 401


class ResultKeyReplaced(Refused):
    """The key was changed for another before: whoever hands it in again need not be its owner."""

    http_status = 409


class ResultKeyTooLarge(Refused):
    """Longer than any key for results."""

    http_status = 413


class NoRoomForKeys(Unavailable):
    """As many keys are here as there may be."""

    http_status = 507


class ResultKeyShelf:
    """Keeps keys in a folder.

    Args:
        folder: Made when the first comes.
        most: Keys that there may be.
    """

    def __init__(self, folder: Path, most: int = MOST_RESULT_KEYS) -> None:
        self._folder, self._most = folder, most
        self._number: int | None = None
        self._lock = asyncio.Lock()

    async def found(self, owner: Address) -> ResultKey:
        """Return an owner's key; raises NoResultKey where there is none."""
        found = await asyncio.to_thread(self._read, owner)
        if found is None:
            raise NoResultKey(f"{owner} has handed in no key: `poolhand results push-key` does")
        return found

    async def take(self, key: ResultKey, *, new: bool) -> None:
        """Take a key that its owner has signed.

        Args:
            key: What was handed in.
            new: Whether there may be no other before.

        Raises:
            NotTheKeysOwner, Malformed, UnfitResultKey: It is no such key.
            ResultKeyThere, NoResultKey: There is one before, or none, against what was said.
            ResultKeyReplaced: It was changed for another before, or too many were.
            NoRoomForKeys, StorageDown: It cannot be kept.
        """
        try:
            key.check()
            await asyncio.to_thread(read_public_key, key.pem)
        except BadSignature as fault:
            raise NotTheKeysOwner(f"a key is handed in by its owner alone: {fault}") from fault
        except ValueError as fault:
            raise Malformed(f"the key is not the base64 text of a key in PEM: {fault}") from fault
        async with self._lock:
            there, replaced = await asyncio.to_thread(self._read_all, key.owner)
            if new and there is not None and there.value != key.value:
                raise ResultKeyThere("there is another key already: ask to change it (PUT)")
            if not new and there is None:
                raise NoResultKey("there is no key to change: hand one in (POST)")
            if there is not None and there.value != key.value:
                replaced = (*replaced, _named(there))
            if _named(key) in replaced or len(replaced) > MOST_CHANGES:
                raise ResultKeyReplaced(
                    "this key was changed for another before, and anybody could hand it in again: "
                    "make a new pair (`poolhand results keypair`)"
                    if _named(key) in replaced
                    else f"a key is changed {MOST_CHANGES} times at most: use another wallet"
                )
            await asyncio.to_thread(self._write, key, replaced)

    def _read(self, owner: Address) -> ResultKey | None:
        return self._read_all(owner)[0]

    def _read_all(self, owner: Address) -> tuple[ResultKey | None, tuple[str, ...]]:
        """Return an owner's key, and the names of those that it replaced."""
        try:
            told = parse_json(self._file(owner).read_bytes())
            found = ResultKey(owner, told["value"], bytes.fromhex(told["signature"]))
            return found, tuple(map(str, told.get("replaced", ())))
        except FileNotFoundError:
            return None, ()
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
            raise StorageDown(
                f"{self._file(owner)} cannot be read: the service's operator must put it back from "
                "a copy, or remove it and have the owner hand its key in again"
            ) from fault

    def _write(self, key: ResultKey, replaced: tuple[str, ...]) -> None:
        file = self._file(key.owner)
        told = json.dumps(
            {"value": key.value, "signature": key.signature.hex(), "replaced": replaced}
        )
        try:
            private_folder(self._folder)
            if self._number is None:
                self._number = sum(1 for _ in self._folder.glob("*.json"))
            is_new = not file.exists()
            if is_new and self._number >= self._most:
                raise NoRoomForKeys(
                    f"{self._most} keys are kept here, and no more: ask the service's operator"
                )
            write_private(file, told, lasting=True)
        except OSError as fault:
            raise StorageDown(f"a key cannot be kept ({fault}): check the disk") from fault
        self._number += is_new

    def _file(self, owner: Address) -> Path:
        return self._folder / f"0x{owner.hex()}.json"


def _named(key: ResultKey) -> str:
    return sha256(key.value.encode()).hexdigest()


def result_key_routes(shelf: ResultKeyShelf) -> APIRouter:
    """Return the endpoints."""
    router = service_router()

    @router.get("/v1/result-keys/{owner}")
    async def get_result_key(owner: AddressText) -> ToldResultKey:
        """Give the key to which results for a beneficiary are encrypted, as it signed it."""
        found = await shelf.found(Address.parse(owner))
        return ToldResultKey(value=found.value, signature="0x" + found.signature.hex())

    @router.head("/secrets/web2", response_class=Response, status_code=204)
    async def has_secret(owner: _Owner, name: _Name) -> Response:
        """Tell whether a beneficiary has handed in a key; of any other secret, that it is not."""
        _check_name(name)
        await shelf.found(Address.parse(owner))
        return Response(status_code=204)

    @router.post("/secrets/web2", response_class=Response, status_code=204, openapi_extra=_TEXT)
    async def post_secret(
        request: Request, owner: _Owner, name: _Name, authorization: _Signature
    ) -> Response:
        """Hand in a key for results, signed by its owner, as iExec's SDK does."""
        await shelf.take(await _handed_in(request, owner, name, authorization), new=True)
        return Response(status_code=204)

    @router.put("/secrets/web2", response_class=Response, status_code=204, openapi_extra=_TEXT)
    async def put_secret(
        request: Request, owner: _Owner, name: _Name, authorization: _Signature
    ) -> Response:
        """Change a key for results; what was encrypted before stays so."""
        await shelf.take(await _handed_in(request, owner, name, authorization), new=False)
        return Response(status_code=204)

    return router


async def _handed_in(request: Request, owner: str, name: str, signature: str) -> ResultKey:
    _check_name(name)
    return ResultKey(Address.parse(owner), await _text(request), bytes.fromhex(signature[2:]))


def _check_name(name: str) -> None:
    if name != RESULT_KEY_NAME:
        raise NoResultKey("no secret but the key for results is kept here")


async def _text(request: Request) -> str:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_RESULT_KEY:
            raise ResultKeyTooLarge(f"a key for results has at most {MOST_RESULT_KEY} bytes")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as fault:
        raise Malformed("a key for results is base64 text") from fault
