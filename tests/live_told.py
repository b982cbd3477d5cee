"""What a worker tells whoever watches it, made up."""

from __future__ import annotations


def told(**members):
    """What ``GET /v1/live`` tells of a worker that holds nothing and has read nothing."""
    return {
        "name": "ann", "worker": "0xaa", "workerpool": "0xbb", "folder": "/w", "version": "1",
        "connected": True, "problem": None, "paused": None, "draining": False, "slots": 2,
        "working": 0, "chain": {"block": 7, "stalled_since": None}, "earnings": None,
        "stake": {"free_nrlc": None, "locked_nrlc": None}, "gas": {"balance_wei": None},
        "gas_days": None, "score": None, "idle_causes": [], "owner_messages": [], "replicates": [], "progress": {},
        "output": {}, "locks": {"tasks": [], "other_nrlc": None},
        "offers": {"accepted": 0, "seen": 0}, "sandbox": None, "gpus": [], "tee": [],
        "hosts": {"allowed": [], "reached": False, "problem": None},
        "settings": {"settings": [], "hours_a_week": 168.0, "problem": None},
        **members,
    }  # fmt: skip


def replicate(name, **members):
    """What it tells of a task that it has contributed."""
    return {
        "task_id": name, "status": "CONTRIBUTED", "meaning": "", "trouble": "",
        "stake_locked_nrlc": 0, "unlocks_at": None, "reveal_by": None, "history": [{"at": 1}],
        **members,
    }  # fmt: skip


def step(name):
    """How far such a task is, whose next step has this name."""
    return {
        "done": 4, "steps": 6, "next_step": name, "computing_since": None, "computed_at": None,
        "contribute_by": 0,
    }  # fmt: skip
