"""Files of a devnet's *simulated* enclaves: who names which, what they prove, and to whom."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.attestation.verifier import DcapVerifier
from poolhand.devnet.simulated_tee import SimulatedTeeFiles, stage_properties
from poolhand.devnet.tee_images import STAGE_COMMANDS
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import ExpectedMeasurement, measure_service
from poolhand.domain.tee.refusal import AttestationRefused
from poolhand.domain.tee.session import Service
from poolhand.transport.clock import SystemClock
from poolhand.wire.sms_api import TeeProperties

TDX = TeeFramework.TDX
STAGES = SimpleNamespace(digest="ab" * 32, pinned="registry/stages@sha256:" + "ab" * 32)
DATA = b"d" * 64


@pytest.fixture
def files(tmp_path):
    made = SimulatedTeeFiles(tmp_path)
    made.make(STAGES, ["worker1", "worker2"])
    return made


def machine(files, name):
    return SimulatedTeeMachine.load(Path(files.of_worker(name)["POOLHAND_SIMULATED_TEE"]))


async def verified(files, evidence, *expected):
    trust = SimulatedTrust.load(Path(files.of_pool["POOLHAND_SIMULATED_TEE"]))
    policy = QuotePolicy(expected, accepts_simulated=True)
    return await DcapVerifier(None, [trust]).verify(evidence, policy, DATA, SystemClock().now())


async def test_each_workers_machine_proves_itself_to_whoever_names_the_root(files):
    assert files.of_sms["POOLHAND_SMS_SIMULATED_TEE"] == files.of_pool["POOLHAND_SIMULATED_TEE"]
    measured = measure_service(TDX, "image")
    serials = set()
    for name in ("worker1", "worker2"):
        assert files.of_worker(name)["POOLHAND_TEE"] == TDX.value
        made = machine(files, name)
        serials.add(made.serial)
        assert (await verified(files, made.evidence(measured, DATA))).is_simulated
    assert len(serials) == 2


async def test_what_runs_around_apps_proves_to_be_what_the_properties_say(files):
    told = stage_properties(STAGES)
    for service, stage in (
        (Service.PRE_COMPUTE, told.preComputeProperties),
        (Service.POST_COMPUTE, told.postComputeProperties),
    ):
        words = STAGE_COMMANDS[service]
        assert (stage.image, stage.entrypoint.split()) == (STAGES.pinned, list(words))
        runs = measure_service(TDX, f"sha256:{STAGES.digest}", words)
        expected = ExpectedMeasurement(runs.kind, bytes.fromhex(stage.fingerprint))
        evidence = machine(files, "worker1").evidence(runs, DATA)
        assert await verified(files, evidence, expected)
        other = machine(files, "worker1").evidence(measure_service(TDX, "other", words), DATA)
        with pytest.raises(AttestationRefused):
            await verified(files, other, expected)


def test_the_service_reads_the_properties_and_nobody_else_the_keys(files):
    told = Path(files.of_sms["POOLHAND_SMS_TEE_PROPERTIES"]).read_text(encoding="utf-8")
    assert TeeProperties.model_validate(json.loads(told)["tdx"]) == stage_properties(STAGES)
    for name in ("worker1", "worker2"):
        key = Path(files.of_worker(name)["POOLHAND_SIMULATED_TEE"])
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.parent.stat().st_mode & 0o777 == 0o700
    root = Path(files.of_pool["POOLHAND_SIMULATED_TEE"]).read_text(encoding="utf-8")
    assert "PRIVATE" not in root


async def test_another_start_is_another_root(tmp_path, files):
    old = machine(files, "worker1").evidence(measure_service(TDX, "image"), DATA)
    files.make(STAGES, ["worker1"])
    with pytest.raises(AttestationRefused):
        await verified(files, old)
