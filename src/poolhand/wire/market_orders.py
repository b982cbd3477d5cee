"""Signed orders as the market tells them: as the SDK writes them, but numbers are numbers.

Source: market API 7, services-api.md 2.2.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, get_type_hints

from poolhand.domain.market.book import ORDER_CLASSES
from poolhand.domain.market.refusals import BadParameter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import STRUCTS
from poolhand.domain.orders.model import Order, Signed
from poolhand.wire import market_forms as forms
from poolhand.wire.order_json import MAX_PARAMS, SIGN, decode_order, encode_order

NUMBER_MEMBERS: Final = {
    sort: tuple(name for solidity, name in STRUCTS[kind].members if solidity == "uint256")
    for sort, kind in ORDER_CLASSES.items()
}
"""Members that are numbers, of each sort of order."""


def market_order(sort: OrderSort, order: Order, sign: bytes) -> dict[str, Any]:
    """Return an order's JSON: exactly the signed members and ``sign``.

    Raises:
        Malformed: A member does not fit the protocol.
    """
    told: dict[str, Any] = encode_order(Signed(order, sign))  # type: ignore[type-var] # any of four
    return {**told, **{name: int(told[name]) for name in NUMBER_MEMBERS[sort]}}


def read_market_order(sort: OrderSort, members: Any) -> tuple[Order, bytes]:
    """Read what ``market_order`` wrote.

    Raises:
        Malformed: It did not.
    """
    signed = decode_order(ORDER_CLASSES[sort], members)
    order: Order = signed.order
    return order, signed.signature


def published_order(sort: OrderSort, members: Any) -> tuple[Order, bytes]:
    """Read the order that a client wants published; members that no order has are passed over.

    Raises:
        BadParameter: One is missing or has another form; the text names its path.
    """
    if not isinstance(members, dict):
        raise BadParameter("order is a required field")
    kind = ORDER_CLASSES[sort]
    values = [
        _member(solidity, name, members.get(name), ours)
        for (solidity, name), ours in zip(STRUCTS[kind].members, _types(kind), strict=True)
    ]
    sign = forms.signature("order.sign", forms.required("order.sign", members.get(SIGN)))
    order: Order = kind(*values)
    return order, sign


def _member(solidity: str, name: str, value: Any, kind: Any) -> Any:
    path = f"order.{name}"
    if value != "" or solidity != "string":  # a request may have no parameters
        forms.required(path, value)
    match solidity:
        case "address":
            return forms.address(path, value)
        case "bytes32":
            return forms.word(kind, path, value)
        case "string":
            return forms.free_text(path, value, MAX_PARAMS)
        case _:
            return forms.whole(path, value, 1 if name == "volume" else 0)


def _types(kind: type) -> list[Any]:
    if kind not in _TYPES:
        _TYPES[kind] = [get_type_hints(kind)[each.name] for each in fields(kind)]
    return _TYPES[kind]


_TYPES: Final[dict[type, list[Any]]] = {}
