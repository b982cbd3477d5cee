"""Contract artifacts as bytes: linked bytecode, calls, selectors.

Source: local-chain.md §2 (linking) and §3 (selector rule).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector

from poolhand.devnet.transactions import SetupFailed
from poolhand.domain.ids import Address

Artifact = Mapping[str, Any]
RECEIVE: Final = bytes(4)
FALLBACK: Final = b"\xff\xff\xff\xff"


def creation_code(artifact: Artifact, library: Address | None = None, args: bytes = b"") -> bytes:
    """Return what deploys a contract: its bytecode, linked, then its constructor's arguments.

    Each link reference is 20 bytes of the library's address at ``start`` (bytes, 0x not counted).
    """
    places = [
        place
        for names in artifact.get("linkReferences", {}).values()
        for found in names.values()
        for place in found
    ]
    code = artifact["bytecode"].removeprefix("0x")
    for place in places:
        if library is None:
            raise SetupFailed(artifact["contractName"], "it needs a library that is not deployed")
        start = 2 * place["start"]
        code = code[:start] + library.hex() + code[start + 2 * place["length"] :]
    return bytes.fromhex(code) + args


def constructor_args(artifact: Artifact, values: Sequence[Any]) -> bytes:
    """Encode the arguments of the constructor."""
    entry = next(each for each in artifact["abi"] if each["type"] == "constructor")
    return encode(_types(entry["inputs"]), values)


def call_data(artifact: Artifact, name: str, *values: Any) -> bytes:
    """Encode a call of a function by its name (which must not be overloaded)."""
    entry = _function(artifact, name)
    return function_abi_to_4byte_selector(entry) + encode(_types(entry["inputs"]), values)


def returned(artifact: Artifact, name: str, data: str) -> tuple[Any, ...]:
    """Decode what a function returned to ``eth_call``."""
    entry = _function(artifact, name)
    return tuple(decode(_types(entry["outputs"]), bytes.fromhex(data.removeprefix("0x"))))


def selectors(artifact: Artifact) -> list[bytes]:
    """List the selectors a facet serves: its functions, then ``receive`` and ``fallback``."""
    functions = [function_abi_to_4byte_selector(x) for x in artifact["abi"] if _is(x, "function")]
    receive = [RECEIVE for x in artifact["abi"] if _is(x, "receive")]
    fallback = [FALLBACK for x in artifact["abi"] if _is(x, "fallback")]
    return functions + receive + fallback


def _is(entry: Mapping[str, Any], kind: str) -> bool:
    return bool(entry["type"] == kind)


def _function(artifact: Artifact, name: str) -> Any:
    return next(x for x in artifact["abi"] if _is(x, "function") and x["name"] == name)


def _types(entries: Sequence[Any]) -> list[str]:
    return [collapse_if_tuple(each) for each in entries]
