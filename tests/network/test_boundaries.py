"""A fault planted at each hand of a worker or a pool, for one task: all others complete.

Whatever the fault is, no program ends, the task's own end is told in words, and no money is lost.
One file, for the same scene is played whichever hand fails.
"""

from __future__ import annotations

import pytest

from network.rogues import StageRunner
from network.world import T
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.machine import Action
from poolhand.domain.task.machine import (
    SendClaim,
    SendFinalize,
    SendInitialize,
    TellActivated,
    TellOffer,
)
from poolhand.scheduler.chain_feed import REWIND
from poolhand.wire.messages import ReportBatch

WORDS = "it fell over \ud800 \x1b[2J"


class Planted(Exception):
    """What nobody expected."""


class Victims:
    """The deal and tasks for which everything planted goes off, ``times`` times in all."""

    def __init__(self):
        self.names, self.left, self.hit, self.kind = set(), 10**9, 0, Planted

    def choose(self, deal):
        self.names = {deal.deal_id, *(name for _, name in deal.tasks())}

    def strike(self, *about):
        if self.left and any(_names(each) & self.names for each in about):
            self.left -= 1
            self.hit += 1
            raise self.kind(WORDS)


def _names(value):
    """Return every deal and task that an argument of a port speaks of."""
    if isinstance(value, DealId | TaskId):
        return {value}
    if isinstance(value, str):
        return {TaskId.parse(part[:66]) for part in value.split(":") if part.startswith("0x")}
    if isinstance(value, dict | set | tuple | list):
        return {name for each in value for name in _names(each)}
    held = getattr(value, "task_id", None), getattr(value, "deal_id", None)
    return {each for each in held if isinstance(each, DealId | TaskId)}


class Mined:
    """A port in which some methods go off for the victims, before or after their work."""

    def __init__(self, port, victims, *names, after=False):
        self._port, self._victims, self._names, self._after = port, victims, names, after

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in self._names:
            return method

        async def call(*args, **kwargs):
            if not self._after:
                self._victims.strike(*args)
            result = await method(*args, **kwargs)
            self._victims.strike(*args)
            return result

        return call


class FaultyHands(StageRunner):
    """StageRunner of which one raises for the victims."""

    def __init__(self, node, honest, victims, action):
        super().__init__(node, honest)
        self.victims, self.action = victims, action

    async def perform(self, replicate, action):
        if action is self.action:
            self.victims.strike(replicate.offer)
        return await super().perform(replicate, action)

    async def clean(self, replicate):
        if self.action == "clean":
            self.victims.strike(replicate.offer)
        await super().clean(replicate)


@pytest.fixture
async def scene(network):
    """Return a factory of networks in which a victim is about to be bought."""

    async def make(*, workers=2, quick=True):
        world = await network(workers=workers, slots=4, quick=quick)
        world.planted = (Planted,)
        return world, Victims()

    return make


async def plays(world, victims, *, trust=1):
    """Buy the victim among others; the others must complete while it goes wrong."""
    await world.start()
    deal = await world.deal(trust=trust, settle=False)
    victims.choose(deal)
    await world.settle()
    others = [await world.deal(), await world.deal(tasks=2)]
    names = [name for each in others for _, name in each.tasks()]
    completed = ChainTaskStatus.COMPLETED
    await world.until(lambda: all(world.view(name).status is completed for name in names), 60)
    assert victims.hit
    return next(deal.tasks())[1]


async def ends(world, name):
    """Let time pass until the victim has ended, too, and nobody has stake in anything."""
    start = world.deals[0].start_time
    for moment in (start + 7 * T, start + 10 * T, start + 11 * T):
        if world.view(name).status < ChainTaskStatus.COMPLETED:
            await world.pass_to(max(moment, world.chain.head.timestamp + 1))
    for _ in range(60):
        world.refund()
        await world.step(10)
        if world.view(name).status >= ChainTaskStatus.COMPLETED and not _locked(world):
            break
    assert world.view(name).status >= ChainTaskStatus.COMPLETED, world.story()
    assert _locked(world) == 0, world.story()
    assert world.chain.total_nrlc() == world.total


def _locked(world):
    return sum(world.locked(each) for each in (world.owner, world.requester, *world.nodes))


def words_at_the_pool(world, name):
    return " ".join(e.detail or "" for a in world.task(name).attempts for e in a.log)


STAGES = [
    (True, Action.DOWNLOAD_APP),
    (True, Action.DOWNLOAD_DATA),
    (True, Action.COMPUTE),
    (True, Action.UPLOAD),
    (True, Action.CHECK),
    (True, Action.CONTRIBUTE),
    (False, Action.CHECK),
    (False, Action.CONTRIBUTE),
    (False, Action.REVEAL),
    (False, Action.UPLOAD),
]


@pytest.mark.case("A1")
@pytest.mark.parametrize(("quick", "action"), STAGES)
async def test_a_hand_that_raises_for_one_task_holds_up_no_other(scene, quick, action):
    world, victims = await scene(quick=quick)
    for node in world.nodes:
        node.twist = lambda node, stages: FaultyHands(node, stages, victims, action)
        node.is_honest = False  # it breaks its promise to reveal, if only by a fault
    name = await plays(world, victims)
    if action is Action.CONTRIBUTE:
        await world.until(lambda: "Planted" in words_at_the_pool(world, name), 60)
    words = words_at_the_pool(world, name)
    assert "Planted" in words
    assert words.isprintable()
    await ends(world, name)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("action", list(Action)[:-1])
async def test_a_task_completes_all_the_same_when_a_hand_raises_but_once(scene, quick, action):
    if (quick, action) == (True, Action.REVEAL):
        return  # there is none in the quick flow
    world, victims = await scene(quick=quick)
    victims.left = 1
    for node in world.nodes:
        node.twist = lambda node, stages: FaultyHands(node, stages, victims, action)
    name = await plays(world, victims)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED, 400)


async def test_cleaning_that_raises_leaves_nothing_held(scene):
    world, victims = await scene()
    for node in world.nodes:
        node.twist = lambda node, stages: FaultyHands(node, stages, victims, "clean")
    await plays(world, victims)
    await world.done(steps=90)


@pytest.mark.parametrize(
    ("port", "method"),
    [("hub", "tasks"), ("hub", "deal"), ("hub", "task_events")],
)
@pytest.mark.parametrize("quick", [True, False])
async def test_a_worker_that_cannot_look_at_one_task_looks_after_the_others(
    scene, port, method, quick
):
    world, victims = await scene(quick=quick)
    for node in world.nodes:
        setattr(node.reach, port, Mined(getattr(node.reach, port), victims, method))
        node.is_honest = False
    if method == "task_events":
        victims.hit = 1  # it is asked for only when an end is deep in the chain
    name = await plays(world, victims)
    await ends(world, name)


@pytest.mark.parametrize("program", ["worker", "pool"])
async def test_a_task_of_which_no_endpoint_can_tell_holds_up_no_other(scene, program):
    """What looks like an outage of the chain is one of a single task."""
    world, victims = await scene(workers=1, quick=False)
    victims.kind = ChainUnreachable
    reach = world.pool.reach if program == "pool" else world.nodes[0].reach
    reach.hub = Mined(reach.hub, victims, "tasks")
    name = await plays(world, victims)
    victims.left = 0
    await ends(world, name)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("after", [False, True])
async def test_a_workers_transaction_that_raises_is_its_tasks_alone(scene, quick, after):
    """Before or after it was sent: what may be on chain is looked after."""
    world, victims = await scene(quick=quick)
    for node in world.nodes:
        plain = node.sender
        node.sender = lambda plain=plain: Mined(plain(), victims, "send", after=after)
        node.is_honest = False
    name = await plays(world, victims)
    await ends(world, name)


async def test_a_report_that_cannot_be_sent_is_its_tasks_alone(scene):
    world, victims = await scene()
    for node in world.nodes:
        honest = node.send

        def send(message, honest=honest):
            if isinstance(message, ReportBatch):
                victims.strike(message)
            honest(message)

        node.send = send
    name = await plays(world, victims)
    await ends(world, name)


# ------------------------------------------------------------------------------------- the pool


@pytest.mark.case("A1")
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("method", ["deal", "tasks", "task_events"])
async def test_a_deal_that_the_pool_cannot_read_holds_up_no_other(scene, method, quick):
    world, victims = await scene(quick=quick)
    world.pool.reach.hub = Mined(world.pool.reach.hub, victims, method)
    if method == "task_events":
        victims.hit = 1  # it is read only when somebody asks for the story
    name = await plays(world, victims)
    if method == "deal":
        assert name not in world.pool.tasks_known()
        (unread,) = world.pool.scheduler.deals.unread.values()
        assert "Planted" in unread.words
    if method == "tasks":
        assert "Planted" in world.pool.scheduler.engine.troubles[name]
    victims.left = 0 if method == "tasks" else victims.left
    await ends(world, name)


async def test_a_deal_that_could_not_be_read_is_taken_up_when_it_can(scene):
    world, victims = await scene()
    world.pool.reach.hub = Mined(world.pool.reach.hub, victims, "deal")
    name = await plays(world, victims)
    victims.left = 0
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED, 400)
    assert not world.pool.scheduler.deals.unread


async def test_a_deal_that_cannot_be_read_is_looked_for_again_after_a_restart(scene):
    world, victims = await scene()
    world.pool.reach.hub = Mined(world.pool.reach.hub, victims, "deal")
    name = await plays(world, victims)
    for _ in range(2 * REWIND):
        await world.step()
    await world.deal()
    await world.pool.kill()
    world.pool.reach.hub = world.pool.reach.hub._port
    world.pool.start()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED, 60)


EFFECTS = [SendInitialize, SendFinalize, SendClaim, TellOffer, TellActivated]


@pytest.mark.parametrize("kind", EFFECTS)
async def test_an_effect_that_raises_is_its_tasks_alone(scene, kind):
    world, victims = await scene(quick=False)
    gates = [node.runtime.gate for node in world.nodes]

    def acts(task, effect):
        if isinstance(effect, kind):
            for gate in gates:
                gate.set()
            victims.strike(task.facts)

    world.pool.opened_with(acts)
    if kind is TellActivated:  # who has computed by then need not be told
        for gate in gates:
            gate.clear()
    if kind is SendClaim:
        victims.hit = 1  # a completed task is not claimed
    name = await plays(world, victims)
    if kind is not SendClaim:
        assert "Planted" in world.pool.scheduler.engine.troubles[name]
    victims.left = 0
    await ends(world, name)


@pytest.mark.parametrize("after", [False, True])
async def test_a_pools_transaction_that_raises_is_its_tasks_alone(scene, after):
    world, victims = await scene(quick=False)
    plain = world.pool.sender
    world.pool.sender = lambda: Mined(plain(), victims, "send", after=after)
    victims.left = 2
    name = await plays(world, victims)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED, 200)


async def test_a_batch_is_taken_apart_when_it_cannot_be_sent(scene):
    """A bag is initialized in one transaction; a fault of one task must not cost the others."""
    world, victims = await scene(quick=True)
    plain = world.pool.sender
    world.pool.sender = lambda: Mined(plain(), victims, "send")
    await world.start()
    bag = await world.deal(tasks=6, settle=False)
    names = [name for _, name in bag.tasks()]
    victims.names = {names[0]}
    await world.settle()
    done = ChainTaskStatus.COMPLETED
    await world.until(lambda: all(world.view(each).status is done for each in names[1:]), 200)
    assert victims.hit
    victims.left = 0
    await world.until(lambda: world.view(names[0]).status is done, 200)


async def test_a_results_service_that_answers_nonsense_for_one_task_holds_up_no_other(scene):
    world, victims = await scene(quick=False)
    world.results.location = Mined(world.results, victims, "location").location
    name = await plays(world, victims)
    await ends(world, name)


async def test_a_message_about_one_task_that_the_pool_stumbles_over_is_that_ones(scene):
    world, victims = await scene()
    heard = world.exchange.send

    def send(node, message):
        if isinstance(message, ReportBatch) and message.task_id in victims.names:
            victims.hit += 1
            object.__setattr__(message, "statuses", None)
            world.exchange.session(node).to_pool.put(message)
            return
        heard(node, message)

    world.exchange.send = send
    world.planted = (Planted, TypeError)
    name = await plays(world, victims)
    await ends(world, name)


@pytest.mark.parametrize("record", [{"t": "NeverHeardOf", "at": 1}, {"t": "Viewed", "at": 1}])
async def test_a_task_whose_story_does_not_read_holds_up_no_other_at_a_restart(scene, record):
    world, _ = await scene(workers=1)
    world.planted = (Planted, Exception)
    await world.start()
    (node,) = world.nodes
    node.runtime.gate.clear()
    first, second = await world.deal(), await world.deal()
    await world.pool.kill()
    (_, name), (_, other) = (*first.tasks(), *second.tasks())
    world.pool.journal.journal.append(str(name), record)
    world.pool.start()
    node.runtime.gate.set()
    await world.until(lambda: world.view(other).status is ChainTaskStatus.COMPLETED, 60)
    assert "does not read" in world.pool.scheduler.engine.troubles[name]
    assert str(name) in world.pool.scheduler.engine.unread


async def test_an_offer_that_a_worker_stumbles_over_is_declined_and_told(scene):
    world, victims = await scene(workers=1)
    (node,) = world.nodes
    node.reach.hub = Mined(node.reach.hub, victims, "deal")
    name = await plays(world, victims)
    assert "Planted" in words_at_the_pool(world, name)
    assert [each for each, _ in world.contained].count("offer") == 1
    await ends(world, name)
