"""The operator's commands against a worker that runs, over its page on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from poolhand.settings.load import BadSetting
from poolhand.worker.page.sections import sections
from poolhand.worker.pid_file import read

RLC = 10**9


@pytest.fixture
def alone(program, monkeypatch, tmp_path):
    """Make the program's folder the usual one, and return that of its workers."""
    monkeypatch.setenv("IEXEC_WORKER_BASE_DIR", str(program.base.parent))
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "elsewhere"))
    return program.base.parent


async def test_the_status_says_what_is_held_with_its_stake_and_why_nothing_new_runs(
    program, operator
):
    offer = await program.accepts(trust=10)
    await program.starts()
    await program.until(lambda: program.contribution(offer))
    code, told = await operator.reads("status")
    while told["replicates"][0]["unlocks_at"] is None or not told["stake"]["locked_nrlc"]:
        program.chain.mine()
        code, told = await operator.reads("status")
    assert code == 0
    assert told["idle_causes"][0]["code"] in ("starting", "pool-unreachable")
    assert set(told["idle_causes"][0]) == {"code", "sentence", "acts", "change"}
    assert told["gas"] == {"balance_wei": 0, "reserve_wei": 0, "missing_wei": None}
    assert told["stake"]["locked_nrlc"] == told["replicates"][0]["stake_locked_nrlc"] > 0
    assert told["offers"] == {"seen": 0, "accepted": 0, "declined": {}}
    code, shown, _ = await operator.types("status")
    assert code == 0
    for word in ("CONTRIBUTED", "wait for the consensus", "at the latest", "who acts",
                 "what would change it", "RLC locked", "kept for reveals owed"):  # fmt: skip
        assert word in " ".join(shown.split()), word


async def test_a_pause_is_told_and_ended(program, operator):
    await program.starts()
    code, out, _ = await operator.types("pause", "--reason", "new disk")
    assert (code, out.strip()) == (0, "paused: new disk; what is held goes on")
    _, told = await operator.reads("status")
    assert told["paused"] == "new disk"
    assert "paused" in [cause["code"] for cause in told["idle_causes"]]
    told = {"paused": None, "paused_until": None, "draining": False}
    assert await operator.reads("resume") == (0, told)


async def test_a_pause_for_some_time_or_until_a_time_tells_its_end(program, operator):
    await program.starts()
    now = int(time.time())
    code, told = await operator.reads("pause", "--for", "3h")
    assert (code, told["paused"]) == (0, "no reason given")
    assert now + 10_800 <= told["paused_until"] <= int(time.time()) + 10_800
    code, out, _ = await operator.types("pause", "--until", "08:00", "--reason", "the office")
    assert code == 0
    assert re.fullmatch(r"paused until .* UTC \(in .*\): the office; what is held goes on\s*", out)
    _, told = await operator.reads("status")
    assert told["paused"].startswith("the office, until 20")
    assert now < told["paused_until"] <= now + 90_000
    code, shown, _ = await operator.types("status")
    assert "it ends by itself" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--for", "soon"), "is no duration"),
        (("--until", "25:00"), "is no time"),
        (("--for", "3h", "--until", "08:00"), "not both"),
        (("--until", "2020-01-01 08:00"), "is over"),
    ],
)
async def test_a_pause_without_a_time_that_could_be_meant_is_refused(
    program, operator, words, told
):
    await program.starts()
    code, answer = await operator.reads("pause", *words)
    assert (code, answer["error"]["code"]) == (2, "bad-time")
    assert told in answer["error"]["message"]
    assert (await operator.reads("status"))[1]["paused"] is None


async def test_an_order_without_the_token_is_refused_and_one_with_it_needs_no_folder(
    program, operator, monkeypatch
):
    await program.starts()
    pid_file = json.loads((program.base / "worker.json").read_text())
    monkeypatch.setenv("POOLHAND_WORKER_TOKEN", "wrong")
    code, told = await operator.reads("pause", "--url", pid_file["url"], base=False)
    assert (code, told["error"]["code"]) == (2, "no-token")
    (program.base / "worker.json").unlink()  # or it is not ours to read
    monkeypatch.setenv("POOLHAND_WORKER_TOKEN", "")
    code, told = await operator.reads("pause", "--url", pid_file["url"], base=False)
    assert (code, told["error"]["code"]) == (2, "no-token")
    monkeypatch.setenv("POOLHAND_WORKER_TOKEN", pid_file["token"])
    code, told = await operator.reads("pause", "--url", pid_file["url"], base=False)
    assert (code, told["paused"]) == (0, "no reason given")


@pytest.mark.case("E2")
async def test_every_command_finds_the_only_worker_that_runs(program, operator, alone):
    await program.starts(pid=0)
    code, told = await operator.reads("status", base=False)
    assert (code, told["name"], told["folder"]) == (0, "worker", str(program.base))
    assert (await operator.reads("pause", base=False))[1]["paused"] == "no reason given"
    assert (await operator.reads("resume", base=False))[1]["paused"] is None
    code, told = await operator.reads("deposit", "1", base=False)
    assert (code, told["error"]["code"]) == (2, "balance-too-low")  # the worker itself was asked
    assert (await operator.reads("stop", base=False))[1] == {"stopped": True, "now": False}
    await program.ends()


@pytest.mark.case("E2")
async def test_of_several_workers_one_is_named_from_a_list(program, operator, alone):
    await program.starts()
    other = program.base.parent / "second"
    other.mkdir()
    shutil.copy(program.base / "worker.json", other / "worker.json")
    code, told = await operator.reads("pause", base=False)
    assert (code, told["error"]["code"]) == (2, "several-workers")
    for part in ("--name NAME", "worker  http", "second  http", str(other)):
        assert part in told["error"]["message"]
    assert (await operator.reads("status", "--name", "second", base=False))[0] == 0
    code, told = await operator.reads("status", "--base", str(program.base.parent), base=False)
    assert told["error"]["code"] == "several-workers"
    code, told = await operator.reads("status", "--name", "third", base=False)
    assert (code, told["error"]["code"]) == (4, "no-worker-runs")


@pytest.mark.case("E2")
async def test_a_worker_known_by_its_page_alone_takes_orders_of_who_may_read_its_folder(
    program, operator, monkeypatch, tmp_path
):
    monkeypatch.setenv("IEXEC_WORKER_BASE_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "nothing"))
    await program.starts()
    url = read(program.base).url
    monkeypatch.setenv("IEXEC_WORKER_PORT", url.rpartition(":")[2])
    assert (await operator.reads("pause", base=False))[0] == 0
    assert (await operator.reads("resume", "--url", url, base=False))[0] == 0
    (program.base / "worker.json").unlink()
    code, told = await operator.reads("pause", base=False)
    assert (code, told["error"]["code"]) == (2, "no-token")


SCRIPT = '<script src="/page/static/live.js" defer></script>'


async def test_the_address_of_its_page_is_all_that_is_answered(program, operator):
    await program.starts()
    pid_file = read(program.base)
    address = f"{pid_file.url}/#token={pid_file.token}"
    code, out, _ = await operator.types("page")
    assert (code, out) == (0, f"{address}\n")
    assert await operator.reads("page") == (0, {"page": address})


@pytest.mark.case("E23")
async def test_a_browser_at_the_workers_address_sees_a_page_with_nothing_from_elsewhere(
    program, operator
):
    import httpx

    hostile = "<script>alert(1)</script>"
    await program.accepts(trust=10)
    await program.starts()
    code, out, err = await operator.types("pause", "--reason", hostile)
    assert code == 0, out + err
    async with httpx.AsyncClient(trust_env=False) as client:
        pid_file = read(program.base)
        answer = await client.get(pid_file.url + "/")
        headers = {"Authorization": f"Bearer {pid_file.token}"}
        told = (await client.get(pid_file.url + "/v1/live", headers=headers)).json()
        missing = await client.get(read(program.base).url + "/nothing")
    filled = sections({**told, "problem": f"{hostile}\u202e\x1b[31m"})
    page = answer.text.replace(SCRIPT, "") + "".join(filled.values())
    assert (answer.status_code, answer.headers["content-type"]) == (
        200, "text/html; charset=utf-8",
    )  # fmt: skip
    for word in (
        "worker <span",
        "What would change it",
        "paused by the operator",
        str(program.base),
    ):
        assert word in page
    assert "<script" not in page
    assert not {"\u202e", "\x1b"} & set(page)
    assert not re.search(r"""(?:src|href)=["'](?!/(?!/)|#)""", page)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert missing.json()["code"] == "not-found"


@pytest.mark.case("E2")
async def test_where_nothing_runs_the_places_that_were_looked_at_are_named(
    operator, alone, monkeypatch
):
    monkeypatch.setenv("IEXEC_WORKER_PORT", "1")
    code, told = await operator.reads("status", base=False)
    assert (code, told["error"]["code"]) == (4, "no-worker-runs")
    assert str(alone) in told["error"]["message"]
    assert "poolhand worker start" in told["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [("status",), ("pause",), ("resume",), ("stop",), ("stop", "--now"), ("deposit", "1")],
)
async def test_where_no_worker_runs_every_command_says_so(program, operator, words):
    code, told = await operator.reads(*words)
    assert (code, told["error"]["code"]) == (4, "worker-silent")


async def test_a_stop_shows_what_is_still_held_and_returns_when_the_worker_is_gone(
    program, operator
):
    offer = await program.accepts(trust=1)
    program.node.runtime.gate.clear()
    await program.starts(pid=0)

    def goes_on(shown):
        """Let the app end once the command has shown it, and finalize what is proved."""
        if "COMPUTING" in shown:
            program.node.runtime.gate.set()
        if "REVEALED" in shown and program.chain.state.view(offer.task_id).status < 3:
            program.finalize(offer)

    code, out, err = await operator.types("stop", meanwhile=goes_on)
    assert (code, out.strip()) == (0, "the worker held nothing any more and has ended")
    assert "1 still held" in err
    assert "REVEALED" in err
    await program.ends()
    assert program.journaled(offer).status == "COMPLETED"


async def _status(program):
    import httpx

    from poolhand.worker.pid_file import read

    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{read(program.base).url}/v1/status")).content


async def test_a_stop_now_says_what_is_at_stake_and_refuses_without_a_yes_or_a_terminal(
    program, operator, monkeypatch
):
    offer = await program.accepts(trust=10)
    await program.starts(pid=0)
    await program.until(lambda: program.contribution(offer))
    (deal,) = program.world.deals
    while (await operator.reads("status"))[1]["replicates"][0]["unlocks_at"] is None:
        pass
    with open(os.devnull) as nobody:  # noqa: ASYNC230, PTH123
        monkeypatch.setattr(sys, "stdin", nobody)
        code, told = await operator.reads("stop", "--now")
        assert (code, told["error"]["code"]) == (2, "not-confirmed")
        _, _, err = await operator.types("stop", "--now")
    assert str(offer.task_id) in err
    assert f"{deal.worker_stake / 10**9:g} RLC" in err
    assert "once others agree" in err
    assert "saves the stake" in err
    assert not program.running.done()
    code, told = await operator.reads("stop", "--now", "--yes")
    assert code == 0
    (stake,) = told["at_stake"]
    assert stake["reveal_owed"]
    assert stake["stake_locked_nrlc"] == deal.worker_stake
    await program.ends()
    assert program.archive(offer).exists()
    assert program.journaled(offer).has_contributed


async def test_ctrl_c_leaves_the_worker_finishing_and_says_so(program, capsys):
    await program.accepts(trust=10)
    await program.starts()
    command = [sys.executable, "-m", "poolhand", "worker", "stop", "--base", str(program.base)]
    stopping = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        told = b""
        while b"still held" not in told:
            told += await stopping.stderr.read(100)
        stopping.send_signal(2)
        _, err = await stopping.communicate()
    assert stopping.returncode == 130
    assert b"goes on finishing" in b" ".join((told + err).split())
    assert json.loads(await _status(program))["draining"]
    assert not program.running.done()


async def test_a_setting_is_changed_while_the_worker_runs_and_undone(program, operator):
    await program.starts()
    code, told = await operator.reads("set")
    assert (code, told["hours_a_week"], told["problem"]) == (0, 168.0, None)
    wanted = "weekdays 22:00-07:00, weekend all day"
    code, shown, _ = await operator.types("set", f"schedule={wanted}")
    assert code == 0
    for word in (wanted, "changed while it runs", "it works 86 h a week"):
        assert word in " ".join(shown.split()), word
    _, told = await operator.reads("status")
    assert told["schedule"]["hours"] == wanted
    code, shown, _ = await operator.types("status")
    assert f"{wanted}: " in " ".join(shown.split())
    file = program.base / "settings.toml"
    assert f'schedule = "{wanted}"' in file.read_text()
    file.write_text('schedule = "weekend all day"')
    while told["schedule"]["hours"] != "weekend all day":
        _, told = await operator.reads("status")
    code, told = await operator.reads("set", "schedule=")
    assert (code, told["hours_a_week"]) == (0, 168.0)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("schedule=never", "the worker works 0 h a week"),
        ("schedule=someday", "is no window of a week: write"),
        ("cpus=3", "start it again with --cpus"),
        ("colour=red", "there is no setting 'colour'"),
        ("schedule", "write NAME=VALUE"),
    ],
)
async def test_what_cannot_be_set_says_who_must_do_what(program, operator, typed, said):
    await program.starts()
    code, _, err = await operator.types("set", typed)
    assert code == 2
    assert said in " ".join(err.split())
    assert not (program.base / "settings.toml").exists()


async def test_a_worker_does_not_start_on_settings_that_cannot_be_read(program):
    (program.base / "settings.toml").write_text("schedule = 'never'")
    with pytest.raises(BadSetting, match=r"settings.toml.*0 h a week"):
        await program.starts()
    program.running = None


async def test_a_notice_is_brought_to_see_that_it_arrives(program, operator):
    await program.starts()
    code, _, err = await operator.types("notify")
    assert (code, "names who is" in " ".join(err.split())) == (2, True)
    await operator.types("set", "notify=http://127.0.0.1:1/")
    code, out, err = await operator.types("notify")
    assert code == 4
    assert "webhook 127.0.0.1: " in out
    assert "was not reached" in " ".join(err.split())
    code, told = await operator.reads("set")
    shown = {each["name"]: each["value"] for each in told["settings"]}
    assert "127.0.0.1" not in shown["notify"]
