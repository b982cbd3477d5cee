"""Any life of a whole network: crashes, outages, re-organisations, delays; in the end all is well.

Whatever happened, once everything is healed each task ends on chain, every replicate's history is
legal, nothing is held any more, and no nRLC was made or lost.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from network.laws import check_laws
from network.world import SimulatedNetwork, fails, writes
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.ports.files import UploadRefused

HONEST, T = 5, 300


class NetworkLife(RuleBasedStateMachine):
    """Four workers suffice for the highest trust used; one more, and one that lies or fails."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.world = None

    def run_now(self, work):
        return self.loop.run_until_complete(work)

    @initialize(quick=st.booleans(), slots=st.integers(1, 2), odd=st.sampled_from(["lie", "fail"]))
    def begin(self, quick, slots, odd):
        async def start():
            self.world = SimulatedNetwork(Path(self.folder.name), HONEST, slots=slots, quick=quick)
            self.world.add(fails if odd == "fail" else writes("a lie"))
            await self.world.start()

        self.run_now(start())
        self.base = self.world.chain.head.number

    @property
    def programs(self):
        return (self.world.pool, *self.world.nodes)

    @precondition(lambda self: len(self.world.deals) < 4)
    @rule(trust=st.sampled_from([1, 1, 5, 10]), tasks=st.integers(1, 3))
    def somebody_buys(self, trust, tasks):
        self.run_now(self.world.deal(trust=trust, tasks=tasks))

    @rule(seconds=st.sampled_from([1, 1, 1, 1, 2, 15, T]))
    def a_block_is_mined(self, seconds):
        self.run_now(self.world.step(seconds))

    @rule(who=st.integers(0, HONEST + 1), after=st.integers(1, 12))
    def a_program_will_crash(self, who, after):
        fuse = self.programs[who].fuse
        fuse.at |= {len(fuse.trace) + after}

    @rule(who=st.integers(0, HONEST + 1))
    def a_program_is_started_again(self, who):
        async def start():
            if self.programs[who].task is None:
                self.programs[who].start()
            await self.world.settle()

        self.run_now(start())

    @rule(down=st.booleans())
    def the_chain_goes_or_comes(self, down):
        self.world.chain.outage = down
        self.run_now(self.world.settle())

    @rule(depth=st.integers(1, 2))
    def the_chain_is_reorganised(self, depth):
        if self.world.chain.head.number - depth > self.base:
            self.world.chain.reorg(depth)
            self.run_now(self.world.settle())

    @rule(who=st.integers(0, HONEST), held=st.booleans())
    def messages_are_held_or_delivered(self, who, held):
        session = self.world.exchange.session(self.world.nodes[who])
        if session is not None:
            session.hold() if held else session.release()
            self.run_now(self.world.settle())

    @rule(who=st.integers(0, HONEST))
    def a_session_is_lost_and_begun_anew(self, who):
        node = self.world.nodes[who]
        self.world.exchange.lose(node)
        self.run_now(self.world.settle())
        self.world.exchange.dial(node)
        self.run_now(self.world.settle())

    @rule(who=st.integers(0, HONEST), bad=st.booleans())
    def uploads_are_refused_or_taken(self, who, bad):
        faults, address = self.world.results.faults, self.world.nodes[who].address
        faults.pop(address, None)
        if bad:
            faults[address] = UploadRefused("not today")

    @invariant()
    def laws_hold(self):
        if self.world is not None:
            check_laws(self.world)

    def teardown(self):
        try:
            if self.world is not None:
                self.run_now(self.heal())
        finally:
            self.run_now(drop_everything())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()

    def mend(self):
        self.world.chain.outage = False
        self.world.results.faults.clear()
        for node in self.world.nodes:
            if session := self.world.exchange.session(node):
                session.release()

    async def heal(self):
        """Mend everything and let time pass, to the final deadline if need be."""
        world = self.world
        self.mend()
        for seconds in [1] * 30 + [T] * 12 + [1] * 10:
            for program in self.programs:
                program.fuse.at = frozenset()
                if program.task is None:
                    program.start()
            await world.settle()
            if world.is_done():
                break
            await world.step(seconds)
        assert world.is_done(), world.story()
        check_laws(world)
        for deal in world.deals:
            for _, name in deal.tasks():
                assert world.view(name).status in (
                    ChainTaskStatus.COMPLETED,
                    ChainTaskStatus.FAILED,
                )
        await world.stop()


async def drop_everything():
    """Cancel what a failed run left behind."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


TestNetworkLife = NetworkLife.TestCase
TestNetworkLife.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
