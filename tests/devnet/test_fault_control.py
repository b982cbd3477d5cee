"""Faults are set from another program; what cannot be brought about here is refused."""

from __future__ import annotations

import pytest

from poolhand.devnet.faults import (
    BadFault,
    Down,
    FaultClient,
    Faults,
    FullDisk,
    Partition,
)
from poolhand.devnet.faults.control import SOCKET, FaultRefused, NoFaultsHere, controlled
from poolhand.devnet.faults.faults import NoDiskOfItsOwn, NoEngineOfItsOwn
from poolhand.devnet.faults.grounds import Grounds
from poolhand.devnet.faults.line import Line, to_port
from poolhand.devnet.ports import free_port

CUT = Partition("worker-1", "pool")
SILENT = Partition("worker-1", "pool", silent=True)


@pytest.fixture
async def line():
    async with Line("pool", free_port(), to_port(free_port), dict) as running:
        yield running


@pytest.fixture
def grounds(line):
    """A devnet of a pool and a worker, without disk and engine of its own."""
    children = {"pool": None, "worker-1": None}
    return Grounds(None, None, {"pool": line}, children, {})


@pytest.fixture
async def faults(grounds):
    async with Faults(grounds) as running:
        yield running


async def test_faults_are_set_listed_and_cleared_over_the_socket(faults, tmp_path):
    client = FaultClient(tmp_path)
    async with controlled(faults, tmp_path):
        assert await client.set(CUT) == (CUT,)
        assert await client.in_force() == (CUT,)
        assert await client.clear(CUT) == ()
        await client.set(CUT)
        assert await client.clear_named("partition", ["worker-1"]) == ()
        await client.set(CUT)
        assert await client.clear_all() == ()


async def test_the_socket_is_its_owners_alone_and_gone_afterwards(faults, tmp_path):
    async with controlled(faults, tmp_path):
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / SOCKET).exists()
    with pytest.raises(NoFaultsHere, match="devnet up --faults"):
        await FaultClient(tmp_path).in_force()


async def test_a_folder_may_be_deeper_than_a_sockets_path_may_be_long(faults, tmp_path):
    deep = tmp_path / ("deep" * 40)
    deep.mkdir()
    async with controlled(faults, deep):
        assert await FaultClient(deep).in_force() == ()


async def test_the_devnets_own_words_come_back(faults, tmp_path):
    client = FaultClient(tmp_path)
    async with controlled(faults, tmp_path):
        with pytest.raises(FaultRefused, match="--disk worker-1"):
            await client.set(FullDisk("worker-1"))
        with pytest.raises(FaultRefused, match="nothing was cleared"):
            await client.clear(CUT)
        with pytest.raises(FaultRefused, match="ask to set"):
            await client._ask({"do": "dance"})
        with pytest.raises(FaultRefused, match="ask to set"):
            await client._ask({"do": "set"})


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (Down("docker"), NoEngineOfItsOwn, "left alone"),
        (FullDisk("pool"), NoDiskOfItsOwn, "no disk of its own"),
        (Partition("bob", "pool"), BadFault, "nobody called 'bob'"),
        (Partition("worker-1", "docker"), BadFault, "no line to 'docker'"),
        (Down("worker-9"), BadFault, "no program 'worker-9'"),
    ],
)
async def test_what_cannot_be_here_is_refused_and_not_in_force(faults, fault, kind, sentence):
    with pytest.raises(kind, match=sentence):
        await faults.set(fault)
    assert faults.in_force == ()


async def test_a_fault_set_again_replaces_itself(faults, line):
    await faults.set(CUT)
    await faults.set(SILENT)
    assert faults.in_force == (SILENT,)
    assert line._cuts == [SILENT]
    assert await faults.clear(CUT)
    assert line._cuts == []
    assert not await faults.clear(CUT)


async def test_no_fault_outlives_its_devnet(grounds, line):
    async with Faults(grounds) as faults:
        await faults.set(CUT)
    assert line._cuts == []
