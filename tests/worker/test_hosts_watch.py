"""The pool is told which hosts apps can reach: those of the settings, while the engine can."""

from __future__ import annotations

import pytest

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.network_hosts import read_hosts
from poolhand.transport.clock import SystemClock
from poolhand.worker.composition.cluster import hosts_watch
from poolhand.worker.engines import WorkerEngine

HOSTS = read_hosts(["a.example"], 1)


class Engine:
    lack: str | Exception | None = None

    async def hosts_lack(self):
        if isinstance(self.lack, Exception):
            raise self.lack
        return self.lack


class Member:
    def __init__(self):
        self.told, self.lacks = [], []

    def allow_hosts(self, hosts, lack):
        self.told.append(hosts)
        self.lacks.append(lack)


@pytest.mark.parametrize("lack", ["no image", RuntimeDown("no engine")], ids=["image", "engine"])
async def test_hosts_are_told_while_nothing_is_lacking(lack):
    engine, member = Engine(), Member()
    made = WorkerEngine(None, None, 1, hosts_lack=engine.hosts_lack)
    watch = hosts_watch(made, member, HOSTS, SystemClock())
    for now in (None, None, lack, lack, None):
        engine.lack = now
        await watch.look()
    assert member.told == [HOSTS, (), HOSTS]
    assert member.lacks == [None, str(lack), None]


async def test_on_a_cluster_no_host_is_told():
    member = Member()
    await hosts_watch(WorkerEngine(None, None, 1), member, HOSTS, SystemClock()).look()
    assert member.told == [()]


def test_without_hosts_in_the_settings_nothing_is_looked_at():
    assert hosts_watch(WorkerEngine(None, None, 1), Member(), (), SystemClock()) is None
