"""Where the pool wants results brought: known once it has let the worker in."""

from __future__ import annotations

import asyncio


class ResultsPlace:
    """Told by the pool's welcome, waited for by whoever uploads."""

    def __init__(self) -> None:
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def is_known(self) -> bool:
        """Whether the pool has ever let this program in."""
        return self._url.done()

    def tell(self, url: str) -> None:
        """Note what the pool says; it may change its mind."""
        if self._url.done() and self._url.result() != url:
            self._url = asyncio.get_running_loop().create_future()
        if not self._url.done():
            self._url.set_result(url)

    async def url(self) -> str:
        """Wait until it is known."""
        return await asyncio.shield(self._url)
