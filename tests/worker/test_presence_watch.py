"""While somebody uses the computer, or a battery feeds it, less is taken and less is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_pool import ScriptedPool

from poolhand.domain.availability.presence import OTHERS_LOAD, LoadSeen
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.machine_use import InputSeen, Power
from poolhand.settings.load import BadSetting
from poolhand.worker.idle import idle_causes
from poolhand.worker.presence_watch import PAUSE_BETWEEN_PRESENCE_LOOKS

AWAY, HERE = InputSeen(Seconds(3_600), "logind"), InputSeen(Seconds(5), "logind")


@pytest.fixture
def live(pool):
    return pool.node.worker.live


@pytest.fixture
def machine(pool):
    return pool.node.worker.presence._machine


async def passes(pool, seconds=PAUSE_BETWEEN_PRESENCE_LOOKS):
    await pool.world.step(int(seconds))


async def test_a_computer_that_no_setting_depends_on_is_not_looked_at(pool, machine):
    await passes(pool, 100)
    assert machine.looks == 0
    assert pool.shown()["machine"] == {
        "in_use": None, "idle_seconds": None, "told_by": None,
        "on_battery": None, "charge_percent": None, "program": None, "celsius": None,
    }  # fmt: skip


async def test_nothing_is_begun_while_somebody_uses_the_computer(pool, live, machine):
    machine.seen = AWAY
    live.set({"in-use": "pause"})
    await pool.world.settle()
    assert pool.member.standing.paused is None
    machine.seen = HERE
    await passes(pool)
    assert pool.member.standing.paused == (
        "somebody uses this computer (logind tells): nothing is begun meanwhile"
    )
    (cause, *_) = idle_causes(pool.teller().idle_facts())
    assert (cause.code, cause.change) == ("in-use", "`poolhand worker set in-use=work`")
    assert pool.shown()["machine"]["in_use"] is True
    task = await pool.offered(active=False)
    assert pool.replicate(task) is None
    machine.seen = AWAY
    await passes(pool)
    assert pool.member.standing.paused is None
    assert pool.replicate(await pool.offered(active=False)) is not None
    live.set({"in-use": ""})
    await pool.world.settle()
    assert pool.shown()["machine"]["in_use"] is None


async def test_so_many_tasks_at_once_are_done_meanwhile_and_no_more(tmp_path):
    pool = ScriptedPool(tmp_path, slots=3)
    await pool.opens()
    await pool.greets()
    pool.node.worker.presence._machine.seen = HERE
    pool.node.worker.live.set({"in-use": "1"})
    await pool.world.settle()
    assert pool.member.standing.paused is None
    pool.node.runtime.gate.clear()
    first = await pool.offered()
    assert pool.replicate(first) is not None
    assert "1 at once is all that is done" in pool.member.standing.paused
    assert pool.replicate(await pool.offered(active=False)) is None
    pool.node.runtime.gate.set()
    await pool.blocks(2)
    assert pool.contribution(first) is not None
    assert pool.member.standing.paused is None
    await pool.world.stop()


async def test_running_tasks_get_fewer_processors_meanwhile_and_all_again(pool, live, machine):
    machine.seen = AWAY
    live.set({"task-cpus": "2", "in-use-cpus": "0.5"})
    pool.node.runtime.gate.clear()
    await pool.offered()
    (name,) = pool.node.runtime.computations
    machine.seen = HERE
    await passes(pool)
    assert pool.node.runtime.cpus == {name: 0.5}
    machine.seen = AWAY
    await passes(pool)
    assert pool.node.runtime.cpus == {name: 2.0}
    assert pool.member.standing.paused is None
    pool.node.runtime.gate.set()


async def test_an_engine_that_does_not_answer_leaves_processors_as_they_are(pool, live, machine):
    live.set({"in-use-cpus": "0.5"})
    pool.node.runtime.gate.clear()
    await pool.offered()
    pool.node.runtime.is_down = True
    machine.seen = HERE
    await passes(pool)
    assert pool.node.runtime.cpus == {}
    pool.node.runtime.is_down = False
    pool.node.runtime.gate.set()
    await passes(pool)
    assert pool.node.worker.presence.task_cpus == 0.5


async def test_nothing_is_begun_on_a_battery_where_the_operator_says_so(pool, live, machine):
    machine.fed_by = Power(on_battery=True, charge=41)
    await passes(pool)
    assert pool.member.standing.paused is None
    live.set({"on-battery": "pause"})
    await pool.world.settle()
    assert pool.member.standing.paused == "this computer is on its battery (41 % left)"
    assert [each.code for each in idle_causes(pool.teller().idle_facts())] == ["battery"]
    machine.fed_by = Power(on_battery=False, charge=42)
    await passes(pool)
    assert pool.member.standing.paused is None
    assert pool.shown()["machine"]["charge_percent"] == 42


async def test_nothing_is_begun_while_a_program_runs_that_is_to_have_the_computer(
    pool, live, machine
):
    machine.programs = {"blender", "editor"}
    live.set({"rest-while": "Steam, Blender.exe"})
    await pool.world.settle()
    assert pool.member.standing.paused == "blender runs on this computer"
    (cause, *_) = idle_causes(pool.teller().idle_facts())
    assert (cause.code, "rest-while=" in cause.change) == ("program", True)
    assert pool.replicate(await pool.offered(active=False)) is None
    machine.programs = {"editor"}
    await passes(pool)
    assert (pool.member.standing.paused, pool.shown()["machine"]["program"]) == (None, None)
    with pytest.raises(BadSetting, match="without folders"):
        live.set({"rest-while": "/usr/bin/steam"})


async def test_nothing_is_begun_above_a_temperature_until_it_is_well_below(pool, live, machine):
    machine.heat = 80.0
    live.set({"hottest": "85"})
    await pool.world.settle()
    assert pool.member.standing.paused is None
    machine.heat = 85.5
    await passes(pool)
    assert "85.5 °C" in pool.member.standing.paused
    assert [each.code for each in idle_causes(pool.teller().idle_facts())] == ["heat"]
    machine.heat = 81.0
    await passes(pool)
    assert pool.member.standing.paused is not None
    machine.heat = 80.0
    await passes(pool)
    assert (pool.member.standing.paused, pool.shown()["machine"]["celsius"]) == (None, 80.0)
    machine.heat = None  # nothing tells any more
    await passes(pool)
    assert pool.member.standing.paused is None


async def test_where_nothing_tells_of_input_the_load_of_others_does(pool, live, machine):
    machine.seen, machine.at_work = None, 0.0
    live.set({"in-use": "pause", "idle-after": "1m"})
    await pool.world.settle()
    assert pool.shown()["machine"]["told_by"] == "the load of other programs"
    assert pool.member.standing.paused is not None  # for a minute nothing is known
    await passes(pool, 70)
    await passes(pool)
    assert pool.member.standing.paused is None
    machine.at_work = 0.9
    await passes(pool)
    assert "the load of other programs tells" in pool.member.standing.paused


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.floats(0, 64), st.floats(0, 64), st.integers(1, 60)), max_size=20),
)
def test_it_is_quiet_since_others_used_little_and_our_own_work_does_not_count(cpus, looks):
    seen, now, since = LoadSeen(), UnixSeconds(1_000), None
    for busy, ours, seconds in looks:
        now = UnixSeconds(now + seconds)
        seen = seen.after(busy, ours, cpus, now)
        if busy - ours > OTHERS_LOAD * cpus:
            since = None
        elif since is None:
            since = now
        assert seen.idle_for(now) == (0 if since is None else now - since)
