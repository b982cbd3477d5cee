"""Long lists in JSON: written a few items at a time, so that a loop which serves others goes on.

A page of a thousand tasks is 75 ms of work and more; whoever asks for it is a stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from poolhand.observe.turn_pace import TurnPace
from poolhand.transport.json_answer import json_bytes

LIST_ITEMS_PER_TURN: Final = 8
"""Items of all lists together in one turn of the loop: a task with many replicates takes 1 ms."""

T = TypeVar("T")


class ListWriter:
    """Writes the lists of one service."""

    def __init__(self) -> None:
        self._pace = TurnPace(LIST_ITEMS_PER_TURN)

    async def answer(self, items: Iterable[T], show: Callable[[T], BaseModel]) -> Response:
        """Return a list as its endpoint's model would be written.

        Args:
            items: What is in it, which nobody changes meanwhile.
            show: Puts one into its model.
        """
        parts = []
        for item in items:
            await self._pace.next()
            parts.append(json_bytes(show(item).model_dump(mode="json", by_alias=True)))
        return Response(b"[" + b",".join(parts) + b"]", media_type="application/json")
