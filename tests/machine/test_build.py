"""What builds the machine: the address of a pool, which strangers choose, is nothing but a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_carries_out_nothing_of_a_pools_address(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    stub = tmp_path / "scripts" / "vm" / "build"
    stub.parent.mkdir(parents=True)
    stub.write_text('#!/bin/sh\nprintf %s "$POOL_URL" >seen\n')
    stub.chmod(0o755)
    url = "https://lab.example/$(shell touch made);touch run;`touch run`$(touch run)'\""
    told = {**os.environ, "POOL_URL": url}
    subprocess.run(["make", "-o", "setup", "vm"], cwd=tmp_path, env=told, check=True)
    assert (tmp_path / "seen").read_text() == url
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Makefile", "scripts", "seen"]


def test_what_is_no_address_is_refused_before_anything_is_built(tmp_path):
    told = {
        "PATH": os.environ["PATH"],
        "POOL_URL": "pool.example",
        "VM_WORK": str(tmp_path / "work"),
    }
    done = subprocess.run(
        ["sh", ROOT / "scripts" / "vm" / "build"],
        check=False,
        env=told,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "POOL_URL is no address of a pool (https://...): pool.example" in done.stderr
    assert list(tmp_path.iterdir()) == []
