"""How signed orders in the iExec SDK's own form look in an OpenAPI document."""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import Address, FixedBytes
from poolhand.domain.orders.eip712 import STRUCTS
from poolhand.domain.orders.model import Order
from poolhand.wire.json_models import Schema, hex_schema
from poolhand.wire.order_json import MAX_PARAMS, MAX_SIGNATURE, MAX_UINT256, SIGN

MEMBER_FORMS: Final[dict[str, Schema]] = {
    "address": hex_schema(Address),
    "bytes32": hex_schema(FixedBytes),
    "string": {"type": "string", "maxLength": MAX_PARAMS},
}
"""By the type that EIP-712 has of a member, but for numbers, which are not written alike."""
_NUMBER: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_UINT256},
        {"type": "string", "pattern": "^[0-9]{1,78}$"},
    ]
}


def signature_form(most: int) -> Schema:
    """Return the schema of a signature of ``most`` bytes or fewer."""
    return {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$", "maxLength": 2 + 2 * most}


def order_form(kind: type[Order]) -> Schema:
    """Return the schema of a signed order: exactly its members, and ``sign``.

    That an address with capitals has them in the places that EIP-55 says, no schema can tell.
    """
    forms = {**MEMBER_FORMS, "uint256": _NUMBER}
    members = {name: forms[solidity] for solidity, name in STRUCTS[kind].members}
    return {
        "type": "object",
        "properties": {**members, SIGN: signature_form(MAX_SIGNATURE)},
        "required": [*members, SIGN],
        "additionalProperties": False,
    }
