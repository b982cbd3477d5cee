"""What the doctor sees of a cluster, and what it says is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from poolhand.containers.slurm.client import Place
from poolhand.containers.slurm.look import look_at_cluster
from poolhand.containers.slurm.shared_files import find_init, is_static
from poolhand.domain.doctor.engine import SLURM
from poolhand.domain.errors import RuntimeDown

SINFO = 'case $1 in --version) echo "slurm 22.05.8";; *) echo "3/5/0/8|2";; esac'
NO_NODES = 'case $1 in --version) echo "slurm 22.05.8";; *) echo "0/0/8/8|2";; esac'


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that alone is searched for programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(**texts):
        for name, text in texts.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)

    return add


async def test_without_slurms_client_it_says_so(programs, tmp_path):
    programs()
    with pytest.raises(RuntimeDown, match="client installed here"):
        await look_at_cluster(tmp_path, Place())


async def test_a_partition_without_a_node_is_told_by_its_name(programs, tmp_path):
    programs(sinfo=NO_NODES)
    with pytest.raises(RuntimeDown, match="partition batch has no node that is up"):
        await look_at_cluster(tmp_path, Place("batch"))


async def test_what_fetches_images_and_what_begins_containers_are_missed(programs, tmp_path):
    programs(sinfo=SINFO)
    with pytest.raises(RuntimeDown, match="apt install skopeo"):
        await look_at_cluster(tmp_path, Place())
    programs(skopeo="", **{"tini-static": "a script is no program that runs in every image"})
    with pytest.raises(RuntimeDown, match="apt install tini"):
        await look_at_cluster(tmp_path, Place())


@pytest.mark.slurm
async def test_a_cluster_that_a_worker_can_use_is_described(slurm_found, tmp_path):
    facts = await look_at_cluster(tmp_path / "not" / "made" / "yet", Place())
    assert (facts.name, facts.platform.partition("/")[0]) == (SLURM, "linux")
    assert facts.found == "2 nodes with 8 processors, 8 of them free"
    assert facts.room is not None
    assert not (tmp_path / "not").exists()
    with pytest.raises(RuntimeDown, match="sinfo"):
        await look_at_cluster(tmp_path, Place("no-such-partition"))


@pytest.mark.slurm
def test_an_init_that_needs_libraries_is_passed_over(slurm_found):
    assert is_static(find_init())
    assert not is_static(Path(sys.executable).resolve())
    assert not is_static(Path(__file__))
