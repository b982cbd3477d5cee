"""The worker's program: what a signal, a drain and a stop leave behind.

One file, for each begins the same program and looks at what it leaves.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
import structlog

from lonely_worker import LonelyProgram, no_reveal, signal_me
from poolhand import __version__
from poolhand.domain.doctor.findings import Check, Examination, failed, passed
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Wei
from poolhand.settings.worker import WORKER_OPTIONS
from poolhand.transport.listen import PortBusy
from poolhand.wire.doctor_json import encode_examination
from poolhand.worker.page.sections import PAGE_SECTIONS
from poolhand.worker.pid_file import WORKER_PID_FILE, read
from poolhand.worker.status import OPEN_PATHS

FOR_BROWSERS = {"/", "/page/static/{name}", "/doctor"}


@pytest.fixture
async def program(tmp_path):
    made = LonelyProgram(tmp_path)
    yield made
    await made.close()


def pid_file(program):
    return read(program.base)


def view(program, offer):
    return program.chain.state.view(offer.task_id)


def is_proved(program, offer):
    found = program.contribution(offer)
    return found is not None and found.status is ContributionStatus.PROVED


def asks(program, verb, body=None, token=None):
    found = pid_file(program)
    headers = {"Authorization": f"Bearer {found.token if token is None else token}"}
    return asyncio.to_thread(
        httpx.post, f"{found.url}/v1/{verb}", json=body, headers=headers, trust_env=False
    )


async def status_of(program):
    answer = await asyncio.to_thread(
        httpx.get, f"{pid_file(program).url}/v1/status", trust_env=False
    )
    return answer.json()


@pytest.mark.case("E16")
async def test_a_taken_port_is_told_with_the_flag_that_the_worker_has(program):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    program.settings = replace(program.settings, status_port=port)
    with taken, pytest.raises(PortBusy, match=rf"port {port} .* with --status-port"):
        await program.starts()
    assert "status-port" in {option.key for option in WORKER_OPTIONS}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_and_deletes_nothing_unrevealed(program, number):
    offer = await program.accepts(trust=10)
    await program.starts()
    await program.until(lambda: program.contribution(offer) is not None)
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        signal_me(number)
        await program.ends()
    (last,) = [each for each in told if each["event"] == "worker_stopped"]
    assert (last["held"], last["reveals_owed"]) == (1, 1)
    assert program.archive(offer).exists()
    assert program.journaled(offer).has_contributed
    assert not program.journaled(offer).is_over
    assert pid_file(program) is None


async def test_the_log_of_the_end_names_the_deadline_of_the_reveal(program):
    offer = await program.accepts(trust=1)
    program.chain.before_send = no_reveal
    await program.starts()
    await program.until(lambda: view(program, offer).status is ChainTaskStatus.REVEALING)
    while (await status_of(program))["replicates"][0]["reveal_by"] is None:
        program.chain.mine()
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        signal_me(signal.SIGTERM)
        await program.ends()
    (last,) = [each for each in told if each["event"] == "worker_stopped"]
    assert last["restart_before"].startswith("2023-11-14 ")  # the fake chain's time
    assert last["restart_before"].endswith(" UTC")
    program.chain.before_send = None
    await program.starts()
    await program.until(lambda: is_proved(program, offer))


async def test_a_drain_finishes_what_is_held_and_ends_by_itself(program):
    offer = await program.accepts(trust=1)
    program.node.runtime.gate.clear()
    await program.starts()
    assert (await asks(program, "drain")).json()["draining"]
    told = await status_of(program)
    assert told["draining"]
    assert [each["code"] for each in told["idle_causes"]][-1] == "draining"
    assert [each["status"] for each in told["replicates"]] != []
    program.node.runtime.gate.set()
    await program.until(lambda: is_proved(program, offer))
    assert not program.running.done()
    program.finalize(offer)
    await program.ends()
    assert program.journaled(offer).status is Status.COMPLETED
    assert pid_file(program) is None


async def test_an_empty_worker_that_drains_ends_at_once(program):
    await program.starts()
    await asks(program, "drain")
    await program.ends()


async def test_a_drain_that_is_taken_back_goes_on_working(program):
    offer = await program.accepts(trust=1)
    program.node.runtime.gate.clear()
    await program.starts()
    await asks(program, "drain")
    assert not (await asks(program, "resume")).json()["draining"]
    program.node.runtime.gate.set()
    await program.until(lambda: is_proved(program, offer))
    program.finalize(offer)
    while (await status_of(program))["replicates"][0]["status"] != "COMPLETED":
        program.chain.mine()
    assert not program.running.done()


async def test_a_drain_does_not_outlive_the_program_and_a_pause_does(program):
    offer = await program.accepts(trust=10)
    await program.starts()
    await program.until(lambda: program.contribution(offer))
    await asks(program, "drain")
    await asks(program, "pause", {"reason": "the disk is replaced"})
    signal_me(signal.SIGTERM)
    await program.ends()
    await program.starts()
    told = await status_of(program)
    assert (told["paused"], told["draining"]) == ("the disk is replaced", False)
    await asks(program, "resume")
    assert (await status_of(program))["paused"] is None
    signal_me(signal.SIGTERM)
    await program.ends()
    await program.starts()
    assert (await status_of(program))["paused"] is None


async def test_a_stop_ends_it_at_once_and_keeps_the_journal(program):
    offer = await program.accepts(trust=10)
    await program.starts()
    await program.until(lambda: program.contribution(offer))
    assert (await asks(program, "stop")).status_code == 200
    await program.ends()
    assert program.archive(offer).exists()
    assert program.journaled(offer).has_contributed


async def test_orders_need_the_token_and_only_its_owner_can_read_it(program):
    await program.starts()
    mode = (program.base / WORKER_PID_FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    for token in ("x", "0" * 64, pid_file(program).token[:-1]):
        for verb in ("pause", "resume", "drain", "stop"):
            answer = await asks(program, verb, {"reason": "r"}, token)
            assert (answer.status_code, answer.json()["code"]) == (401, "no-order-token")
    assert (await status_of(program))["paused"] is None
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        answer = await asyncio.to_thread(
            httpx.post,
            f"{pid_file(program).url}/v1/stop",
            headers={"Authorization": f"Bearer {pid_file(program).token}", **headers},
            trust_env=False,
        )
        assert answer.status_code == 403
    assert not program.running.done()


@pytest.mark.case("A1", "A11")
@pytest.mark.parametrize("reason", ["\\ud800", "\\u001b[2J", "\\u202e"])
async def test_a_pause_takes_no_reason_that_a_person_could_not_be_shown(program, reason):
    await program.starts()
    found = pid_file(program)
    answer = await asyncio.to_thread(
        httpx.post,
        f"{found.url}/v1/pause",
        content=f'{{"reason":"{reason}"}}',
        headers={"Authorization": f"Bearer {found.token}", "Content-Type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert (await status_of(program))["paused"] is None


async def test_its_page_describes_what_it_answers_and_which_orders_it_takes(program):
    await program.starts()
    url = f"{pid_file(program).url}/openapi.json"
    paths = (await asyncio.to_thread(httpx.get, url, trust_env=False)).json()["paths"]
    assert {path: list(told) for path, told in paths.items()} == {
        **{path: ["get"] for path in OPEN_PATHS - FOR_BROWSERS},
        **{path: ["get"] for path in ("/v1/live", "/v1/live/events")},
        **{f"/v1/{verb}": ["post"] for verb in ("pause", "resume", "drain", "stop", "deposit")},
        "/v1/settings": ["get", "post"],
        "/v1/notify": ["post"],
        **{f"/v1/{verb}": ["post"] for verb in ("upgrade", "upgrade/look")},
        "/v1/tasks/{task_id}/output": ["get"],
    }
    forms = {
        path: list(told["post"]["requestBody"]["content"]["application/json"]["schema"]["required"])
        for path, told in paths.items()
        if "requestBody" in told.get("post", ())
    }
    assert forms == {
        "/v1/pause": ["reason"],
        "/v1/deposit": ["nrlc", "name"],
        "/v1/settings": ["changes"],
        "/v1/upgrade": ["requirements_sha256"],
    }
    output = paths["/v1/tasks/{task_id}/output"]["get"]
    assert [each["name"] for each in output["parameters"]] == ["task_id", "follow", "tail"]


async def test_whatever_its_page_answers_needs_the_token_but_what_everybody_is_told(program):
    await program.starts()
    url = pid_file(program).url
    async with httpx.AsyncClient(trust_env=False, base_url=url) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        answers = {
            (method, path): (await http.request(method, path)).status_code
            for path, told in paths.items()
            for method in told
        }
    assert {path for (_, path), code in answers.items() if code != 401} == OPEN_PATHS - FOR_BROWSERS


async def test_its_page_tells_nothing_of_the_worker_but_to_whom_the_token_was_given(program):
    await program.starts()
    found = pid_file(program)
    async with httpx.AsyncClient(trust_env=False, base_url=found.url) as http:
        front = await http.get("/")
        for word in (str(program.node.address)[2:10], str(program.base)):
            assert word not in front.text
        assert "script-src 'self'" in front.headers["content-security-policy"]
        assert "set-cookie" not in front.headers
        for path in ("/page/live", "/v1/live", "/v1/live/events"):
            for ways in (
                {},
                {"params": {"token": found.token}},
                {"headers": {"Cookie": f"token={found.token}"}},
                {"headers": {"Authorization": f"Bearer {found.token[:-1]}"}},
            ):
                assert (await http.get(path, **ways)).status_code == 401, (path, ways)
        told = {"Authorization": f"Bearer {found.token}"}
        for foreign in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            assert (await http.get("/v1/live", headers={**told, **foreign})).status_code == 403
        assert (await http.get("/v1/live", headers=told)).status_code == 200
        assert (await http.get("/page/static/live.js")).status_code == 200
        assert (await http.get("/page/static/..%2Flive_page.py")).status_code == 404


async def live_of(program):
    found = pid_file(program)
    headers = {"Authorization": f"Bearer {found.token}"}
    url = f"{found.url}/v1/live"
    return (await asyncio.to_thread(httpx.get, url, headers=headers, trust_env=False)).json()


async def test_what_is_watched_equals_the_chain_when_a_task_is_paid(program):
    program.chain.gas_price = Wei(7)
    program.chain.fund(program.node.address, coin=Wei(10**18))
    offer = await program.accepts(trust=1)
    before = program.chain.state.stake_of(program.node.address)
    await program.starts()
    await program.until(lambda: program.contribution(offer) is not None)
    program.chain.mine()
    while not (told := await live_of(program))["locks"]["tasks"]:
        program.chain.mine()
    (lock,) = told["locks"]["tasks"]
    assert (lock["task_id"], told["locks"]["other_nrlc"]) == (str(offer.task_id), 0)
    assert lock["unlocks_at"] == view(program, offer).final_deadline
    await program.until(lambda: is_proved(program, offer))
    program.finalize(offer)
    while not (told["earnings"] and told["earnings"]["all"]["won"]):
        program.chain.mine()
        told = await live_of(program)
    earned = program.chain.state.stake_of(program.node.address) - before
    for span in ("today", "week", "all"):
        assert told["earnings"][span]["earned_nrlc"] == earned > 0
        assert (told["earnings"][span]["won"], told["earnings"][span]["lost_nrlc"]) == (1, 0)
    assert told["earnings"]["all"]["gas_wei"] > 0
    assert told["gas_days"] > 0
    while told["locks"] != {"tasks": [], "other_nrlc": 0}:  # the account is read every 10 s
        program.chain.mine()
        told = await live_of(program)
    (row,) = told["earnings"]["tasks"]
    assert (row["task_id"], row["earned_nrlc"]) == (str(offer.task_id), earned)


async def test_whoever_watches_is_told_again_when_something_changes(program):
    await program.starts()
    found = pid_file(program)
    headers = {"Authorization": f"Bearer {found.token}"}
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(trust_env=False, base_url=found.url, headers=headers) as http,
        http.stream("GET", "/v1/live/events") as events,
        AsyncExitStack() as later,
    ):
        lines = events.aiter_lines()
        while not is_whole(told := await next_data(lines)):
            assert told["paused"] is None
        page = await later.enter_async_context(http.stream("GET", "/page/live"))
        parts = page.aiter_lines()
        whole = (await next_data(parts))["sections"]
        assert set(whole) == set(PAGE_SECTIONS)
        await asks(program, "pause", {"reason": "<b>lunch</b>"})
        while (told := await next_data(lines))["paused"] is None:
            pass
        assert told["paused"] == "<b>lunch</b>"
        changed = {}
        while "idle" not in changed:
            changed = (await next_data(parts))["sections"]
        assert "&lt;b&gt;lunch" in changed["idle"]
        assert "earnings" not in changed


def is_whole(told):
    """Whether the chain was read to its begin: earnings change no more while it stands still."""
    return told["earnings"] is not None and told["earnings"]["whole"]


async def next_data(lines):
    async for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("it ended")


async def test_a_browser_is_shown_what_the_worker_needs_and_how_it_stands(program):
    hostile = "<script>alert(1)</script>"
    told = Examination((passed(Check.CPUS, "4 CPUs"), failed(Check.GAS, hostile, "send coin")))

    async def examine():
        return told

    await program.starts(examine=examine)
    async with httpx.AsyncClient(trust_env=False, base_url=pid_file(program).url) as http:
        page, front = await http.get("/doctor"), await http.get("/")
        for_programs = (await http.get("/v1/doctor")).json()
    assert 'href="/doctor"' in front.text
    assert page.text.index("gas") < page.text.index("4 CPUs"), "the worst comes first"
    assert "send coin" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert for_programs == encode_examination(told, __version__)


async def test_every_start_has_a_token_of_its_own(program):
    await program.starts()
    first = pid_file(program)
    signal_me(signal.SIGTERM)
    await program.ends()
    await program.starts()
    assert pid_file(program).token != first.token
    assert len(first.token) == 64
    assert pid_file(program).token not in str(await status_of(program))
    assert first.token not in repr(first)


async def test_a_worker_whose_pool_is_away_says_since_when_and_when_it_tries_again(program):
    await program.starts()
    found = {}

    async def look():
        found.update(await status_of(program))

    async with asyncio.timeout(60):
        while not found.get("problem") or "does not answer" not in found["problem"]:
            await look()
    (cause,) = found["idle_causes"]
    assert cause["code"] == "pool-unreachable"
    assert "no session with the pool since 20" in cause["sentence"]
    assert "tries again at 20" in cause["change"]
