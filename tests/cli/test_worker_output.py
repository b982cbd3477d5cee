"""What the app of a task prints while it runs: for the worker's operator, over its page."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from poolhand.containers.noop import NoopRuntime
from poolhand.domain.app_progress import PROGRESS_FILE
from poolhand.worker.app_output import output_of
from poolhand.worker.pid_file import read


@pytest.fixture
async def running(program):
    """A worker whose app has printed, and goes on until it is let go."""
    runtime = program.node.runtime
    ((name, act),) = runtime.apps.items()
    printed = b"hello\nred \x1b[31m\r50 %\n\xff\n"
    runtime.apps[name] = lambda spec: replace(act(spec), stdout=printed, stderr=b"careful\n")
    runtime.gate.clear()
    offer = await program.accepts()
    await program.starts()
    await program.until(lambda: runtime._printed)
    yield offer, next(iter(runtime._printed))
    runtime.gate.set()


async def test_the_operator_sees_what_an_app_prints_while_it_runs(running, operator):
    offer, _ = running
    code, out, err = await operator.types("logs", str(offer.task_id))
    assert code == 0
    assert out.splitlines() == ["hello", "red \\x1b[31m\\r50 %", "\ufffd"]
    assert "careful" in err.splitlines()
    assert "[0 MiB of memory, 0.0 s of processor, 1 processes]" in err
    code, out, _ = await operator.types("logs", str(offer.task_id), "--tail", "3", "--json")
    use, *lines = map(json.loads, out.splitlines())
    assert use == {"memory": 0, "cpu_seconds": 0.0, "processes": 1}
    assert lines == [
        {"stream": "stdout", "text": "red \\x1b[31m\\r50 %"},
        {"stream": "stdout", "text": "\ufffd"},
        {"stream": "stderr", "text": "careful"},
    ]


async def test_how_far_an_app_says_it_is_stands_in_the_live_view(program, running):
    offer, _ = running
    pid_file = read(program.base)
    (folder,) = program.base.rglob("iexec_out")
    headers = {"Authorization": f"Bearer {pid_file.token}"}
    async with httpx.AsyncClient(trust_env=False, base_url=pid_file.url, headers=headers) as http:

        async def told():
            return (await http.get("/v1/live")).json()["output"][str(offer.task_id)]["says"]

        assert await told() is None
        (folder / PROGRESS_FILE).write_text("0.42 epoch 3")
        assert await told() == {"fraction": 0.42, "words": "epoch 3"}
        (folder / PROGRESS_FILE).write_text("loading")
        assert await told() == {"fraction": None, "words": "loading"}


async def test_who_follows_is_told_until_the_app_ends(program, running, operator):
    offer, _ = running
    gate = program.node.runtime.gate
    told = []

    def when_it_is_told(err):
        told.append(gate.is_set())
        if "careful" in err:
            gate.set()

    words = ("logs", str(offer.task_id), "--follow")
    code, out, _ = await operator.types(*words, meanwhile=when_it_is_told)
    assert (code, out.splitlines()[0]) == (0, "hello")
    assert not told[0]


async def test_of_a_task_that_does_not_run_here_nothing_is_told(running, operator):
    code, _, err = await operator.types("logs", "0x" + "77" * 32)
    assert code == 2
    assert "no app of task 0x7777" in err
    assert "stdout.txt" in err


async def test_output_is_told_to_nobody_without_the_token(program, running, operator, monkeypatch):
    offer, _ = running
    pid_file = read(program.base)
    url = f"{pid_file.url}/v1/tasks/{offer.task_id}/output"
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(url)).status_code == 401
        wrong = {"Authorization": "Bearer " + "0" * 64}
        assert (await http.get(url, headers=wrong)).status_code == 401
    monkeypatch.setenv("POOLHAND_WORKER_TOKEN", "0" * 64)
    where = ("--url", pid_file.url)
    code, out, err = await operator.types("logs", str(offer.task_id), *where, base=False)
    assert (code, out) == (2, "")
    assert "token" in err


async def test_a_reader_that_leaves_holds_nothing_up(running, program):
    _, container = running
    runtime: NoopRuntime = program.node.runtime
    told = output_of(runtime, container, await runtime.usage(container), 100, live=True)
    assert b"memory" in await anext(told)
    assert b"hello" in await anext(told)
    await told.aclose()
    assert await runtime.usage(container) is not None
