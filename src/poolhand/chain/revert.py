"""What a revert says: the text or the custom error in its data, as our errors.

Source: PoCo 6.x, section "errors"; Solidity ABI (``Error(string)``, ``Panic(uint256)``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from poolhand.chain.errors import (
    AssetExists,
    BalanceTooLow,
    NotOwner,
    OrdersRefused,
    OrderUnsigned,
)
from poolhand.domain.errors import PoolhandError, StakeTooLow

_ERROR: Final = keccak(b"Error(string)")[:4]
_PANIC: Final = keccak(b"Panic(uint256)")[:4]
_MATCH: Final = re.compile(r"^iExecV5-matchOrders-0x([0-9a-f]{2})$")
_CUSTOM: Final = {
    keccak(signature.encode())[:4]: signature
    for signature in (
        "IncompatibleDatasetOrder(string)",
        "UnsupportedOperation(bytes4)",
        "OperationFailed()",
        "CallerIsNotTheRequester()",
        "FunctionNotFound(bytes4)",
        "NotContractOwner(address,address)",
    )
}
_SENTENCES: Final[Mapping[str, Callable[[str], PoolhandError]]] = {
    "IexecEscrow: Transfer amount exceeds balance": lambda what: StakeTooLow(
        f"{what} locks or takes more RLC than there is free stake: deposit the difference"
    ),
    "invalid-signature-format": lambda what: OrderUnsigned(
        f"{what} holds an order without signature: have its owner sign it"
    ),
    "Create2: Failed on deploy": lambda what: AssetExists(
        f"{what} would register exactly an asset that this owner has: use that one"
    ),
    "caller is not the owner": lambda what: NotOwner(f"{what} is for the owner of the asset alone"),
    "Ownable: caller is not the owner": lambda what: NotOwner(f"{what} is for the owner alone"),
    "failed-transferFrom": lambda what: BalanceTooLow(f"{what} wants more RLC than the wallet has"),
    "failled-transferFrom": lambda what: BalanceTooLow(
        f"{what} wants more RLC than the wallet has"
    ),
}


def revert_text(data: bytes) -> str:
    """Return what revert data says: a message, a custom error, or nothing."""
    head, body = data[:4], data[4:]
    try:
        if head == _ERROR:
            return str(decode(["string"], body)[0])
        if head == _PANIC:
            return f"panic 0x{decode(['uint256'], body)[0]:02x}"
        if head in _CUSTOM:
            name, _, types = _CUSTOM[head].removesuffix(")").partition("(")
            values = decode(types.split(","), body) if types else ()
            return f"{name}({', '.join(map(str, values))})"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""
    return ""


def explain(what: str, text: str) -> PoolhandError | None:
    """Return the error for a message of the contracts, None when it names no guard of ours."""
    found = _MATCH.match(text)
    if found:
        return OrdersRefused(int(found[1], 16))
    if text in _SENTENCES:
        return _SENTENCES[text](what)
    return None
