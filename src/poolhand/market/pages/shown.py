"""A page before it is written: its template and what stands in it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from poolhand.market.pages.own_api import ApiRefusal, OwnApi
from poolhand.market.pages.words import place


@dataclass(frozen=True, slots=True)
class Shown:
    """What a view makes.

    Attributes:
        template: Its file.
        title: Of the page, for the window and the reader of a screen.
        facts: What the template is given.
        status: Of HTTP.
        leads_to: Below the pages' root: the reader is led there instead.
    """

    template: str
    title: str
    facts: Mapping[str, Any]
    status: int = 200
    leads_to: str = ""


@dataclass(frozen=True, slots=True)
class FilterField:
    """One field of a form: the API's parameter of the same name, and how a person is asked."""

    name: str
    label: str
    hint: str = "0x…"
    kind: str = "text"


@dataclass(slots=True)
class Visit:
    """One asking for a page; it remembers what the page asked of the API.

    Attributes:
        path: Of the page, without its query.
        named: Parts of the path.
        query: As it came; unknown names are passed over.
        sources: Routes of the API that were asked.
    """

    api: OwnApi
    path: str
    named: Mapping[str, str]
    query: Mapping[str, str]
    sources: list[str] = field(default_factory=list)

    async def ask(self, path: str, **query: str | None) -> dict[str, Any]:
        """Ask the API; parameters that are empty are left out.

        Raises:
            ApiRefusal: There is no such thing, or the question cannot be read.
            ApiOutage: Chain or database do not answer.
        """
        told = {name: value for name, value in query.items() if value}
        self.sources.append(place(path, **told))
        return await self.api.ask(path, told)

    async def find(self, path: str) -> dict[str, Any] | None:
        """Ask the API for something that it may not have; what it has not is no source of the page.

        Raises:
            ApiOutage: Chain or database do not answer.
        """
        try:
            found = await self.api.ask(path)
        except ApiRefusal:
            return None
        self.sources.append(place(path))
        return found


View: TypeAlias = Callable[[Visit], Coroutine[Any, Any, Shown]]
"""Makes a page of the API's answers."""
