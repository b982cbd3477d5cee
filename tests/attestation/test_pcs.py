"""Collateral from a provisioning service: fetched, kept, refreshed, and told when it cannot be had."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from made_pccs import MadePccs
from poolhand.attestation.collateral import CollateralKey, QuoteCollateral
from poolhand.attestation.pcs import COLLATERAL_FRESH_SECONDS, PCS_RETRY_SECONDS, PcsCollateral
from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.simulated_root import COLLATERAL_SECONDS, MODEL, SimulatedRoot
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.refusal import CollateralMissing
from poolhand.domain.units import UnixSeconds

NOW = UnixSeconds(1_800_000_000)
ROOT = SimulatedRoot(NOW)
KEY = CollateralKey(EvidenceKind.TDX, MODEL, "platform")
URL = "https://pccs.example"


@pytest.fixture
def service() -> MadePccs:
    return MadePccs(ROOT.trust().collateral)


@pytest.fixture
async def http(service):
    async with httpx.AsyncClient(transport=httpx.MockTransport(service.answer)) as client:
        yield client


async def test_what_the_service_gives_verifies_a_quote(service, http, tmp_path):
    source = PcsCollateral(http, tmp_path, URL)
    found = await source.collateral(KEY, NOW)
    trust = SimulatedTrust(ROOT.trust().root, {KEY.kind: found})
    measured = measure_service(TeeFramework.TDX, "image")
    evidence = ROOT.machine().evidence(measured, b"d" * 64)
    policy = QuotePolicy(accepts_simulated=True)
    await DcapVerifier(None, [trust]).verify(evidence, policy, b"d" * 64, NOW)


async def test_it_is_asked_once_a_day_and_a_restart_asks_nothing(service, http, tmp_path):
    source = PcsCollateral(http, tmp_path, URL)
    await source.collateral(KEY, NOW)
    await source.collateral(KEY, NOW)
    await PcsCollateral(http, tmp_path, URL).collateral(KEY, UnixSeconds(NOW + 1))
    assert len(service.asked) == 4
    await source.collateral(KEY, UnixSeconds(NOW + COLLATERAL_FRESH_SECONDS))
    assert len(service.asked) == 8


async def test_a_service_that_is_away_leaves_what_is_known(service, http, tmp_path):
    source = PcsCollateral(http, tmp_path, URL)
    known = await source.collateral(KEY, NOW)
    service.down = True
    late = UnixSeconds(NOW + COLLATERAL_SECONDS)
    assert await source.collateral(KEY, late) == known


async def test_a_service_that_fails_is_not_asked_for_every_quote(service, http, tmp_path):
    source = PcsCollateral(http, tmp_path, URL)
    service.down = True
    for _ in range(3):
        with pytest.raises(CollateralMissing):
            await source.collateral(KEY, NOW)
    assert len(service.asked) == 1
    service.down = False
    assert isinstance(
        await source.collateral(KEY, UnixSeconds(NOW + PCS_RETRY_SECONDS)), QuoteCollateral
    )


@pytest.mark.parametrize("odd", [b"", b"{}", b"[1]", b"x" * 2_000_000, b'{"tcbInfo":"{"}'])
async def test_odd_answers_are_no_collateral(service, http, tmp_path, odd):
    service.odd = odd
    with pytest.raises(CollateralMissing, match="pccs-url"):
        await PcsCollateral(http, tmp_path, URL).collateral(KEY, NOW)
    assert not list(tmp_path.iterdir())


async def test_a_kept_file_that_is_damaged_is_fetched_anew(service, http, tmp_path):
    await PcsCollateral(http, tmp_path, URL).collateral(KEY, NOW)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({"at": "x"}))
    await PcsCollateral(http, tmp_path, URL).collateral(KEY, NOW)
    assert len(service.asked) == 8


async def test_what_is_at_hand_waits_for_no_other_models_answer(tmp_path):
    async def answer(request):
        if "50906" in str(request.url):
            await asyncio.Event().wait()  # this model's answer never comes
        return MadePccs(ROOT.trust().collateral).answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        source = PcsCollateral(http, tmp_path, URL)
        await source.collateral(KEY, NOW)
        other = CollateralKey(EvidenceKind.TDX, "509060000000", "platform")
        hangs = asyncio.create_task(source.collateral(other, NOW))
        await asyncio.sleep(0)
        await source.collateral(KEY, NOW)
        hangs.cancel()


@pytest.mark.parametrize(
    "key",
    [
        CollateralKey(EvidenceKind.SGX, "../../x", "platform"),
        CollateralKey(EvidenceKind.SGX, MODEL, "other"),
    ],
)
async def test_a_strangers_model_names_no_file(service, http, tmp_path, key):
    with pytest.raises(CollateralMissing):
        await PcsCollateral(http, tmp_path, URL).collateral(key, NOW)
    assert not service.asked
