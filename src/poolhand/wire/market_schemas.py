"""How values of queries, paths and orders look in the market's OpenAPI document."""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import Address, FixedBytes
from poolhand.domain.market.book import LARGEST_SAFE_NUMBER
from poolhand.wire.json_models import Schema, hex_schema


def whole_schema(least: int = 0, most: int = LARGEST_SAFE_NUMBER) -> Schema:
    """Return how a whole number is written that JavaScript has exactly."""
    return {"type": "integer", "minimum": least, "maximum": most}


TEXT_SCHEMA: Final[Schema] = {"type": "string"}
FLAG_SCHEMA: Final[Schema] = {"type": "boolean"}
ADDRESS: Final = hex_schema(Address)
ADDRESS_OR_ANY: Final[Schema] = {"type": "string", "pattern": "^(any|0x[0-9a-fA-F]{40})$"}
WORD_SCHEMA: Final = hex_schema(FixedBytes)
"""32 bytes: a hash, a tag, the id of a deal or a task."""
NAME_SCHEMA: Final[Schema] = {"type": "string", "pattern": "^0x([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"}
"""Whatever can be searched for: an address or 32 bytes."""
