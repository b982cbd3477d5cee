"""EIP-712 hashes of the four orders under a hub's domain.

Source: PoCo 6.x, IexecLibOrders_v5; type hashes and vectors in ``tests/domain/test_orders.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from poolhand.domain.eip712 import Domain, StructType
from poolhand.domain.ids import OrderHash
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    Order,
    RequestOrder,
    WorkerpoolOrder,
)

CHAIN_NAMES: Final[Mapping[type, tuple[str, ...]]] = {
    AppOrder: (
        "app",
        "appprice",
        "volume",
        "tag",
        "datasetrestrict",
        "workerpoolrestrict",
        "requesterrestrict",
        "salt",
    ),
    DatasetOrder: (
        "dataset",
        "datasetprice",
        "volume",
        "tag",
        "apprestrict",
        "workerpoolrestrict",
        "requesterrestrict",
        "salt",
    ),
    WorkerpoolOrder: (
        "workerpool",
        "workerpoolprice",
        "volume",
        "tag",
        "category",
        "trust",
        "apprestrict",
        "datasetrestrict",
        "requesterrestrict",
        "salt",
    ),
    RequestOrder: (
        "app",
        "appmaxprice",
        "dataset",
        "datasetmaxprice",
        "workerpool",
        "workerpoolmaxprice",
        "requester",
        "volume",
        "tag",
        "category",
        "trust",
        "beneficiary",
        "callback",
        "params",
        "salt",
    ),
}
"""The chain's spelling of each order's members, in the order of ours."""

_WORDS: Final = {"tag": "bytes32", "salt": "bytes32", "params": "string"}
_NUMBERS: Final = ("price", "volume", "category", "trust")


def _kind(name: str) -> str:
    if name in _WORDS:
        return _WORDS[name]
    return "uint256" if name.endswith(_NUMBERS) else "address"


STRUCTS: Final[Mapping[type, StructType]] = {
    kind: StructType(kind.__name__, tuple((_kind(name), name) for name in names))
    for kind, names in CHAIN_NAMES.items()
}
"""The EIP-712 struct of each order."""


def order_hash(domain: Domain, order: Order) -> OrderHash:
    """Return the digest that the order's owner signs, and by which the hub knows the order."""
    values = tuple(getattr(order, member.name) for member in fields(order))
    return OrderHash(domain.digest(STRUCTS[type(order)].hash(values)))
