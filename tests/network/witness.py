"""Remembers what a look at the present cannot tell: what was final, what was sent, who had a chance.

A re-organisation in these worlds takes back ``DEEPEST`` blocks at most, so what stands that deep
stands for good.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus

DEEPEST = 5
T = 300
"""Reference time of the category (seconds)."""
FAIR_BLOCKS, FAIR_SECONDS = 8, 45
"""A chance to reveal: blocks and time without any fault. Refused reveals are repeated after 30 s
at the latest."""


@dataclass
class Chance:
    """How long a worker could have revealed a task undisturbed."""

    blocks: int = 0
    since: int = 0


@dataclass
class Witness:
    """Looks at a network after each block.

    Attributes:
        final: Tasks as the chain ended them, once that is deep enough.
        undone: How often a re-organisation took a task's end back.
        ended: Block in which a task's end was first seen, as long as it stands.
        sent: Every transaction of every program by sender and call, in order.
        refused: Nonces of transactions that the contract refused, by sender.
        chances: By task and worker.
        notices: Blocks in which the pool could have noticed a deal in time, by deal.
    """

    world: object
    final: dict = field(default_factory=dict)
    undone: Counter = field(default_factory=Counter)
    ended: dict = field(default_factory=dict)
    sent: dict = field(default_factory=lambda: defaultdict(list))
    refused: set = field(default_factory=set)
    chances: dict = field(default_factory=dict)
    notices: dict = field(default_factory=dict)
    _disturbed: dict = field(default_factory=dict)

    def sends(self, sender, call) -> None:
        """Note a transaction that has just entered the pool."""
        self.sent[sender, call].append(self.world.chain.pool[-1])

    def looks(self) -> None:
        """Look at the newest block; call once after each."""
        self._refusals()
        self._ends()
        for node in self.world.nodes:
            self._chances(node)
        self._notices()

    def shaken(self) -> None:
        """Take note of a re-organisation: whoever had a chance needs another."""
        self._refusals()
        self.chances.clear()
        self.notices.clear()
        before = set(self.ended)
        self.ended.clear()
        self._ends()
        self.undone.update(before - set(self.ended))

    def _refusals(self) -> None:
        for block in tuple(self.world.chain.blocks())[-DEEPEST - 2 :]:
            for mined in block.mined:
                if mined.refusal is not None:
                    self.refused.add((mined.sent.sender, mined.sent.nonce))

    def _ends(self) -> None:
        head = self.world.chain.head.number
        for name in self.world.task_ids():
            view = self.world.view(name)
            if view.status < ChainTaskStatus.COMPLETED:
                continue
            since = self.ended.setdefault(name, head)
            if head >= since + DEEPEST:
                self.final.setdefault(name, view)

    def _chances(self, node) -> None:
        """Count blocks in which a worker with all it needs could have revealed."""
        disturbed = not _is_able(node), node.starts
        before, self._disturbed[node.address] = self._disturbed.get(node.address), disturbed
        fair = not disturbed[0] and before == disturbed
        now = self.world.chain.head.timestamp
        for name in self.world.task_ids():
            key = name, node.address
            if not (fair and self._may_reveal(name, node)):
                self.chances.pop(key, None)
                continue
            chance = self.chances.setdefault(key, Chance(0, now))
            chance.blocks += 1

    def _notices(self) -> None:
        """Count undisturbed blocks in which the pool could have taken a deal up."""
        world, state = self.world, self.world.chain.state
        able = _is_able(world.pool) and world.pool.starts == self._disturbed.get("pool")
        self._disturbed["pool"] = world.pool.starts
        for deal in world.deals:
            known = state.deals.get(deal.deal_id)
            known_in_time = known and world.chain.head.timestamp < known.start_time + 7 * T
            if able and known_in_time:
                self.notices[deal.deal_id] = self.notices.get(deal.deal_id, 0) + 1
            else:
                self.notices.pop(deal.deal_id, None)

    def _may_reveal(self, name, node) -> bool:
        view, own = self.world.view(name), self.world.chain.state.contribution(name, node.address)
        return (
            view.status is ChainTaskStatus.REVEALING
            and self.world.chain.head.timestamp < view.reveal_deadline
            and own is not None
            and own.status is ContributionStatus.CONTRIBUTED
            and own.result_hash == view.consensus
        )


def _is_able(program) -> bool:
    chain = program.world.chain
    return (
        program.is_up
        and program.reach.is_up
        and not (chain.lag or program.reach.lag)
        and not chain.gas_missing(program.wallet.address)
    )
