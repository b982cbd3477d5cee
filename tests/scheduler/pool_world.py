"""A scheduler over a fake chain, with workers that the test plays by hand."""

from __future__ import annotations

from dataclasses import replace

from network.links import capabilities
from network.world import RLC, SimulatedNetwork
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest
from poolhand.domain.onchain import Contribute, ContributeAndFinalize, Reveal
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Seconds
from poolhand.transport.session_hub import Arrival
from poolhand.wire.messages import About, Capacity, ReportBatch, StatusReport, Upload

RIGHT = ResultDigest(bytes([9] * 32))
S = Status
TO_COMPUTED = (
    S.RUNNING,
    S.APP_DOWNLOADING,
    S.APP_DOWNLOADED,
    S.DATA_DOWNLOADING,
    S.DATA_DOWNLOADED,
    S.COMPUTING,
    S.COMPUTED,
)
TO_CONTRIBUTED = (*TO_COMPUTED, S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.CONTRIBUTED)


UNTRIED = PlacementRules(trial=Seconds(10**6), newcomers_slots=1000)
"""Newcomers are believed and counted on like others: for tests that are not about who gets work."""


class PoolWorld(SimulatedNetwork):
    """A network without nodes; ``hire`` adds puppets."""

    def __init__(self, folder, *, quick: bool = False, **changes) -> None:
        super().__init__(folder, 0, quick=quick)
        changes = {"placement": UNTRIED, "preflight": False, **changes}
        self.pool.settings = replace(self.pool.settings, **changes)
        self.pool.asks_the_shelf = False

    @property
    def scheduler(self):
        return self.pool.scheduler

    def hire(self, stake: int = 1000 * RLC, *, slots: int = 1, gpus: int = 0):
        wallet = self._wallet()
        self.chain.fund(wallet.address, stake=stake, coin=10**30)
        self.total = self.chain.total_nrlc()
        return Puppet(self, wallet, slots, gpus)

    async def hired(self, **terms):
        puppet = self.hire(**terms)
        await puppet.arrives()
        return puppet

    def offered(self, task_id):
        return self.task(task_id).attempts


class Puppet:
    """A worker played by hand: what it is told is in ``told``."""

    def __init__(self, world, wallet, slots, gpus) -> None:
        self.world, self.wallet, self.address = world, wallet, wallet.address
        self.slots, self.gpus, self.name, self.count = slots, gpus, "puppet", {}
        self.gpu = gpus > 0
        self.told = world.exchange.puppets[self.address] = []

    async def logs_in(self, *, held=()):
        can = capabilities(self)
        arrival = Arrival(self.address, can, held, "memory", 0)
        self.world.scheduler.workers.connected(arrival)
        await self.world.settle()

    async def arrives(self, *, held=(), paused=None):
        await self.logs_in(held=held)
        if self.gpus:
            await self.says(About("runc", self.gpus))
        await self.pauses(paused)

    async def leaves(self):
        self.world.scheduler.workers.lost(self.address)
        await self.world.settle()

    async def says(self, message):
        self.world.scheduler.workers.received(self.address, message)
        await self.world.settle()

    async def pauses(self, reason):
        await self.says(Capacity(reason))

    async def reports(self, task_id, *statuses, first=None, upload=None):
        start = self.count.get(task_id, 0) if first is None else first
        now = self.world.clock.now()
        entries = tuple(StatusReport(each, now, None, None) for each in statuses)
        self.count[task_id] = max(self.count.get(task_id, 0), start + len(entries))
        await self.says(ReportBatch(task_id, start, entries, upload))

    async def has_stored(self, task_id, digest=RIGHT):
        """Report the upload that was asked for, as far as that was not told yet."""
        way, status = (
            (S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING),
            self.world.status(task_id, self),
        )
        left = way[way.index(status) + 1 :] if status in way else way
        stored = Upload('{"location": "there"}', None, digest)
        await self.reports(task_id, *left, S.RESULT_UPLOADED, upload=stored)

    def sends(self, call):
        self.world.chain.submit(self.address, call)

    def contributes(self, task_id, digest=RIGHT):
        signed = self.world.owner.sign_authorization(self.address, task_id, ZERO_ADDRESS)
        seal = result_seal(self.address, task_id, digest)
        self.sends(Contribute(task_id, result_hash(task_id, digest), seal, signed))

    def settles(self, task_id, digest=RIGHT):
        """Contribute and finalize in one transaction."""
        signed = self.world.owner.sign_authorization(self.address, task_id, ZERO_ADDRESS)
        self.sends(ContributeAndFinalize(task_id, digest, b"link", b"", signed))

    def reveals(self, task_id, digest=RIGHT):
        self.sends(Reveal(task_id, digest))

    def kinds(self):
        return [type(message) for message in self.told]

    def last(self, kind):
        return next(m for m in reversed(self.told) if isinstance(m, kind))


def first_task(deal):
    """Return the id of a deal's first task."""
    return next(deal.tasks())[1]


def with_tag(orders, owner, requester, domain, tag):
    """Return orders for a tag, signed again."""
    pool = replace(orders.workerpool.order, tag=tag)
    request = replace(orders.request.order, tag=tag)
    app = replace(orders.app.order, tag=tag)
    return replace(
        orders,
        app=replace(orders.app, order=app, signature=owner.sign_order(domain, app)),
        workerpool=replace(orders.workerpool, order=pool, signature=owner.sign_order(domain, pool)),
        request=replace(
            orders.request, order=request, signature=requester.sign_order(domain, request)
        ),
    )
