"""``make gpu-check`` says what holds and what does not: here, over GPUs that compute nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from container_world import ENGINE

from simulated_gpus import make_nvidia

SCRIPT = Path(__file__).parents[2] / "scripts/gpu_check.py"


def check(root, engine):
    words = [sys.executable, str(SCRIPT), str(root)]
    environ = {**os.environ, "DOCKER_HOST": engine, "COLUMNS": "200"}
    done = subprocess.run(words, env=environ, check=False, capture_output=True, text=True)
    return done.returncode, " ".join(done.stdout.split()), done.stderr


def test_a_computer_without_a_gpu_is_told_so(tmp_path):
    code, told, _ = check(tmp_path, "unix:///nowhere")
    assert (code, told) == (
        3, "gpu-check: nothing was tried: this computer has no GPU that can be given"
    )  # fmt: skip


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
def test_a_computer_without_an_engine_is_told_so(tmp_path):
    code, told, _ = check(make_nvidia(tmp_path), f"unix://{tmp_path}/none")
    assert code == 3
    assert "nothing was tried: no container engine works at" in told


@pytest.mark.docker
@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
def test_gpus_that_compute_nothing_are_seen_alone_and_fail_the_check(tmp_path):
    code, told, fault = check(make_nvidia(tmp_path, 2), ENGINE)
    assert code == 1, (told, fault)
    for number in (0, 1):
        assert (
            f"is seen alone │ yes │ /dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia{number}"
            in told
        )
    assert told.count("computes │ NO") == 2
    assert "a container that is given none sees none │ yes │ no device" in told
