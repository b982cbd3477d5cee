"""A worker at work for a pool that the test plays by hand, honestly or not."""

from __future__ import annotations

from network.links import welcome
from network.world import SimulatedNetwork
from poolhand.containers.disks import DiskKind
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest
from poolhand.domain.onchain import ChainTaskStatus, Finalize, Initialize
from poolhand.domain.replicate.machine import Flow
from poolhand.wire import messages
from poolhand.wire.messages import AcknowledgeReports, OfferTask, ReportBatch
from poolhand.worker.metrics import gauges
from poolhand.worker.status import WorkerIdentity, WorkerTeller

NOTHING = ResultDigest(bytes(32))


class ScriptedPool:
    """One worker that runs; no scheduler. Blocks are mined by hand."""

    def __init__(self, folder, **terms) -> None:
        self.world = SimulatedNetwork(folder, 1, **terms)
        (self.node,) = self.world.nodes
        self.chain = self.world.chain
        self.owner = self.world.owner

    @property
    def member(self):
        return self.node.member

    async def opens(self):
        self.world.total = self.chain.total_nrlc()
        self.node.start()
        await self.world.settle()

    async def says(self, *what):
        for each in what:
            await self.member.received(each)
        await self.world.settle()

    async def greets(self):
        await self.member.connected(welcome())
        await self.world.settle()

    async def restarts_worker(self):
        await self.node.kill()
        self.node.start()
        await self.world.settle()

    def offer(self, deal, flow=Flow.STANDARD, worker=None) -> OfferTask:
        index, task = next(deal.tasks())
        who = worker or self.node.address
        signed = self.owner.sign_authorization(who, task, ZERO_ADDRESS)
        return OfferTask(task, deal.deal_id, index, flow, signed)

    def initialize(self, deal):
        self.chain.submit(self.owner.address, Initialize(((deal.deal_id, 0),)))

    def finalize(self, task):
        self.chain.submit(self.owner.address, Finalize(task, b"link", b""))

    async def offered(self, *, active=True, **terms):
        """Buy a task and offer it; return its id."""
        deal = await self.world.deal(settle=False, **terms)
        offer = self.offer(deal)
        await self.says(offer)
        if active:
            self.initialize(deal)
            await self.blocks(1)
        return offer.task_id

    async def blocks(self, count, seconds=1):
        for _ in range(count):
            await self.world.step(seconds)

    async def contributed(self, **terms):
        """Bring a task as far as the worker's contribution."""
        task = await self.offered(**terms)
        await self.blocks(1)
        assert self.contribution(task) is not None
        return task

    def contribution(self, task):
        return self.chain.state.contribution(task, self.node.address)

    def chain_status(self, task) -> ChainTaskStatus:
        return self.chain.state.view(task).status

    def teller(self):
        """Return what says how the worker is, for its status page."""
        node, worker = self.node, self.node.worker
        who = WorkerIdentity(
            node.name, node.folder, node.address, self.world.workerpool, node.slots, DiskKind.WATCH
        )
        return WorkerTeller(
            who,
            worker.member,
            worker.wallet_watch,
            worker.head_watch,
            worker.hours,
            worker.presence,
            worker.engine,
        )

    def shown(self):
        """Return what the worker's status page tells."""
        return self.teller().show()

    def gauges(self):
        worker = self.node.worker
        return gauges(worker.member, worker.wallet_watch, worker.computations.durations)

    def replicate(self, task):
        return self.member.shell.replicates.get(task)

    def path(self, task):
        """Return the statuses that the worker has told, in order, repeats left out."""
        told = {}
        for _, each in self.world.exchange.heard:
            if isinstance(each, ReportBatch) and each.task_id == task:
                told |= {each.first + n: entry.status for n, entry in enumerate(each.statuses)}
        return [told[index] for index in sorted(told)]

    def heard(self, kind):
        return [each for _, each in self.world.exchange.heard if isinstance(each, kind)]

    def forgets(self):
        self.world.exchange.heard.clear()

    async def acknowledges(self, task):
        await self.says(AcknowledgeReports(task, 1000))

    def files(self, task):
        return self.node.folder / str(task)


def ends(task):
    """Return all ways of a pool to say that a replicate is over."""
    causes = ["FAILED", "REVEAL_TIMEOUT", "ABORTED_ON_CONSENSUS_REACHED",
              "ABORTED_ON_CONTRIBUTION_TIMEOUT", "COMPLETED", "nonsense"]  # fmt: skip
    return [messages.Completed(task), *(messages.Aborted(task, cause) for cause in causes)]
