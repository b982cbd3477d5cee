"""What must hold of every simulated network, whatever happened in it: one function per law."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from network.witness import FAIR_BLOCKS, FAIR_SECONDS
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, Reopen
from poolhand.domain.placement.room import COMPUTING
from poolhand.domain.placement.rules import TAKE_UP, TRIAL_TIME
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.replicate.status import EDGES, Status
from poolhand.domain.task.rules import is_working
from poolhand.domain.task.status import TAKEN_BACK, TASK_EDGES
from poolhand.worker.offers import MOST_HELD_PER_SLOT


def check_laws(world) -> None:
    """Check every law that holds at all times."""
    for law in (
        nothing_was_contained_but_what_was_planted,
        nrlc_are_conserved,
        statuses_move_along_the_table,
        journals_tell_the_state,
        replicates_are_useful,
        slots_are_never_over_capacity,
        a_finalized_task_never_changes,
        who_had_the_chance_has_revealed,
        nothing_is_sent_twice,
        a_deal_is_taken_up,
    ):
        law(world)


def nothing_was_contained_but_what_was_planted(world) -> None:
    """No boundary had anything to do unless a test planted it: a fault in a boundary is a fault of ours."""
    mine = [
        (what, fault) for what, fault in world.contained if not isinstance(fault, world.planted)
    ]
    for what, fault in mine:
        raise AssertionError(f"{what} raised {fault!r}") from fault


def nrlc_are_conserved(world) -> None:
    """No nRLC is made or lost, whoever holds it."""
    assert world.chain.total_nrlc() == world.total, "nRLC were made or lost"


def statuses_move_along_the_table(world) -> None:
    """Replicates and tasks move along their tables, as the scheduler and as the worker has them."""
    for task in world.pool.tasks_known().values():
        for attempt in task.attempts:
            told = [entry.status for entry in attempt.log]
            assert told[0] is Status.CREATED
            assert all(b in EDGES[a] for a, b in pairwise(told)), told
        phases = [status for status, _ in task.history]
        assert all(b in TASK_EDGES[a] | TAKEN_BACK.get(a, set()) for a, b in pairwise(phases)), (
            phases
        )
    for node in world.nodes:
        for replicate in node.member.shell.replicates.values() if node.is_up else ():
            told = [Status.CREATED, *(entry.status for entry in replicate.history)]
            assert all(b in EDGES[a] for a, b in pairwise(told)), told


def journals_tell_the_state(world) -> None:
    """A replayed journal gives what is in memory; what it need not hold is the passing of time."""
    for task_id, task in world.pool.tasks_known().items() if world.pool.is_up else ():
        if str(task_id) in world.pool.scheduler.engine.unread:
            continue
        if task_id not in world.pool.scheduler.engine.tasks:
            assert world.pool.journal.state(task_id) is None
            continue
        told = world.pool.journal.state(task_id)
        assert replace(told, now=task.now, view=task.view) == task
    for node in world.nodes:
        for task_id, replicate in node.member.shell.replicates.items() if node.is_up else ():
            assert node.journal.state(task_id) == replicate


def replicates_are_useful(world) -> None:
    """Of honest workers that were never lost, failed or slow, no more are at a task than matter.

    As many matter as reach the trust against all whose word is worth nothing: the dishonest among
    those at work, should they all agree on another result. In the quick flow it is one. When a
    re-organisation takes the end back and it does not come again in time, as many more are wanted.
    Whoever lets an offer lie, or proves nothing in its trial, may be made up for by one more.
    """
    for task in world.pool.tasks_known().values():
        rogues = sum(not world.node(a.worker).is_honest for a in task.attempts)
        quick = task.facts.flow is Flow.CONTRIBUTE_AND_FINALIZE
        most = 1 if quick else most_useful(task.facts.trust, rogues)
        most *= 1 + world.witness.undone[task.facts.task_id]
        most += sum(_is_doubted(task, attempt) for attempt in task.attempts)
        useful = [a for a in task.attempts if not _is_excused(world, task, a)]
        assert len(useful) <= most, f"{len(useful)} replicates, {most} can matter"


def most_useful(trust, rogues: int) -> int:
    """Return how many newcomers (weight 2) reach a trust against some that agree otherwise."""
    against, count = 2**rogues if rogues else 0, 1
    while 2**count * trust <= (1 + against + 2**count) * (trust - 1):
        count += 1
    return count


def _is_excused(world, task, attempt) -> bool:
    slow = task.now >= attempt.log[0].at + task.facts.period
    failed = attempt.is_over and attempt.status is not Status.COMPLETED
    rejected = task.contribution(attempt.worker) is ContributionStatus.REJECTED
    lost = attempt.count(Status.WORKER_LOST) > 0 or _is_doubted(task, attempt)
    return slow or failed or rejected or lost or not world.node(attempt.worker).is_honest


def _is_doubted(task, attempt) -> bool:
    begun = attempt.log[0].at
    late = (attempt.taken_up_at or task.now) >= begun + TAKE_UP
    return late or (not attempt.proved and task.now >= begun + TRIAL_TIME)


def slots_are_never_over_capacity(world) -> None:
    """A worker is given and computes no more than it has slots, and holds no more than its limit."""
    for node in world.nodes:
        assert node.computing() <= node.slots, f"{node.name} computes {node.computing()} at once"
        if node.is_up:
            assert len(node.member.held()) <= node.slots * MOST_HELD_PER_SLOT
    directory = world.pool.scheduler.directory if world.pool.is_up else None
    for connected in directory.page(None, len(directory)) if directory else ():
        given = [
            name.short
            for name, task in world.pool.tasks_known().items()
            for a in task.attempts
            if a.worker == connected.worker and a.status in COMPUTING and is_working(task, a)
        ]
        assert len(given) <= connected.slots, (
            f"{connected.name} was given {given}, it has {connected.slots} slots"
        )


def a_finalized_task_never_changes(world) -> None:
    """What the chain ended deeper than a re-organisation reaches stays as it is.

    Less deep, it may be taken back; the same transactions then end it again, or time does.
    """
    for name, view in world.witness.final.items():
        assert world.view(name) == view, f"{name.short} has changed after its end"


def who_had_the_chance_has_revealed(world) -> None:
    """No honest worker leaves its stake at risk while it could reveal.

    A chance is some blocks and seconds with the program up, the chain in reach and up to date, and
    coin in the wallet. Who never has one before the deadline may lose its stake; nobody else.
    """
    now = world.chain.head.timestamp
    for (name, worker), chance in world.witness.chances.items():
        had = chance.blocks >= FAIR_BLOCKS and now - chance.since >= FAIR_SECONDS
        assert not (had and world.node(worker).is_honest), (
            f"{worker} has not revealed {name.short}\n{world.story()}"
        )


def nothing_is_sent_twice(world) -> None:
    """A call is sent anew only when the contract has refused what was sent before.

    A task may be reopened more than once, each time after another silence.
    """
    for (sender, call), sent in world.witness.sent.items():
        for former in sent[:-1] if not isinstance(call, Reopen) else ():
            assert (sender, former.nonce) in world.witness.refused, f"{call} was sent twice"


def a_deal_is_taken_up(world) -> None:
    """A pool that could see a deal in time has its tasks; one that could not leaves them alone."""
    known = world.pool.tasks_known() if world.pool.is_up else {}
    for deal in world.deals if world.pool.is_up else ():
        if world.witness.notices.get(deal.deal_id, 0) >= FAIR_BLOCKS:
            assert all(name in known for _, name in deal.tasks()), f"{deal.deal_id} is not noticed"


def check_end(world) -> None:
    """Check what must hold once everything is healed and time has passed."""
    check_laws(world)
    for law in (every_task_is_ended, nothing_is_held, rewards_follow_the_rule):
        law(world)


def every_task_is_ended(world) -> None:
    """Each task is completed or refunded on chain, and the pool knows."""
    known = world.pool.tasks_known()
    for name in world.task_ids():
        assert world.view(name).status >= ChainTaskStatus.COMPLETED
        if name in known:
            assert known[name].status.value == world.view(name).status.name


def nothing_is_held(world) -> None:
    """No slot is stuck, no file left, no stake locked."""
    for node in world.nodes:
        assert node.computing() == 0
        assert not node.member.shell.replicates
        assert not list(node.folder.glob("*"))
        assert world.locked(node) == 0
    assert world.locked(world.owner) == world.locked(world.requester) == 0


def stakes_are_free(world) -> None:
    """Workers whose pool is gone hold no slot and no file, and have no stake in any task."""
    for node in world.nodes:
        held = node.member.shell.replicates.values()
        assert all(replicate.is_over for replicate in held), world.story()
        assert not list(node.folder.glob("*"))
        assert node.computing() == 0
        assert world.locked(node) == 0, world.story()


def rewards_follow_the_rule(world) -> None:
    """The requester pays for completed tasks alone; workers, pool and kitty get exactly that.

    A completed task pays its price to workers and pool and the app's price to the app's owner, who
    here owns the pool as well; what liars lose stays among them.
    """
    state, start = world.chain.state, world.stakes_at_start
    views = [world.view(name) for name in world.task_ids()]
    completed = [view for view in views if view.status is ChainTaskStatus.COMPLETED]
    spent = start[world.requester.address] - world.stake(world.requester)
    assert spent == len(completed) * world.price_of_a_task
    earners = (world.owner, *world.nodes)
    earned = sum(world.stake(each) - start[each.address] for each in earners)
    assert earned + state.locked_of(world.kitty) == spent
    for node in world.nodes:
        lost = start[node.address] - world.stake(node)
        assert lost <= len(completed) * max((deal.worker_stake for deal in world.deals), default=0)
        if node.is_honest and not _missed_a_reveal(world, node):
            assert lost <= 0, f"{node.name} is honest and lost {lost} nRLC"


def _missed_a_reveal(world, node) -> bool:
    """Whether a worker failed to reveal what the consensus was: the law of chances judges that."""
    for name in world.task_ids():
        own, view = world.chain.state.contribution(name, node.address), world.view(name)
        late = ContributionStatus.CONTRIBUTED, ContributionStatus.REJECTED
        if own is not None and own.status in late and view.status is ChainTaskStatus.COMPLETED:
            return True
    return False
