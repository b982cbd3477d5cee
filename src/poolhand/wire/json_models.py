"""How domain types stand in the JSON of our HTTP services: pydantic's view of ids and texts.

A model is written once and used at both ends: the service answers with it, a client reads with it.
A reader passes over members it does not know, so that a service may tell more tomorrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from poolhand.domain.errors import Malformed, PoolhandError
from poolhand.domain.ids import (
    Address,
    DealId,
    FixedBytes,
    OrderHash,
    ResultDigest,
    ResultHash,
    TaskId,
    TxHash,
)
from poolhand.domain.tag import Tag
from poolhand.domain.text import repaired, shown

MOST_SENTENCE = 1_000
"""Characters of a sentence that a service tells a person."""

M = TypeVar("M", bound=BaseModel)
Schema: TypeAlias = dict[str, Any]
"""A JSON schema, as OpenAPI 3.1 has it."""


class Told(BaseModel):
    """Base of what a service tells: immutable, and open to members of a newer version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def hex_schema(kind: type[FixedBytes]) -> Schema:
    """Return how an id is described."""
    return {"type": "string", "pattern": f"^0x[0-9a-fA-F]{{{2 * kind.size}}}$"}


def _reader(kind: type[FixedBytes]) -> Callable[[Any], FixedBytes]:
    def read(value: Any) -> FixedBytes:
        if isinstance(value, kind):
            return value
        try:
            return kind.parse(str(value))
        except PoolhandError as fault:
            raise ValueError(str(fault)) from fault

    return read


def _hex_of(kind: type[FixedBytes]) -> tuple[Any, ...]:
    """Return how a kind of id is read, written and described."""
    schema = {**hex_schema(kind), "description": kind.what}
    return PlainValidator(_reader(kind)), PlainSerializer(str), WithJsonSchema(schema)


def _whole(value: Any) -> Any:
    return repaired(value) if isinstance(value, str) else value


def _sentence(value: Any) -> Any:
    return shown(value, MOST_SENTENCE) if isinstance(value, str) else value


JsonAddress: TypeAlias = Annotated[Address, *_hex_of(Address)]
JsonDealId: TypeAlias = Annotated[DealId, *_hex_of(DealId)]
JsonOrderHash: TypeAlias = Annotated[OrderHash, *_hex_of(OrderHash)]
JsonTaskId: TypeAlias = Annotated[TaskId, *_hex_of(TaskId)]
JsonTxHash: TypeAlias = Annotated[TxHash, *_hex_of(TxHash)]
JsonResultHash: TypeAlias = Annotated[ResultHash, *_hex_of(ResultHash)]
JsonDigest: TypeAlias = Annotated[ResultDigest, *_hex_of(ResultDigest)]
AddressText: TypeAlias = Annotated[str, WithJsonSchema(hex_schema(Address))]
"""As the next: an id as it was asked for, described but not read, so that its reader refuses it."""
DealIdText: TypeAlias = Annotated[str, WithJsonSchema(hex_schema(DealId))]
TaskIdText: TypeAlias = Annotated[str, WithJsonSchema(hex_schema(TaskId))]
TagText: TypeAlias = Annotated[str, WithJsonSchema(hex_schema(Tag))]
Words: TypeAlias = Annotated[str, BeforeValidator(_whole)]
"""Any text that can be written."""
Sentence: TypeAlias = Annotated[str, BeforeValidator(_sentence)]
"""A text fit for a person, bounded; what commands a terminal or hides is escaped."""


class ServiceFault(Told):
    """What every refusal of a service says: a stable word for programs, a sentence for people."""

    code: Words
    message: Words


def read_model(kind: type[M], members: Any, who: str) -> M:
    """Read parsed JSON by a model.

    Args:
        kind: The model.
        members: What ``parse_json`` returned.
        who: Answered it, for the message.

    Raises:
        Malformed: It has another form; the message names the first member that has.
    """
    try:
        return kind.model_validate(members)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        told = shown(f"{where}: {first['msg']}", 300)
        raise Malformed(f"{who} answered in a form unknown here: {told}") from fault
