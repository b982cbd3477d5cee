"""Any life of a whole network, simulated: programs die, chains fork, wallets run dry, workers lie.

After every step the laws hold (``laws.py``); once everything is healed, and time has passed, each
task is ended on chain, everybody has what is due to him, and nothing is held any more.

The fast suite plays a fixed set of lives. ``POOLHAND_LIFE_EXAMPLES`` asks for that many others,
of ``POOLHAND_LIFE_STEPS`` steps each, from ``POOLHAND_LIFE_SEED`` or a seed that is printed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from network.laws import check_end, check_laws, stakes_are_free
from network.rogues import ROGUES, add_rogue
from network.witness import DEEPEST
from network.world import SimulatedNetwork
from poolhand.domain.units import UnixSeconds
from poolhand.ports.files import UploadRefused

pytestmark = pytest.mark.timeout(0 if "POOLHAND_LIFE_EXAMPLES" in os.environ else 600)
HONEST, T = 5, 300
EXAMPLES = int(os.environ.get("POOLHAND_LIFE_EXAMPLES", "0"))
STEPS = int(os.environ.get("POOLHAND_LIFE_STEPS", "50"))
SEED = int(os.environ.get("POOLHAND_LIFE_SEED", "0")) or random.randrange(1, 2**32)
NODE = st.integers(0, HONEST)
PROGRAM = st.integers(0, HONEST + 1)


class NetworkLife(RuleBasedStateMachine):
    """Four workers suffice for the highest trust used; one more, and one that breaks its word."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.world = None

    def run_now(self, work):
        return self.loop.run_until_complete(work)

    @initialize(
        quick=st.booleans(),
        slots=st.integers(1, 2),
        rogue=st.sampled_from(sorted(ROGUES)),
        place=NODE,
        gas_price=st.sampled_from([0, 1]),
        pool_is_lost=st.sampled_from([False, False, True]),
    )
    def begin(self, quick, slots, rogue, place, gas_price, pool_is_lost):
        async def start():
            world = self.world = SimulatedNetwork(
                Path(self.folder.name), HONEST, slots=slots, quick=quick, gas_price=gas_price
            )
            add_rogue(world, rogue)
            world.nodes.insert(place, world.nodes.pop())
            await world.start()

        self.run_now(start())
        self.base, self.pool_is_lost = self.world.chain.head.number, pool_is_lost

    @property
    def programs(self):
        return (self.world.pool, *self.world.nodes)

    async def settle(self):
        await self.world.settle()

    # ------------------------------------------------------------------------------ deals and time

    @precondition(lambda self: len(self.world.deals) < 4)
    @rule(trust=st.sampled_from([1, 1, 5, 10]), tasks=st.integers(1, 3))
    def somebody_buys(self, trust, tasks):
        self.run_now(self.world.deal(trust=trust, tasks=tasks))

    @rule(blocks=st.integers(1, 3))
    def blocks_are_mined(self, blocks):
        for _ in range(blocks):
            self.run_now(self.world.step())

    @rule()
    def a_block_is_mined(self):
        """Twice among the rules, for without blocks nothing comes to pass."""
        self.run_now(self.world.step())

    @rule(seconds=st.sampled_from([2, 15, 60]))
    def time_passes(self, seconds):
        self.run_now(self.world.step(seconds))

    @precondition(lambda self: self.world.deals)
    @rule(which=st.sampled_from(["contribution", "reveal", "final"]), off=st.integers(-1, 1),
          data=st.data())  # fmt: skip
    def time_jumps_to_a_deadline(self, which, off, data):
        name = data.draw(st.sampled_from(self.world.task_ids()))
        moment = getattr(self.world.view(name), f"{which}_deadline") + off
        if moment > self.world.chain.head.timestamp:
            self.run_now(self.world.pass_to(UnixSeconds(moment)))

    # ------------------------------------------------------------------------------------ programs

    @rule(who=PROGRAM, after=st.integers(1, 12))
    def a_program_will_crash(self, who, after):
        fuse = self.programs[who].fuse
        fuse.at |= {len(fuse.trace) + after}

    @rule(who=PROGRAM)
    def a_program_is_killed(self, who):
        async def kill():
            if self.programs[who].task is not None:
                await self.programs[who].kill()
            await self.settle()

        self.run_now(kill())

    @rule(who=PROGRAM)
    def a_program_is_started_again(self, who):
        async def start():
            if self.programs[who].task is None:
                self.programs[who].start()
            await self.settle()

        self.run_now(start())

    @rule(who=NODE, reason=st.sampled_from([None, "the operator said so"]))
    def a_worker_is_paused_or_goes_on(self, who, reason):
        node = self.world.nodes[who]
        if node.is_up:
            node.pause(reason)
            self.run_now(self.settle())

    @rule(who=NODE, held=st.booleans())
    def apps_take_long_or_end(self, who, held):
        gate = self.world.nodes[who].runtime.gate
        gate.clear() if held else gate.set()
        self.run_now(self.settle())

    # ----------------------------------------------------------------------------------- the chain

    @rule(who=st.none() | PROGRAM, down=st.booleans())
    def the_chain_goes_or_comes(self, who, down):
        """For one program, as a partition does, or for all."""
        reach = self.world.chain if who is None else self.programs[who].reach
        reach.outage = down
        self.run_now(self.settle())

    @rule(who=st.none() | PROGRAM, blocks=st.integers(0, 3))
    def a_node_lags(self, who, blocks):
        reach = self.world.chain if who is None else self.programs[who].reach
        reach.lag = blocks

    @rule(depth=st.integers(1, DEEPEST), fate=st.sampled_from(["wait", "return", "are lost"]),
          mix=st.none() | st.integers(0, 9))  # fmt: skip
    def the_chain_is_reorganised(self, depth, fate, mix):
        """What becomes of the transactions: they wait, return at once, or are lost."""
        if self.world.chain.head.number - depth > self.base:
            how = {"include": True} if fate == "return" else {"forget": fate == "are lost"}
            self.world.reorg(depth, mix=mix, **how)
            self.run_now(self.settle())

    @rule(who=st.none() | PROGRAM)
    def transactions_are_dropped(self, who):
        self.world.chain.drop(None if who is None else self.programs[who].wallet.address)

    @rule(who=NODE, full=st.booleans())
    def a_wallet_is_emptied_or_filled(self, who, full):
        chain, address = self.world.chain, self.world.nodes[who].address
        if full:
            chain.fund(address, coin=self.world.gas_money)
        else:
            chain.drain(address)

    # ----------------------------------------------------------------------------------- the wires

    @rule(who=NODE, held=st.booleans())
    def messages_are_held_or_delivered(self, who, held):
        session = self.world.exchange.session(self.world.nodes[who])
        if session is not None:
            session.hold() if held else session.release()
            self.run_now(self.settle())

    @rule(who=NODE, cut=st.booleans())
    def a_session_is_lost_and_begun_anew(self, who, cut):
        """Unless the worker is cut off from its pool for longer."""
        node = self.world.nodes[who]
        node.is_cut = cut
        self.world.exchange.lose(node)
        self.run_now(self.settle())
        self.world.exchange.dial(node)
        self.run_now(self.settle())

    @rule(who=NODE, bad=st.booleans())
    def uploads_are_refused_or_taken(self, who, bad):
        faults, address = self.world.results.faults, self.world.nodes[who].address
        faults.pop(address, None)
        if bad:
            faults[address] = UploadRefused("not today")

    # ------------------------------------------------------------------------------------- the end

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
        chain = self.world.chain
        chain.outage, chain.lag = False, 0
        self.world.results.faults.clear()
        for program in self.programs:
            program.reach.outage, program.reach.lag = False, 0
            program.fuse.at = frozenset()
        for node in self.world.nodes:
            node.is_cut = False
            node.runtime.gate.set()
            chain.fund(node.address, coin=self.world.gas_money)
            if session := self.world.exchange.session(node):
                session.release()

    async def heal(self):
        """Mend everything and let time pass, beyond the final deadline if need be."""
        world = self.world
        self.mend()
        if self.pool_is_lost:
            await self.outlive_the_pool()
        for seconds in [1] * 30 + [T] * 15 + [1] * 10:
            await self.revive()
            if world.is_done():
                break
            if seconds == T:
                world.refund()
            await world.step(seconds)
            check_laws(world)
        assert world.is_done(), world.story()
        check_end(world)
        await world.stop()

    async def outlive_the_pool(self):
        """Let the workers get their stakes out of what a dead pool has left, and clean up."""
        world = self.world
        if world.pool.task is not None:
            await world.pool.kill()
        for seconds in [1] * 10 + [T] * 13 + [30] * 10:
            await self.revive(world.nodes)
            await world.step(seconds)
            check_laws(world)
        stakes_are_free(world)

    async def revive(self, programs=None):
        """Start what is dead and connect what is alone."""
        for program in programs or self.programs:
            if program.task is None:
                program.start()
        await self.settle()
        for node in self.world.nodes:
            if self.world.exchange.session(node) is None:
                self.world.exchange.dial(node)
            if node.member.standing.paused:
                node.pause(None)
        await self.settle()


async def drop_everything():
    """Cancel what a failed run left behind."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


if EXAMPLES:
    sys.stderr.write(f"\n{EXAMPLES} lives of {STEPS} steps: POOLHAND_LIFE_SEED={SEED}\n")
    seed(SEED)(NetworkLife)
TestNetworkLife = NetworkLife.TestCase
TestNetworkLife.settings = settings(
    max_examples=EXAMPLES or 65,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if EXAMPLES else [])],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
