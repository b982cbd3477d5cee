"""Quotes of a simulated root through the real verifier: what holds, and each attack on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.attestation.collateral import CollateralKey, QuoteCollateral
from poolhand.attestation.own_files import NoSimulatedRoot
from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.attestation.simulated_root import (
    CLOCK_SLACK,
    COLLATERAL_SECONDS,
    SimulatedLevel,
    SimulatedRoot,
)
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.ids import Address
from poolhand.domain.tee.evidence import Attested, Evidence, QuotePolicy, TcbStatus
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.tee.measurement import ExpectedMeasurement, Measurement, measure_service
from poolhand.domain.tee.refusal import AttestationRefused, CollateralMissing, RefusalReason
from poolhand.domain.tee.report_data import worker_report_data
from poolhand.domain.units import UnixSeconds

NOW = UnixSeconds(1_800_000_000)
ROOT = SimulatedRoot(NOW)
MACHINE = ROOT.machine()
TRUST = ROOT.trust()
IMAGE = "sha256:" + "a" * 64
WORKER, POOL = Address(b"w" * 20), Address(b"p" * 20)
DATA = worker_report_data(b"nonce", WORKER, POOL, 134)
SIMULATED = QuotePolicy(accepts_simulated=True)
MEASURED = {
    kind: measure_service(framework, IMAGE)
    for framework in TeeFramework
    for kind in [framework.evidence]
}


def evidence(kind: EvidenceKind = EvidenceKind.TDX, **options: bool) -> Evidence:
    return MACHINE.evidence(MEASURED[kind], DATA, **options)


async def verify(
    found: Evidence,
    policy: QuotePolicy = SIMULATED,
    data: bytes = DATA,
    *,
    trust: SimulatedTrust | None = TRUST,
    now: int = NOW,
) -> Attested:
    verifier = DcapVerifier(None, [trust] if trust else [])
    return await verifier.verify(found, policy, data, UnixSeconds(now))


async def reason(*args: object, **options: object) -> RefusalReason:
    with pytest.raises(AttestationRefused) as refused:
        await verify(*args, **options)  # type: ignore[arg-type]
    return refused.value.reason


@pytest.mark.parametrize("framework", TeeFramework)
async def test_a_quote_proves_what_runs_and_says_that_it_is_simulated(framework):
    measured = measure_service(framework, IMAGE, ("run",))
    policy = QuotePolicy((ExpectedMeasurement.of(measured),), accepts_simulated=True)
    attested = await verify(MACHINE.evidence(measured, DATA), policy)
    assert attested.measurement == measured
    assert attested.is_simulated
    assert attested.tcb_status is TcbStatus.UP_TO_DATE
    assert attested.expires == NOW - CLOCK_SLACK + COLLATERAL_SECONDS


async def test_what_an_enclave_says_of_product_and_version_is_read():
    measured = Measurement(
        EvidenceKind.SGX, b"e" * 32, signer=b"s" * 32, product=513, security_version=7
    )
    assert (await verify(MACHINE.evidence(measured, DATA))).measurement == measured


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_quote_that_is_replayed_has_another_nonce(kind):
    later = worker_report_data(b"later", WORKER, POOL, 134)
    assert await reason(evidence(kind), data=later) is RefusalReason.REPORT_DATA


async def test_a_quote_serves_no_other_worker_pool_or_chain():
    for data in (
        worker_report_data(b"nonce", POOL, POOL, 134),
        worker_report_data(b"nonce", WORKER, WORKER, 134),
        worker_report_data(b"nonce", WORKER, POOL, 1),
    ):
        assert await reason(evidence(), data=data) is RefusalReason.REPORT_DATA


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_collateral_that_is_stale_proves_nothing(kind):
    late = NOW + COLLATERAL_SECONDS
    assert await reason(evidence(kind), now=late) is RefusalReason.COLLATERAL_STALE
    assert (await verify(evidence(kind), now=late - CLOCK_SLACK - 1)).is_simulated


async def test_a_clock_that_is_behind_is_told_of():
    early = NOW - CLOCK_SLACK - 1
    assert await reason(evidence(), now=early) is RefusalReason.COLLATERAL_NOT_YET_VALID


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_an_enclave_that_its_owner_can_read_is_refused(kind):
    assert await reason(evidence(kind, debug=True)) is RefusalReason.DEBUG


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_another_program_is_refused(kind):
    policy = QuotePolicy(
        (ExpectedMeasurement(kind, b"x" * len(MEASURED[kind].code)),), accepts_simulated=True
    )
    assert await reason(evidence(kind), policy) is RefusalReason.MEASUREMENT


async def test_a_level_that_was_revoked_is_refused_whatever_the_policy_takes():
    trust = ROOT.trust(SimulatedLevel(TcbStatus.REVOKED))
    lenient = replace(SIMULATED, statuses=frozenset(TcbStatus))
    assert await reason(evidence(), lenient, trust=trust) is RefusalReason.TCB_REVOKED


async def test_a_level_below_what_is_asked_is_refused():
    trust = ROOT.trust(SimulatedLevel(TcbStatus.OUT_OF_DATE, ("INTEL-SA-00615",)))
    assert await reason(evidence(), trust=trust) is RefusalReason.TCB_LEVEL
    lenient = replace(SIMULATED, statuses=frozenset({TcbStatus.OUT_OF_DATE}))
    assert await reason(evidence(), lenient, trust=trust) is RefusalReason.ADVISORY
    named = replace(lenient, advisories=frozenset({"INTEL-SA-00615"}))
    assert (await verify(evidence(), named, trust=trust)).advisories == ("INTEL-SA-00615",)


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_machine_whose_certificate_was_revoked_is_refused(kind):
    trust = ROOT.trust(revoked=[MACHINE.serial])
    assert await reason(evidence(kind), trust=trust) is RefusalReason.CERTIFICATE_REVOKED
    other = ROOT.machine().evidence(MEASURED[kind], DATA)
    assert (await verify(other, trust=trust)).is_simulated


async def test_who_certifies_machines_can_be_revoked():
    trust = ROOT.trust(revokes_platform=True)
    assert await reason(evidence(), trust=trust) is RefusalReason.CERTIFICATE_REVOKED


async def test_a_simulated_root_that_was_not_named_is_refused():
    assert await reason(evidence(), trust=None) is RefusalReason.ROOT_NOT_TRUSTED
    other = SimulatedRoot(NOW).trust()
    assert await reason(evidence(), trust=other) is RefusalReason.ROOT_NOT_TRUSTED


async def test_a_simulated_root_is_refused_where_the_policy_does_not_accept_it_by_name():
    assert await reason(evidence(), QuotePolicy()) is RefusalReason.SIMULATED


class OfIntel:
    """Gives the same collateral for every machine."""

    def __init__(self, collateral: QuoteCollateral) -> None:
        self.collateral_given = collateral

    async def collateral(self, key: CollateralKey, now: UnixSeconds) -> QuoteCollateral:
        return self.collateral_given


async def test_a_simulated_quote_that_says_it_is_real_fails_at_intels_root():
    verifier = DcapVerifier(OfIntel(TRUST.collateral[EvidenceKind.TDX]))
    lie = replace(evidence(), is_simulated=False)
    with pytest.raises(AttestationRefused):
        await verifier.verify(lie, SIMULATED, DATA, NOW)


async def test_a_quote_of_intels_is_not_judged_without_collateral():
    with pytest.raises(CollateralMissing, match="pccs"):
        await verify(replace(evidence(), is_simulated=False), trust=None)


async def test_what_was_told_of_the_kind_is_not_believed():
    told = replace(evidence(EvidenceKind.SGX), kind=EvidenceKind.TDX)
    assert await reason(told) is RefusalReason.WRONG_KIND


async def test_collateral_of_another_authority_is_refused():
    forged = replace(TRUST, collateral=SimulatedRoot(NOW).trust().collateral)
    assert await reason(evidence(), trust=forged) in {
        RefusalReason.ROOT_NOT_TRUSTED,
        RefusalReason.COLLATERAL_INVALID,
    }


async def test_levels_that_somebody_changed_are_refused():
    kind = EvidenceKind.TDX
    text = ROOT.trust(SimulatedLevel(TcbStatus.REVOKED)).collateral[kind].to_json()
    changed = QuoteCollateral.of_json(text.replace("Revoked", "UpToDate"))
    trust = replace(TRUST, collateral={kind: changed})
    assert await reason(evidence(kind), trust=trust) is RefusalReason.COLLATERAL_INVALID


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_quote_that_is_cut_off_is_refused(kind):
    whole = evidence(kind)
    for size in (0, 1, 47, 48, 431, 432, 436, 700, len(whole.quote) // 2, len(whole.quote) - 1):
        cut = replace(whole, quote=whole.quote[:size])
        assert await reason(cut) is not None


@pytest.mark.parametrize("kind", EvidenceKind)
@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
async def test_whatever_bytes_come_are_refused_and_nothing_else_happens(kind, data):
    quote = bytearray(evidence(kind).quote)
    places = data.draw(
        st.lists(st.integers(0, len(quote) - 1), min_size=1, max_size=4, unique=True)
    )
    for place in places:
        quote[place] ^= data.draw(st.integers(1, 255))
    tail = data.draw(st.binary(max_size=64))
    start = data.draw(st.sampled_from([0, 0, 0, 1, 48]))
    changed = Evidence(kind, bytes(quote[start:]) + tail, is_simulated=True)
    try:
        await verify(changed)
    except AttestationRefused:
        return
    # what was changed is not signed: text between the certificates
    signed = 48 + (384 if kind is EvidenceKind.SGX else 584)
    assert start == 0
    assert min(places) > signed + 64


@settings(max_examples=examples(60), deadline=None)
@given(raw=st.binary(max_size=600), kind=st.sampled_from(EvidenceKind))
async def test_a_strangers_bytes_are_refused(raw, kind):
    assert await reason(Evidence(kind, raw)) is not None


async def test_a_quote_may_not_be_large():
    whole = evidence()
    assert (
        await reason(replace(whole, quote=whole.quote + bytes(40_000))) is RefusalReason.MALFORMED
    )


async def test_root_and_machine_travel_in_files(tmp_path):
    trusted, machine = tmp_path / "trust.json", tmp_path / "machine.json"
    TRUST.save(trusted)
    MACHINE.save(machine)
    assert machine.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in trusted.read_bytes()
    quoter = SimulatedTeeMachine.load(machine).quoter(MEASURED[EvidenceKind.SGX])
    found = await quoter.quote(DATA)
    assert (await verify(found, trust=SimulatedTrust.load(trusted))).is_simulated


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": "other"}', '{"format": "poolhand simulated TEE root 1"}']
)
def test_another_file_is_no_simulated_root(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(NoSimulatedRoot, match="--simulated-tee"):
        SimulatedTrust.load(path)
    with pytest.raises(NoSimulatedRoot, match="--simulated-tee"):
        SimulatedTeeMachine.load(path)
