"""The parts of a worker's page."""

from __future__ import annotations

from poolhand.worker.page.sections import sections


def told(**members):
    """What ``GET /v1/live`` tells of a worker that holds nothing and has read nothing."""
    return {
        "name": "ann", "worker": "0xaa", "workerpool": "0xbb", "folder": "/w", "version": "1",
        "connected": True, "problem": None, "paused": None, "draining": False, "slots": 2,
        "working": 0, "chain": {"block": 7, "stalled_since": None}, "earnings": None,
        "stake": {"free_nrlc": None, "locked_nrlc": None}, "gas": {"balance_wei": None},
        "gas_days": None, "score": None, "idle_causes": [], "replicates": [], "progress": {},
        "output": {}, "locks": {"tasks": [], "other_nrlc": None},
        "offers": {"accepted": 0, "seen": 0},
        **members,
    }  # fmt: skip


def replicate(name):
    return {
        "task_id": name, "status": "CONTRIBUTED", "meaning": "", "trouble": "",
        "stake_locked_nrlc": 0, "unlocks_at": None, "reveal_by": None,
    }  # fmt: skip


def step(name):
    return {
        "done": 4, "steps": 6, "next_step": name, "computing_since": None, "computed_at": None,
        "contribute_by": 0,
    }  # fmt: skip


def test_what_waits_for_others_to_contribute_takes_no_slot():
    held = [f"0x{number:064x}" for number in range(5)]
    found = told(
        working=1,
        replicates=[replicate(name) for name in held],
        progress={name: step("reveal") for name in held},
    )
    assert "1 of 2 slots at work" in sections(found)["head"]


def test_a_worker_of_which_nothing_is_known_yet_has_a_whole_page():
    parts = sections(told())
    assert "The chain is being read" in parts["earnings"]
    assert "0 of 2 slots at work" in parts["head"]


def test_gas_that_lasts_for_ages_is_told_as_such():
    gas = {"balance_wei": 10**22}
    assert "over 10 years" in sections(told(gas=gas, gas_days=198_536.0))["figures"]
    assert "2.5 days" in sections(told(gas=gas, gas_days=2.5))["figures"]
