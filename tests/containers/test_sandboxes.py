"""Which sandbox is found on an engine, by trying, over an engine in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from fake_engine import IMAGE, PLAIN, FakeEngine, serving

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.errors import ContainerRefused, SandboxUnready
from poolhand.containers.sandbox_trial import INIT
from poolhand.containers.sandboxes import NoSuchSandbox, look_at_sandbox
from poolhand.containers.start_doubts import DOUBTED
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.sandbox_level import SANDBOX_OVERHEADS, Sandbox, SandboxLevel

RUNC, GVISOR = SandboxLevel.RUNC, SandboxLevel.GVISOR
RUNSC = {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=systrap"]}
BOTH = {"Runtimes": {"runc": {"path": "runc"}, "runsc": RUNSC}, "DefaultRuntime": "runc"}


@pytest.fixture
def engine():
    made = FakeEngine()
    made.images, made.info = {IMAGE: PLAIN}, BOTH
    return made


@asynccontextmanager
async def opened(engine, sandbox="auto", **options):
    async with (
        serving(engine) as url,
        DockerRuntime.open(url, sandbox=sandbox, **options) as runtime,
    ):
        yield runtime


async def found(engine, wanted="auto", *, network=False, **options):
    async with serving(engine) as url:
        return await look_at_sandbox(url, wanted, network=network, **options)


def runtimes(engine):
    return [body["HostConfig"].get("Runtime") for body in engine.created.values()]


async def test_gvisor_is_taken_once_a_container_of_it_has_run(engine):
    assert await found(engine) == Sandbox(GVISOR, "runsc")
    ((name, body),) = engine.created.items()
    assert (body["Cmd"], body["HostConfig"]["Runtime"]) == (list(INIT), "runsc")
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert (engine.removed, engine.containers) == ([name], {})
    assert engine.forgotten == [f"{name}:empty"]


async def test_containers_are_taken_without_a_trial(engine):
    engine.info = {}
    assert await found(engine) == Sandbox(RUNC)
    assert await found(engine, "runc") == Sandbox(RUNC)
    assert engine.created == {}


async def test_runc_is_named_to_an_engine_that_takes_gvisor_by_itself(engine):
    engine.info = {**BOTH, "DefaultRuntime": "runsc"}
    assert await found(engine, "runc") == Sandbox(RUNC, "runc")
    assert await found(engine) == Sandbox(GVISOR)


async def test_a_runtime_that_starts_nothing_is_passed_over_with_what_the_engine_says(engine):
    engine.refusals = {"start": (500, "OCI runtime create failed: no such file")}
    told = await found(engine)
    assert told.level is RUNC
    assert told.passed_over == (("runsc", "OCI runtime create failed: no such file"),)
    assert (engine.containers, len(engine.forgotten)) == ({}, 1)


async def test_a_runtime_whose_container_fails_is_passed_over(engine):
    engine.exit_code = 2
    assert (await found(engine)).passed_over == (
        ("runsc", "a container of it ended with exit code 2"),
    )


async def test_a_runtime_that_hangs_is_passed_over_in_time(engine):
    engine.on_start = lambda _name: None
    told = await found(engine, longest=0.05)
    assert (told.level, len(told.passed_over)) == (RUNC, 1)
    assert engine.containers == {}


@pytest.mark.parametrize(
    ("word", "network"), [("--ignore-cgroups", False), ("--network=none", True)]
)
async def test_a_runtime_whose_arguments_break_a_promise_is_not_even_tried(engine, word, network):
    engine.info = {**BOTH, "Runtimes": {"runc": {}, "runsc": {**RUNSC, "runtimeArgs": [word]}}}
    told = await found(engine, network=network)
    assert (told.level, told.passed_over[0][0], engine.created) == (RUNC, "runsc", {})


async def test_an_operator_who_wants_gvisor_is_told_how_to_get_it(engine):
    engine.info = {}
    with pytest.raises(NoSuchSandbox, match="apt install runsc"):
        async with opened(engine, sandbox="gvisor"):
            pass
    engine.info, engine.exit_code = BOTH, 128
    with pytest.raises(NoSuchSandbox, match="runsc, a container of it ended with exit code 128"):
        await found(engine, "gvisor")


async def test_apps_run_by_what_was_found_and_their_limits_leave_room_for_it(engine, spec):
    async with opened(engine) as runtime:
        assert runtime.sandbox == Sandbox(GVISOR, "runsc")
        await runtime.run(spec)
    told, takes = engine.created["task"]["HostConfig"], SANDBOX_OVERHEADS[GVISOR]
    assert told["Runtime"] == "runsc"
    assert told["Memory"] == told["MemorySwap"] == spec.limits.memory + takes.memory
    assert told["PidsLimit"] == spec.limits.pids * takes.pids + takes.threads


async def test_the_trial_is_made_once_for_all_apps(engine, spec):
    async with opened(engine) as runtime:
        await runtime.run(spec)
        await runtime.run(spec)
    assert len(engine.created) == 2


async def test_an_engine_that_is_away_at_the_start_is_tried_when_it_is_there(engine, spec):
    engine.refusals = {"info": (503, "starting")}
    async with opened(engine, absent_ok=True) as runtime:
        assert runtime.sandbox is None
        with pytest.raises(RuntimeDown):
            await runtime.run(spec)
        engine.refusals = {}
        await runtime.run(spec)
        assert runtime.sandbox == Sandbox(GVISOR, "runsc")


async def test_where_apps_are_given_gpus_gvisor_is_passed_over_which_gives_none(engine):
    assert await found(engine, gpus=True) == Sandbox(
        RUNC, "", (("runsc", "it gives apps no GPU, and --gpu is set"),)
    )
    with pytest.raises(NoSuchSandbox, match="gives apps no GPU"):
        await found(engine, "gvisor", gpus=True)


@pytest.mark.parametrize(
    "words", ["Unknown runtime specified runsc", "unknown or invalid runtime name: runsc"]
)
async def test_a_runtime_that_the_engine_has_lost_is_not_the_apps_fault(engine, spec, words):
    async with opened(engine) as runtime:
        engine.info, engine.refusals = {}, {"create": (400, words)}
        with pytest.raises(SandboxUnready):
            await runtime.run(spec)
        engine.refusals = {}
        await runtime.run(spec)
        assert runtime.sandbox == Sandbox(RUNC)


async def refused(runtime, spec):
    """Run until the engine's refusal is believed."""
    for _ in range(DOUBTED):
        with pytest.raises(RuntimeDown):
            await runtime.run(spec)
    await runtime.run(spec)


async def test_a_runtime_that_works_no_more_is_not_the_apps_fault(engine, spec):
    async with opened(engine, sandbox="gvisor") as runtime:
        engine.refusals = {"start": (500, "OCI runtime start failed")}
        with pytest.raises(SandboxUnready, match="does not work"):
            await refused(runtime, spec)
        with pytest.raises(SandboxUnready, match="sandbox level 'gvisor'"):
            await runtime.run(spec)


async def test_an_app_that_the_runtime_cannot_start_is_refused_while_others_start(engine, spec):
    async with opened(engine) as runtime:
        engine.fails_to_start = {"task": (500, "executable file not found")}
        with pytest.raises(ContainerRefused, match="executable"):
            await refused(runtime, spec)
        assert runtime.sandbox == Sandbox(GVISOR, "runsc")


async def test_runs_that_begin_together_share_one_trial(engine, spec):
    engine.refusals = {"info": (503, "starting")}
    async with opened(engine, absent_ok=True) as runtime:
        engine.refusals = {}
        await asyncio.gather(*(runtime._sandboxes.chosen() for _ in range(3)))
    assert runtimes(engine) == ["runsc"]


async def test_an_engine_that_may_not_be_asked_of_itself_runs_containers(engine):
    engine.refusals = {"info": (403, "forbidden")}
    assert await found(engine) == Sandbox(RUNC)


async def test_an_engine_that_makes_no_image_is_as_good_as_away(engine):
    engine.pull_status = 500
    with pytest.raises(RuntimeDown):
        await found(engine)
