"""A worker takes tasks at its hours, and none that could outlast them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.world import T
from poolhand.domain.availability.schedule import Schedule, ScheduleWindow
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.settings.load import BadSetting, load
from poolhand.settings.preferences import LIVE_OPTIONS
from poolhand.transport.clock import ManualClock
from poolhand.wire.messages import Capacity, Conditions, Declined, ReportBatch
from poolhand.worker.idle import idle_causes
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.standing import Hold
from poolhand.worker.working_hours import HOURS_LOOK, OutsideHours, WorkingHours

DAY = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday


def moment(hour: int, minute: int = 0, second: int = 0) -> UnixSeconds:
    return UnixSeconds(
        int((DAY + timedelta(hours=hour, minutes=minute, seconds=second)).timestamp())
    )


class Taker:
    """What a worker takes, as it was told last."""

    def __init__(self) -> None:
        self.held, self.ends, self.longest = None, None, None

    def hold(self, kind, reason, ends=None) -> None:
        assert kind is Hold.SCHEDULE
        self.held, self.ends = reason, ends

    def limit_time(self, longest) -> None:
        self.longest = longest

    def takes(self, time) -> bool:
        return self.held is None and (self.longest is None or time <= self.longest)


def hours_of(text: str, now: UnixSeconds, *times: int):
    live = LiveSettings(load(LIVE_OPTIONS, {"schedule": text}, {}))
    clock = ManualClock(now)
    made = WorkingHours(live, clock, lambda: UTC)
    made.learn(map(Seconds, times))
    return made, clock, live


def test_towards_the_end_of_its_hours_a_worker_takes_ever_shorter_tasks():
    hours, clock, _ = hours_of("08:00-18:00", moment(9), 300, 1_200, 3_600)
    taker = Taker()
    seen = []
    while clock.now() < moment(18, 0, 30):
        rest = hours.look(taker)
        if not seen or seen[-1][1:] != (taker.held is None, taker.longest):
            seen.append((clock.now(), taker.held is None, taker.longest))
        clock.advance(rest)
    assert seen == [
        (moment(9), True, None),
        (moment(17, 0, 1), True, 1_200),
        (moment(17, 40, 1), True, 300),
        (moment(17, 55, 1), False, 300),
    ]
    assert "outside its hours" in taker.held
    assert taker.ends == moment(24 + 8)


def test_what_could_not_end_any_more_is_named_with_the_next_hours():
    hours, _, _ = hours_of("08:00-18:00", moment(17, 58), 300)
    taker = Taker()
    hours.look(taker)
    assert "before the shortest task could" in taker.held
    assert taker.ends == moment(24 + 8)


SCHEDULES = st.builds(
    lambda start, length: Schedule("x", (ScheduleWindow(frozenset((0,)), start, start + length),)),
    st.integers(0, 1_439),
    st.integers(1, 1_440),
)


@given(SCHEDULES, st.integers(0, 2 * 86_400), st.sets(st.integers(1, 7_200), min_size=1))
def test_what_is_told_and_what_is_checked_are_the_same_and_end_within_the_hours(
    schedule, offset, times
):
    started = load(LIVE_OPTIONS, {}, {})
    live = LiveSettings(started.decided("schedule", schedule, "here"))
    now = UnixSeconds(moment(0) + offset)
    hours = WorkingHours(live, ManualClock(now), lambda: UTC)
    hours.learn(map(Seconds, times))
    taker = Taker()
    rest = hours.look(taker)
    assert 0 < rest <= HOURS_LOOK
    for time in times:
        closes = schedule.at(now, UTC)
        may = closes.is_open and now + time <= (closes.changes or now + time)
        assert taker.takes(time) is may
        try:
            hours.check(Seconds(time))
        except OutsideHours:
            assert not may
        else:
            assert may


@given(SCHEDULES, st.integers(0, 2 * 86_400), st.sets(st.integers(1, 7_200), min_size=1))
def test_until_the_next_look_nothing_is_taken_too_long(schedule, offset, times):
    live = LiveSettings(load(LIVE_OPTIONS, {}, {}).decided("schedule", schedule, "here"))
    clock = ManualClock(UnixSeconds(moment(0) + offset))
    hours = WorkingHours(live, clock, lambda: UTC)
    hours.learn(map(Seconds, times))
    taker = Taker()
    rest = hours.look(taker)
    clock.advance(int(rest) - 1)
    told = schedule.at(clock.now(), UTC)
    for time in times:
        if taker.takes(time) and told.changes is not None:
            assert told.is_open
            assert clock.now() + time <= told.changes


def window_of(pool, seconds: int) -> str:
    """Return a schedule that is open now, by the computer's clock, for about so long."""
    now = datetime.fromtimestamp(pool.world.clock.now()).astimezone()
    start, end = now - timedelta(minutes=2), now + timedelta(seconds=seconds)
    return f"{start:%H:%M}-{end:%H:%M}"


async def test_an_offer_that_would_outlast_the_hours_is_declined(pool):
    live = pool.node.worker.live
    live.set({"schedule": window_of(pool, T - 61)})
    task = await pool.offered(active=False)
    assert pool.replicate(task) is None
    (told,) = pool.heard(ReportBatch)
    assert "hours" in told.statuses[0].detail
    live.set({"schedule": ""})
    await pool.world.settle()
    assert pool.member.standing.paused is None
    second = await pool.offered(active=False)
    assert pool.replicate(second) is not None


@pytest.mark.parametrize(
    ("hold", "is_chosen"), [(Hold.OPERATOR, True), (Hold.IN_USE, True), (Hold.DISK, False)]
)
async def test_an_offer_on_its_way_while_the_operator_pauses_is_declined_by_choice(
    pool, hold, is_chosen
):
    pool.member.hold(hold, "not now")
    task = await pool.offered(active=False)
    assert pool.replicate(task) is None
    assert pool.heard(Declined) == ([Declined(task)] if is_chosen else [])
    assert "not now" in pool.heard(ReportBatch)[0].statuses[0].detail


async def test_an_offer_that_ends_with_the_hours_is_taken_and_a_longer_one_is_not(pool):
    hours, clock = pool.node.worker.hours, pool.world.clock
    pool.node.worker.live.set({"schedule": window_of(pool, 3 * T)})
    left = hours.opening().changes - clock.now()
    hours.check(Seconds(left))
    with pytest.raises(OutsideHours, match="this worker's hours end"):
        hours.check(Seconds(left + 1))


async def test_a_session_begins_with_the_conditions_before_the_capacity(pool):
    pool.node.worker.live.set({"schedule": window_of(pool, 2 * T)})
    pool.node.worker.hours.learn((Seconds(100 * T),))
    await pool.world.settle()
    assert pool.member.standing.longest == T
    pool.forgets()
    await pool.greets()
    kinds = [type(each) for _, each in pool.world.exchange.heard]
    assert kinds.index(Conditions) < kinds.index(Capacity)
    pool.node.worker.live.set({"schedule": "always"})
    await pool.world.settle()
    assert pool.heard(Conditions)[-1] == Conditions(None, 0)


async def test_outside_its_hours_a_worker_says_until_when_and_what_would_change_it(pool):
    clock = pool.world.clock
    now = datetime.fromtimestamp(clock.now()).astimezone()
    opens, closes = now + timedelta(hours=2), now + timedelta(hours=3)
    pool.node.worker.live.set({"schedule": f"{opens:%H:%M}-{closes:%H:%M}"})
    await pool.world.settle()
    told = pool.shown()
    assert told["schedule"]["open"] is False
    assert told["paused_until"] == told["schedule"]["changes_at"]
    (cause, *_) = idle_causes(pool.teller().idle_facts())
    assert (cause.code, cause.change) == (
        "schedule",
        "wait: it ends by itself; or `poolhand worker set schedule=always`",
    )
    await pool.world.step(2 * 3_600)
    assert pool.member.standing.paused is None


async def test_hours_in_which_no_task_fits_are_refused(pool):
    live = pool.node.worker.live
    pool.node.worker.hours.learn((Seconds(300), Seconds(3_600)))
    assert live.shortest == 300
    with pytest.raises(BadSetting, match=r"0 h a week: .* last 4 min at most.*: make them longer"):
        live.set({"schedule": "23:00-23:04"})
    live.set({"schedule": "23:00-23:05"})
    assert live.now.schedule.text == "23:00-23:05"


async def test_hours_that_never_come_are_refused(pool):
    live = pool.node.worker.live
    with pytest.raises(BadSetting, match="0 h a week"):
        live.set({"schedule": "never"})
    assert live.now.schedule.text == "always"


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("not-requesters", "{requester}", "not-requesters"),
        ("only-apps", "{other}", "only-apps"),
        ("not-registries", "registry.test", "not-registries"),
        ("least-reward", "1000", "least-reward"),
        ("hour-price", "5000", "hour-price"),
    ],
)
async def test_what_the_operator_leaves_out_is_declined_before_anything_is_done(
    pool, setting, value, why
):
    world = pool.world
    value = value.format(requester=world.requester.address, other=world.owner.address)
    pool.node.worker.live.set({setting: value})
    await world.settle()
    pool.forgets()
    task = await pool.offered(active=False)
    assert pool.replicate(task) is None
    (choice,), (told,) = pool.heard(Declined), pool.heard(ReportBatch)
    assert choice == Declined(task)
    assert why in told.statuses[0].detail
    assert pool.member.standing.offers.declined == {"not-chosen": 1}
    assert not world.chain.state.locked_of(pool.node.address)
    pool.node.worker.live.set({setting: ""})
    await world.settle()
    assert pool.replicate(await pool.offered(active=False)) is not None


async def test_how_many_processors_a_task_has_may_change_while_the_worker_runs(pool):
    live, seen = pool.node.worker.live, []
    ((image, app),) = pool.node.runtime.apps.items()

    def noted(spec):
        seen.append(spec.limits.cpus)
        return app(spec)

    pool.node.runtime.apps[image] = noted
    for cpus in ("0.5", "2", ""):
        live.set({"task-cpus": cpus})
        await pool.contributed()
    assert seen == [0.5, 2.0, 1.0]
