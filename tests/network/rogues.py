"""Workers that break their promises, each in its own way, by replacing their stages."""

from __future__ import annotations

import asyncio

from network.world import fails, writes
from poolhand.devnet.adversaries.kinds import Kind
from poolhand.devnet.adversaries.parts import misbehaving_parts
from poolhand.domain.errors import ChainUnreachable, Raced, Refused
from poolhand.domain.hashes import result_hash
from poolhand.domain.onchain import Contribute, ContributionStatus
from poolhand.domain.replicate.machine import Action, Finished
from poolhand.domain.replicate.status import Status


class StageRunner:
    """StageRunner that do as honest ones do; rogues override what they do differently."""

    def __init__(self, node, honest) -> None:
        self.node, self.honest = node, honest

    async def perform(self, replicate, action):
        return await self.honest.perform(replicate, action)

    async def clean(self, replicate):
        await self.honest.clean(replicate)


class Silent(StageRunner):
    """Contributes and never reveals."""

    async def perform(self, replicate, action):
        if action is Action.REVEAL:
            await asyncio.Event().wait()
        return await super().perform(replicate, action)


class Copier(StageRunner):
    """Contributes the hash that it finds on chain, without knowing the digest behind it."""

    async def perform(self, replicate, action):
        found = self._found(replicate) if action is Action.CONTRIBUTE else None
        if found is None:
            return await super().perform(replicate, action)
        task_id, clock = replicate.offer.task_id, self.node.world.clock
        call = Contribute(task_id, found.result_hash, found.seal, replicate.offer.authorization)
        try:
            receipt = await self.node.reach.sender(self.node.address).send(f"copy:{task_id}", call)
        except (Refused, Raced) as fault:
            return Finished(clock.now(), action, Status.CONTRIBUTE_FAILED, str(fault))
        except ChainUnreachable as fault:
            return Finished(clock.now(), action, Status.OUT_OF_GAS, str(fault))
        return Finished(clock.now(), action, Status.CONTRIBUTED, tx=receipt.tx_hash)

    def _found(self, replicate):
        task_id, state = replicate.offer.task_id, self.node.world.chain.state
        mine = result_hash(task_id, replicate.digest)
        for worker in state.view(task_id).contributors:
            known = state.contribution(task_id, worker)
            if known.status is ContributionStatus.CONTRIBUTED and known.result_hash != mine:
                return known
        return None


class Pretender(StageRunner):
    """Says that the result is uploaded, and has uploaded nothing."""

    async def perform(self, replicate, action):
        if action is not Action.UPLOAD:
            return await super().perform(replicate, action)
        now = self.node.world.clock.now()
        return Finished(now, action, Status.RESULT_UPLOADED, link="a link to nowhere")


class Idler(StageRunner):
    """Takes a task and never computes it."""

    async def perform(self, replicate, action):
        if action is Action.COMPUTE:
            await asyncio.Event().wait()
        return await super().perform(replicate, action)


ROGUES = {
    "liar": (writes("a lie"), StageRunner),
    "failing": (fails, StageRunner),
    "copier": (writes("a guess"), Copier),
    "silent": (writes("the right result"), Silent),
    "pretender": (writes("the right result"), Pretender),
    "idler": (writes("the right result"), Idler),
}
"""App and stages by name."""


def add_rogue(world, name):
    """Add a worker that is not to be trusted."""
    app, stages = ROGUES[name]
    node = world.add(app)
    node.twist, node.is_honest = stages, False
    return node


def add_adversary(world, kind):
    """Add a simulated adversary of the devnet."""
    parts = misbehaving_parts(kind)
    node = world.add()
    node.parts, node.claims, node.is_mute = parts, parts.claims, kind is Kind.SILENT
    node.is_honest = kind is Kind.BOASTER
    return node
