"""What a chain said of one block: asked again while that is the newest, it would say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from poolhand.domain.ids import Address, BlockHash
from poolhand.domain.onchain import Head

MOST_ANSWERS_OF_BLOCK: Final = 50_000
"""Answers that are kept of a block."""


@dataclass(frozen=True, slots=True)
class Question:
    """A view of a contract, or, without data, whether an account is a contract."""

    to: Address
    data: str
    read: Callable[[Any], Any] = field(default=bool, compare=False)

    @classmethod
    def of_code(cls, account: Address) -> Question:
        """Ask whether there is a contract."""
        return cls(account, "")

    @property
    def is_of_code(self) -> bool:
        """Whether it asks for that."""
        return not self.data


class BlockAnswers:
    """Answers of one block: the last that was asked about."""

    def __init__(self) -> None:
        self._block: BlockHash | None = None
        self._answers: dict[Question, Any] = {}

    def of(self, head: Head) -> dict[Question, Any]:
        """Return what is known of a block, to be added to; the one before it is forgotten."""
        if self._block != head.block_hash or len(self._answers) > MOST_ANSWERS_OF_BLOCK:
            self._block, self._answers = head.block_hash, {}
        return self._answers
