"""What builds the machine: the address of a pool, which strangers choose, is nothing but a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

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


def build_by_nobody(folder, url):
    """Return what the build tells who is not root."""
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    told = {"PATH": f"{folder}:{os.environ['PATH']}", "VM_WORK": str(folder / "work")} | url
    done = subprocess.run(
        ["sh", ROOT / "scripts" / "vm" / "build"],
        check=False,
        env=told,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert not (folder / "work").exists()
    return done.stderr


def test_the_advice_to_who_is_not_root_keeps_the_pool(tmp_path):
    told = build_by_nobody(tmp_path, {"POOL_URL": "https://lab.example"})
    assert "the same line again with sudo --preserve-env=POOL_URL make vm" in told


@pytest.mark.parametrize(
    ("url", "pool"),
    [
        ({"POOL_URL": "https://lab.example"}, "building for https://lab.example\n"),
        ({}, "building for any pool (POOL_URL names one)"),
    ],
)
def test_a_build_says_for_which_pool_it_is(tmp_path, url, pool):
    assert pool in build_by_nobody(tmp_path, url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pool.example", "POOL_URL is no address of a pool (https://...): pool.example"),
        ("https://pool.example\x1b[2J", "POOL_URL has a character that no address has"),
        ("https://pool.example\nhttps://b.example", "POOL_URL has a character that no address"),
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_built(tmp_path, url, said):
    told = {
        "PATH": os.environ["PATH"],
        "POOL_URL": url,
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
    assert said in done.stderr
    assert "\x1b" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_start_of_the_machine_sleeps_before_it_looks_for_its_disk():
    text = (ROOT / "scripts" / "vm" / "build").read_text(encoding="utf-8")
    (kernel_line,) = [line for line in text.splitlines() if line.lstrip().startswith("APPEND ")]
    assert "root=LABEL=sysroot" in kernel_line
    assert "rootdelay" not in kernel_line
