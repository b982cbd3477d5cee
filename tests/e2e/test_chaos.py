"""Every kind of program is struck at its most delicate boundaries, and nothing is lost.

The whole matrix is ``make chaos``; these cells are its ``FIXED`` ones, with a fixed seed.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from chaos.arena import arena
from chaos.matrix import fixed
from chaos.trial import TIME_LIMIT, Trials

SEED = 20261125
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def network(tmp_path_factory):
    """One network for all cells; after one that goes wrong the rest get another."""
    async with Network(tmp_path_factory) as made:
        yield made


class Network:
    """Opens the arena when it is first asked for, and anew after ``close``."""

    def __init__(self, folders):
        self._folders, self._stack = folders, AsyncExitStack()
        self._trials = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def trials(self) -> Trials:
        if self._trials is None:
            opened = arena(self._folders.mktemp("chaos"), print)
            self._trials = Trials(await self._stack.enter_async_context(opened), SEED)
        return self._trials

    async def close(self) -> None:
        self._trials = None
        await self._stack.aclose()


@pytest.mark.timeout(4 * TIME_LIMIT)
@pytest.mark.parametrize("cell", fixed(), ids=lambda cell: cell.name)
async def test_a_fault_changes_nothing_in_the_end(network, cell):
    found = await (await network.trials()).play(cell)
    if found.skipped:
        pytest.skip(found.skipped)
    if found.wrong:
        await network.close()
    assert not found.wrong, f"{found.wrong}\n{found.story}"
