"""Commands whose texts are taken as they were typed: no quick verb loads pydantic for them.

typer turns every parameter, also a text, by an adapter of pydantic's, whose import takes longer
than all else that a verb does before it begins. A text needs none.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer._coercion import RuntimeParam
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

LONGEST_SENTENCE = 1_000
"""Characters of a verb's first sentence, of which nothing is left out in a list."""
_EXAMPLES = re.compile(r"(\A|\n\n)(Examples?:)")
_PATHS = (Path, Path | None)
_PLAIN = (str, str | None, list[str], bool, *_PATHS)

_YES = frozenset({"1", "true", "t", "yes", "y", "on"})
_NO = frozenset({"0", "false", "f", "no", "n", "off", ""})

V = TypeVar("V", bound=Callable[..., Any])
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(frozen=True)
class AsTyped(RuntimeParam):
    """Takes a text or a flag as it is, several texts as a list, a path as one that may be there."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        del param, ctx
        if self.annotation in _PATHS:
            return Path(value)
        if self.annotation is bool and isinstance(value, str):
            return _flag(value)
        return list(value) if self.annotation == list[str] else value


def _flag(value: str) -> bool:
    """Return what a variable of the environment says of a flag; raises ``BadParameter``."""
    word = value.strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise typer.BadParameter(f"'{value}' is neither true nor false")


def take_as_typed(parameters: list[Any]) -> None:
    """Spare texts, flags and paths their adapters; all other parameters are typer's business."""
    for each in parameters:
        if isinstance(each, (TyperArgument, TyperOption)):
            asked = each.type_descriptor
            if asked.annotation in _PLAIN:
                each._runtime_param = AsTyped(asked.parameter_info, asked.annotation)  # noqa: SLF001


def show_without_types(parameters: list[Any]) -> None:
    """Let help name values as people do (``N``, ``VALUE``), not by their types in Python."""
    for each in parameters:
        if isinstance(each, TyperArgument):
            vars(each)["display_type_rich"] = _no_type
        elif isinstance(each, TyperOption) and each.metavar is None and not each.is_flag:
            is_number = each.type_descriptor.annotation in (int, int | None)
            each.metavar = "N" if is_number else "VALUE"


def _no_type(ctx: Any) -> None:
    del ctx


def examples_kept(told: str | None) -> str | None:
    r"""Return a help text whose examples are not wrapped anew (``\b``, for click).

    What is folded at the edge of a terminal cannot be copied: ``\`` ends a line no more.
    """
    return told and _EXAMPLES.sub(r"\1\b\n\2", inspect.cleandoc(told))


class PlainCommand(TyperCommand):
    """A verb, whose help leaves the lines of its examples as they are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.help = examples_kept(self.help)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, ``--help`` among them."""
        parameters = super().get_params(ctx)
        take_as_typed(parameters)
        show_without_types(parameters)
        return parameters


class PlainGroup(TyperGroup):
    """A noun."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, ``--help`` among them."""
        parameters = super().get_params(ctx)
        take_as_typed(parameters)
        return parameters

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs, each with its whole first sentence on as many lines as that takes."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, verb.get_short_help_str(LONGEST_SENTENCE))
            for name, verb in found
            if verb is not None and not verb.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Noun(typer.Typer):
    """The verbs of one noun, or one verb that is its own noun."""

    def __init__(self, **options: Any) -> None:
        usual = {"cls": PlainGroup, "rich_markup_mode": None, "add_completion": False}
        super().__init__(**{**usual, **options})

    def command(self, name: str | None = None, **options: Any) -> Callable[[V], V]:
        """Add a verb."""
        return super().command(name, **{"cls": PlainCommand, **options})
