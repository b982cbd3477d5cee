"""The parts of a worker's page."""

from __future__ import annotations

from live_told import replicate, step, told
from poolhand.cli.worker_report import gpus_told
from poolhand.worker.live_words import hosts_told, says, tee_lines
from poolhand.worker.page.sections import sections


def test_what_waits_for_others_to_contribute_takes_no_slot():
    held = [f"0x{number:064x}" for number in range(5)]
    found = told(
        working=1,
        replicates=[replicate(name) for name in held],
        progress={name: step("reveal") for name in held},
    )
    assert "1 of 2 slots at work" in sections(found)["head"]


def test_how_far_an_app_says_that_it_is_stands_with_what_it_prints():
    use = {"memory": 0, "processes": 1, "cpu_seconds": 0.0, "lines": []}
    said = {"fraction": 0.421, "words": "<b>epoch</b> 3"}
    found = told(
        replicates=[replicate("0xab")],
        progress={"0xab": step("compute")},
        output={"0xab": {**use, "says": said}},
    )
    assert "<p>The app says: 42% done, &lt;b&gt;epoch&lt;/b&gt; 3</p>" in sections(found)["tasks"]
    assert says({"says": {"fraction": None, "words": "loading"}}) == "The app says: loading"
    assert says({"says": {"fraction": 1.0, "words": ""}}) == "The app says: 100% done"
    assert says({"says": None}) == says(use) == ""


def test_a_worker_of_which_nothing_is_known_yet_has_a_whole_page():
    parts = sections(told())
    assert "The chain is being read" in parts["earnings"]
    assert "0 of 2 slots at work" in parts["head"]


def test_gas_that_lasts_for_ages_is_told_as_such():
    gas = {"balance_wei": 10**22}
    assert "over 10 years" in sections(told(gas=gas, gas_days=198_536.0))["figures"]
    assert "2.5 days" in sections(told(gas=gas, gas_days=2.5))["figures"]


def test_what_the_pools_owner_says_is_shown_as_text():
    says = [{"at": 7, "text": "<b>update</b>"}]
    assert (
        "<p>&lt;b&gt;update&lt;/b&gt;</p>" in sections(told(owner_messages=says))["owner_messages"]
    )
    assert sections(told())["owner_messages"] == ""


def test_what_apps_run_in_is_told_with_what_was_not_taken():
    assert "has not answered" in sections(told())["facts"]
    found = {
        "level": "runc", "promise": "a promise", "runtime": None,
        "passed_over": [{"runtime": "runsc", "cause": "it <hangs>"}],
    }  # fmt: skip
    shown = sections(told(sandbox=found))["facts"]
    assert "a promise" in shown
    assert "runsc: it &lt;hangs&gt;" in shown
    assert "Not taken" not in sections(told(sandbox={**found, "passed_over": []}))["facts"]


def test_gpus_stand_on_the_page_with_what_has_them():
    gpus = [
        {"number": 0, "name": "GPU-<1>", "maker": "NVIDIA", "model": "<A100>", "task_id": "0xabcd"},
        {"number": 1, "name": "GPU-2", "maker": "AMD", "model": "MI300", "task_id": None},
    ]
    shown = sections(told(gpus=gpus))
    assert "slots and 1 of 2 GPUs at work" in shown["head"]
    assert "0: NVIDIA &lt;A100&gt;, given to" in shown["facts"]
    assert "1: AMD MI300, free" in shown["facts"]
    assert "GPU" not in sections(told())["head"] + sections(told())["facts"]
    assert gpus_told(gpus) == "0: NVIDIA <A100> (task 0xabcd…), 1: AMD MI300 (free)"
    assert gpus_told(()) is None


def setting(**members):
    return {
        "name": "schedule", "value": "always", "is_hidden": False, "origin": "default",
        "meaning": "when", "default": "always", **members,
    }  # fmt: skip


def test_settings_stand_on_the_page_with_what_they_come_to():
    hostile = setting(value='"><script>', meaning="<b>")
    found = {"settings": [hostile], "hours_a_week": 49.5, "problem": "x.toml: <i> is no TOML"}
    shown = sections(told(settings=found))["settings"]
    assert "works 49.5 h a week" in shown
    assert "&lt;i&gt; is no TOML" in shown
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert 'data-setting="schedule"' in shown


def test_a_setting_that_nobody_is_shown_is_not_offered_as_its_mask():
    found = {
        "settings": [setting(name="notify", value="***", is_hidden=True)],
        "hours_a_week": 1,
        "problem": None,
    }
    shown = sections(told(settings=found))["settings"]
    assert "***" not in shown
    assert "shown to nobody" in shown


def test_hosts_that_apps_reach_stand_on_the_page_and_in_the_status_with_why_they_do_not():
    allowed = {"allowed": ["a.example:443"], "reached": True, "problem": None}
    none = {**allowed, "reached": False, "problem": "<no> image"}
    assert "Hosts" not in sections(told())["facts"]
    assert "a.example:443, where an order asks" in sections(told(hosts=allowed))["facts"]
    assert "none of a.example:443: &lt;no&gt; image" in sections(told(hosts=none))["facts"]
    assert hosts_told({**told(hosts=none)}) == "none of a.example:443: <no> image"
    assert "not known yet" in hosts_told(told(hosts={**allowed, "reached": False}))
    assert hosts_told({}) == ""


def test_what_is_paid_out_to_whom_is_told_and_why_it_is_not():
    found = {
        "to": "0xcc", "keep_nrlc": 100 * 10**9, "least_nrlc": 10**9, "every_seconds": 86_400,
        "paid_nrlc": 70 * 10**9, "under_way_nrlc": None, "not_before": 0, "problem": None,
        "last": {"to": "0xcc", "nrlc": 20 * 10**9, "at": 1_700_000_000, "tx": "0x1", "block": 3},
    }  # fmt: skip
    facts = sections(told(payout=found))["facts"]
    for part in ("70\u00a0RLC to 0xcc", "last 20\u00a0RLC 2023-11-14", "above 100\u00a0RLC"):
        assert part in facts
    assert "not paid" not in facts
    facts = sections(told(payout={**found, "problem": "no <gas>"}))["facts"]
    assert "no &lt;gas&gt;" in facts
    assert "not paid" in facts
    assert "Paid out" not in sections(told(payout=None))["facts"]
    assert "Paid out" not in sections(told())["facts"]


def framework(name, *, proved=True, simulated=True, problem=None):
    at, level = (None, None) if not (proved or problem) else (1_800_000_000, "UpToDate")
    return {
        "framework": name, "proved": proved, "simulated": simulated, "tcb_status": level, "at": at,
        "problem": problem,
    }  # fmt: skip


def test_enclaves_stand_on_the_page_and_in_the_status_with_whether_the_pool_found_them_proved():
    found = [
        framework("tdx"),
        framework("gramine", proved=False, simulated=False, problem="no <quote>"),
        framework("scone", proved=False, simulated=False),
    ]
    shown = sections(told(tee=found))["facts"]
    assert 'tdx <span class="badge good">proved</span> <time datetime="2027-01-15T08' in shown
    assert shown.count("SIMULATED: nothing is kept secret there") == 1
    assert "firmware UpToDate" in shown
    assert "no &lt;quote&gt;" in shown
    assert "has asked for no proof yet" in shown
    assert "Enclaves" not in sections(told())["facts"]
    lines = tee_lines(told(tee=found), str)
    assert lines[0] == (
        "tdx (SIMULATED: nothing is kept secret there): proved at 1800000000, the pool found its "
        "firmware UpToDate"
    )
    assert lines[1] == "gramine: not proved at 1800000000, no <quote>"
    assert tee_lines({}, str) == []
