"""What pydantic finds wrong is told in plain words; what it finds new in its own."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from poolhand.domain.form_faults import form_fault


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=3)] = ""


@pytest.mark.parametrize(
    ("wanted", "given", "told"),
    [
        (int, "x", "size takes a whole number, not 'x'"),
        (int, 1.5, "size takes a whole number, not 1.5"),
        (int, None, "size takes a whole number, not None"),
        (float, "x", "size takes a number, not 'x'"),
        (bool, "x", "size takes true or false, not 'x'"),
        (Annotated[int, Field(ge=1)], 0, "size takes 1 or more, not 0"),
        (Annotated[int, Field(le=9)], "10", "size takes 9 or less, not 10"),
        (Annotated[int, Field(gt=1)], 1, "size takes more than 1, not 1"),
        (Literal["a", "b"], "c", "size takes 'a' or 'b', not 'c'"),
        (Annotated[str, Field(max_length=3)], "long", "size takes 3 characters or fewer, not 'long'"),
        (Form, {"name": "a", "nam": 1}, "size is not known here"),
        (Form, 7, "size takes an object, not 7"),
        (int, "\x1b[31m" + "x" * 500, None),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence(wanted, given, told):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(wanted).validate_python(given)
    (error,) = caught.value.errors()
    said = form_fault("size", error)
    assert told is None or said == told
    assert "\x1b" not in said
    assert len(said) < 150


def test_an_error_of_an_unknown_kind_keeps_its_words():
    assert form_fault("size", {"type": "new", "msg": "odd"}) == "size: odd"
