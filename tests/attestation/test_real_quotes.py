"""Quotes of real machines, verified offline at a fixed time.

Nothing fetched is committed and no package brings samples, so they are taken from a folder that
``POOLHAND_QUOTE_SAMPLES`` names: ``NAME`` (a quote) beside ``NAME_collateral.json``, as in the
folder ``sample`` of dcap-qvl's sources.
"""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from made_pccs import MadePccs
from poolhand.attestation.collateral import CollateralKey, QuoteCollateral
from poolhand.attestation.pcs import PcsCollateral
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.tee.evidence import Evidence, QuotePolicy, TcbStatus
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason
from poolhand.domain.units import UnixSeconds

FOLDER = os.environ.get("POOLHAND_QUOTE_SAMPLES", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="no folder with quotes of real machines (POOLHAND_QUOTE_SAMPLES)"
)
HARDENED = QuotePolicy(
    statuses=frozenset({TcbStatus.UP_TO_DATE, TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED}),
    advisories=frozenset({"INTEL-SA-00289", "INTEL-SA-00615"}),
)


class Known:
    def __init__(self, name: str) -> None:
        self.found = QuoteCollateral.of_json((Path(FOLDER) / f"{name}_collateral.json").read_text())
        self.keys: list[CollateralKey] = []

    async def collateral(self, key: CollateralKey, now: UnixSeconds) -> QuoteCollateral:
        self.keys.append(key)
        return self.found


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_real_machine_is_verified_at_a_fixed_time(kind):
    quote = (Path(FOLDER) / f"{kind}_quote").read_bytes()
    known = Known(f"{kind}_quote")
    verifier, now = DcapVerifier(known), UnixSeconds(known.found.issued + 60)
    size = 48 + (384 if kind is EvidenceKind.SGX else 584)
    data = quote[size - 64 : size]
    attested = await verifier.verify(Evidence(kind, quote), HARDENED, data, now)
    assert not attested.is_simulated
    assert len(known.keys[0].model) == 12
    assert known.keys[0].authority in {"processor", "platform"}
    for wrong, wanted in (
        (known.found.issued - 1, RefusalReason.COLLATERAL_NOT_YET_VALID),
        (known.found.expires, RefusalReason.COLLATERAL_STALE),
    ):
        with pytest.raises(AttestationRefused) as refused:
            await verifier.verify(Evidence(kind, quote), HARDENED, data, UnixSeconds(wrong))
        assert refused.value.reason is wanted
    changed = quote[:200] + bytes([quote[200] ^ 1]) + quote[201:]
    with pytest.raises(AttestationRefused) as refused:
        await verifier.verify(Evidence(kind, changed), HARDENED, data, now)
    assert refused.value.reason is RefusalReason.SIGNATURE


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_real_machine_is_verified_by_what_a_provisioning_service_gives(kind, tmp_path):
    quote = (Path(FOLDER) / f"{kind}_quote").read_bytes()
    found = Known(f"{kind}_quote").found
    size = 48 + (384 if kind is EvidenceKind.SGX else 584)
    now, data = UnixSeconds(found.issued + 60), quote[size - 64 : size]
    with MadePccs({kind: found}).serving() as url:
        async with httpx.AsyncClient(trust_env=False) as http:
            verifier = DcapVerifier(PcsCollateral(http, tmp_path, url))
            told = await verifier.verify(Evidence(kind, quote), HARDENED, data, now)
    assert not told.is_simulated
