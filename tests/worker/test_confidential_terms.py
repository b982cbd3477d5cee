"""Which workers run confidential tasks: those that simulate it by name, on their own engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.attestation.own_files import NoSimulatedRoot
from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.domain.ids import TaskId
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.ports.tee import TeeServiceProgram
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.worker.composition.tee import confidential_terms
from poolhand.worker.tee.memory_folders import MemoryFolders

WALLET = Wallet.from_key(bytes([1]) * 32)
TDX = TeeFramework.TDX


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "machine.json"
    SimulatedRoot(UnixSeconds(1_790_000_000)).machine().save(file)
    nobody = "0x" + "11" * 20
    flags = {
        "core-url": "http://127.0.0.1:1", "pool-address": nobody, "hub": nobody,
        "base-dir": str(tmp_path / "worker"), "wallet": "unused", "rpc": "http://127.0.0.1:1",
        "allow-private": "true", "allow-http": "true", "tee": "tdx", "sandbox": "runc",
        "simulated-tee": str(file),
    }  # fmt: skip
    given = {key: value for key, value in flags.items() if key in {e.key for e in WORKER_OPTIONS}}
    return worker_settings(load(WORKER_OPTIONS, given, {}, None), {}, 4)


async def test_a_worker_that_simulates_by_name_runs_what_needs_tdx(settings):
    left = MemoryFolders(settings.base).of(TaskId(bytes([9]) * 32))
    left.create()  # by a life that was killed: what lies there is in clear
    terms = confidential_terms(settings, WALLET)
    assert not left.root.parent.exists()
    assert (terms.frameworks, terms.is_simulated) == (frozenset({TDX}), True)
    assert (terms.launcher / "lib" / "loader").is_file()
    made = await terms.quoter.quote(TeeServiceProgram("i", "ab" * 32, ()), bytes(64))
    assert made.kind == "tdx"
    assert terms.sessions("http://secrets")


@pytest.mark.parametrize(
    "change", [{"tee": ()}, {"simulated_tee": None}, {"sandbox": "gvisor"}, {"sandbox": "auto"}]
)
def test_any_other_runs_none(settings, change):
    assert confidential_terms(replace(settings, **change), WALLET) is None


def test_a_file_that_is_no_machine_is_refused(settings, tmp_path):
    with pytest.raises(NoSimulatedRoot):
        confidential_terms(replace(settings, simulated_tee=tmp_path / "none"), WALLET)
