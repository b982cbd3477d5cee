"""Signed orders as the iExec SDK writes and reads them.

One flat object with the chain's member names and ``sign``: addresses in checksum form, numbers as
decimal strings, words as 0x-hexadecimal. Reading also takes JSON numbers, which the market sends.

Source: iExec SDK 8 and 9 (order files), market API 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, get_type_hints

from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address
from poolhand.domain.orders.eip712 import STRUCTS
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    DatasetOrder,
    MatchOrders,
    Order,
    OrderT,
    RequestOrder,
    Signed,
    WorkerpoolOrder,
)
from poolhand.wire.fields import Field, blob, fixed, text

SIGN: Final = "sign"
MAX_SIGNATURE: Final = 4096
"""Bytes: owners that are contracts choose their own form; others sign 65 bytes."""
MAX_PARAMS: Final = 65_536
"""Bytes of ``params`` on the wire."""
MAX_UINT256: Final = 2**256 - 1
NO_DATASET_SIGNED: Final = Signed(NO_DATASET_ORDER, b"")
"""No dataset is bought."""

_DIGITS: Final = re.compile(r"[0-9]{1,78}")


def encode_order(signed: Signed[OrderT]) -> dict[str, Any]:
    """Return the JSON object of a signed order.

    Raises:
        Malformed: A member does not fit the protocol; the caller knows whose fault that is.
    """
    members = _members(type(signed.order))
    told = {
        chain_name: _named(chain_name, field.dump, getattr(signed.order, name))
        for chain_name, (name, field) in members.items()
    }
    return {**told, SIGN: _named(SIGN, _SIGNATURE.dump, signed.signature)}


def decode_order(kind: type[OrderT], raw: Any) -> Signed[OrderT]:
    """Read a signed order; whether the signature is right is the matcher's business.

    Raises:
        Malformed: Not an object of exactly the order's members and ``sign``, or a member of the
            wrong form; the message names it.
    """
    if type(raw) is not dict:
        raise Malformed(f"{kind.__name__}: expected an object")
    members: Mapping[str, tuple[str, Field]] = _members(kind)
    _check_names(kind, raw, (*members, SIGN))
    values: dict[str, Any] = {
        name: _named(chain_name, field.load, raw[chain_name])
        for chain_name, (name, field) in members.items()
    }
    return Signed(kind(**values), _named(SIGN, _SIGNATURE.load, raw[SIGN]))


def encode_match(orders: MatchOrders) -> dict[str, Any]:
    """Return the JSON object of four orders; without a dataset its place is null."""
    dataset = orders.dataset
    return {
        "app": encode_order(orders.app),
        "dataset": None if dataset.order.dataset.is_zero else encode_order(dataset),
        "workerpool": encode_order(orders.workerpool),
        "request": encode_order(orders.request),
    }


def decode_match(raw: Mapping[str, Any]) -> MatchOrders:
    """Read four orders; the zero dataset is none.

    Raises:
        Malformed: An order is missing, or not of its form.
    """
    dataset = raw.get("dataset")
    bought = NO_DATASET_SIGNED if dataset is None else decode_order(DatasetOrder, dataset)
    return MatchOrders(
        decode_order(AppOrder, raw.get("app")),
        NO_DATASET_SIGNED if bought.order == NO_DATASET_ORDER else bought,
        decode_order(WorkerpoolOrder, raw.get("workerpool")),
        decode_order(RequestOrder, raw.get("request")),
    )


def _check_names(kind: type, raw: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in raw]
    if missing:
        raise Malformed(f"{kind.__name__}: the member {missing[0]!r} is missing")
    unknown = sorted(str(name) for name in raw.keys() - set(names))
    if unknown:
        raise Malformed(f"{kind.__name__}: the member {unknown[0]!r} is unknown")


def _named(name: str, codec: Callable[[Any], Any], value: Any) -> Any:
    try:
        return codec(value)
    except Malformed as fault:
        raise Malformed(f"{name}: {fault}") from fault


def _load_number(value: Any) -> int:
    if type(value) is str and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_UINT256:
        raise Malformed("expected a whole number from 0 to 2**256 - 1, as decimal digits")
    return value


def _load_address(value: Any) -> Address:
    made = Address(_ANY_ADDRESS.load(value))
    digits = value[2:]
    if digits not in (digits.lower(), digits.upper()) and value != str(made):
        raise Malformed(f"'{value}' is mistyped: its capitals do not fit its digits (EIP-55)")
    return made


_ANY_ADDRESS: Final = fixed(Address)
_ADDRESS: Final = Field(_load_address, str)
_NUMBER: Final = Field(_load_number, lambda value: str(_load_number(value)))
_TEXT: Final = text(MAX_PARAMS)
_SIGNATURE: Final = blob(MAX_SIGNATURE)
_MEMBERS: Final[dict[type, Mapping[str, tuple[str, Field]]]] = {}


def _members(kind: type[Order]) -> Mapping[str, tuple[str, Field]]:
    """Return an order's members: chain's name to our name and the field's codec."""
    if kind not in _MEMBERS:
        hints = get_type_hints(kind)
        codecs = {"address": _ADDRESS, "uint256": _NUMBER, "string": _TEXT}
        _MEMBERS[kind] = {
            chain_name: (ours.name, codecs.get(solidity) or fixed(hints[ours.name]))
            for ours, (solidity, chain_name) in zip(
                fields(kind), STRUCTS[kind].members, strict=True
            )
        }
    return _MEMBERS[kind]
