"""What is asked of a verified quote, and which reason a refusal has."""

from dataclasses import replace

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.tag import Tag
from poolhand.domain.tee.evidence import (
    Attested,
    QuotePolicy,
    QuoteReport,
    TcbStatus,
    check_report,
)
from poolhand.domain.tee.framework import EvidenceKind, NoOneFramework, TeeFramework, framework_of
from poolhand.domain.tee.known_breaks import TWO_AGREE, enclave_notes
from poolhand.domain.tee.measurement import (
    BadMeasurement,
    ExpectedMeasurement,
    Measurement,
    measure_service,
)
from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason
from poolhand.domain.tee.report_data import bound_report_data, worker_report_data
from poolhand.domain.trust import (
    Score,
    Trust,
    contributions_needed,
    newcomers_needed,
    worker_weight,
)
from poolhand.domain.units import UnixSeconds

SGX = Measurement(EvidenceKind.SGX, b"e" * 32, (), b"s" * 32, product=3, security_version=7)
TDX = Measurement(EvidenceKind.TDX, b"t" * 48, (b"0" * 48, b"1" * 48, b"2" * 48, b"3" * 48))
DATA = b"d" * 64
ANY = QuotePolicy()


def report(measured: Measurement = SGX, **changed: object) -> QuoteReport:
    size = 16 if measured.kind is EvidenceKind.SGX else 8
    attested = Attested(
        measured, TcbStatus.UP_TO_DATE, (), is_simulated=False, expires=UnixSeconds(9)
    )
    return QuoteReport(replace(attested, **changed), bytes([4]) + bytes(size - 1), DATA)  # type: ignore[arg-type]


def safe(found: QuoteReport) -> QuoteReport:
    return (
        found
        if found.attested.measurement.kind is EvidenceKind.SGX
        else replace(found, attributes=bytes(8))
    )


def reason(found: QuoteReport, policy: QuotePolicy = ANY, data: bytes = DATA) -> RefusalReason:
    with pytest.raises(AttestationRefused) as refused:
        check_report(safe(found), policy, data)
    assert str(refused.value.reason) in str(refused.value)
    return refused.value.reason


def test_what_is_asked_is_enough() -> None:
    policy = QuotePolicy((ExpectedMeasurement.of(SGX), ExpectedMeasurement.of(TDX)))
    for measured in (SGX, TDX):
        assert check_report(safe(report(measured)), policy, DATA).measurement == measured
        assert check_report(safe(report(measured)), ANY, DATA).measurement == measured


def test_a_simulated_root_is_accepted_by_name_alone() -> None:
    found = report(is_simulated=True)
    assert reason(found) is RefusalReason.SIMULATED
    assert check_report(found, QuotePolicy(accepts_simulated=True), DATA).is_simulated


@pytest.mark.parametrize(
    ("status", "advisories", "wanted"),
    [
        (TcbStatus.REVOKED, (), RefusalReason.TCB_REVOKED),
        (TcbStatus.OUT_OF_DATE, (), RefusalReason.TCB_LEVEL),
        (TcbStatus.SW_HARDENING_NEEDED, ("INTEL-SA-00615", "INTEL-SA-9"), RefusalReason.ADVISORY),
    ],
)
def test_a_machine_that_is_not_up_to_date_is_refused(
    status: TcbStatus, advisories: tuple[str, ...], wanted: RefusalReason
) -> None:
    lenient = QuotePolicy(
        statuses=frozenset(
            {TcbStatus.UP_TO_DATE, TcbStatus.SW_HARDENING_NEEDED, TcbStatus.REVOKED}
        ),
        advisories=frozenset({"INTEL-SA-00615"}),
    )
    assert reason(report(tcb_status=status, advisories=advisories), lenient) is wanted


def test_an_advisory_that_is_named_is_accepted() -> None:
    lenient = QuotePolicy(
        statuses=frozenset({TcbStatus.SW_HARDENING_NEEDED}),
        advisories=frozenset({"INTEL-SA-00615"}),
    )
    found = report(tcb_status=TcbStatus.SW_HARDENING_NEEDED, advisories=("INTEL-SA-00615",))
    assert check_report(found, lenient, DATA).advisories == ("INTEL-SA-00615",)


@pytest.mark.parametrize("attributes", [bytes([6]) + bytes(15), b""])
def test_a_debug_enclave_is_refused(attributes: bytes) -> None:
    assert reason(replace(report(), attributes=attributes)) is RefusalReason.DEBUG


@pytest.mark.parametrize("bit", range(8))
def test_a_guest_with_any_debug_bit_is_refused(bit: int) -> None:
    found = replace(report(TDX), attributes=bytes([1 << bit]) + bytes(7))
    with pytest.raises(AttestationRefused) as refused:
        check_report(found, ANY, DATA)
    assert refused.value.reason is RefusalReason.DEBUG


@pytest.mark.parametrize("data", [b"D" * 64, b"", b"d" * 63, b"d" * 65])
def test_report_data_of_another_key_is_refused(data: bytes) -> None:
    assert reason(report(), data=data) is RefusalReason.REPORT_DATA


@pytest.mark.parametrize(
    ("expected", "wanted"),
    [
        (ExpectedMeasurement(EvidenceKind.SGX, b"x" * 32), RefusalReason.MEASUREMENT),
        (ExpectedMeasurement(EvidenceKind.TDX), RefusalReason.MEASUREMENT),
        (ExpectedMeasurement(EvidenceKind.SGX, signer=b"x" * 32), RefusalReason.MEASUREMENT),
        (ExpectedMeasurement(EvidenceKind.SGX, registers=(b"0" * 48,)), RefusalReason.MEASUREMENT),
        (ExpectedMeasurement(EvidenceKind.SGX, product=4), RefusalReason.PRODUCT),
        (
            ExpectedMeasurement(EvidenceKind.SGX, least_security_version=8),
            RefusalReason.SECURITY_VERSION,
        ),
    ],
)
def test_another_program_is_refused(expected: ExpectedMeasurement, wanted: RefusalReason) -> None:
    assert reason(report(), QuotePolicy((expected,))) is wanted


def test_each_register_that_is_named_is_compared() -> None:
    named = ExpectedMeasurement(EvidenceKind.TDX, TDX.code, (None, b"1" * 48))
    assert check_report(safe(report(TDX)), QuotePolicy((named,)), DATA).measurement == TDX
    other = replace(named, registers=(None, b"9" * 48))
    assert reason(report(TDX), QuotePolicy((other,))) is RefusalReason.MEASUREMENT


def test_a_kind_that_was_not_asked_for_is_refused() -> None:
    policy = QuotePolicy(kinds=frozenset({EvidenceKind.TDX}))
    assert reason(report(), policy) is RefusalReason.WRONG_KIND


def test_a_measurement_has_the_length_of_its_kind() -> None:
    with pytest.raises(BadMeasurement, match="48"):
        Measurement(EvidenceKind.TDX, b"short")
    with pytest.raises(BadMeasurement, match="register"):
        Measurement(EvidenceKind.TDX, b"t" * 48, (b"short",))


@pytest.mark.parametrize("framework", TeeFramework)
def test_a_framework_is_told_by_its_tag(framework: TeeFramework) -> None:
    assert framework_of(framework.tag) is framework
    assert framework_of(framework.tag.union(Tag.of(("gpu",)))) is framework
    assert framework_of(Tag.of(("gpu",))) is None


@pytest.mark.parametrize("names", [("tee",), ("tdx",), ("tee", "tdx", "scone")])
def test_a_tag_without_one_framework_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(NoOneFramework, match="exactly one"):
        framework_of(Tag.of(names))


def test_a_service_is_measured_by_image_command_and_framework() -> None:
    image = "sha256:" + "a" * 64
    every = [
        measure_service(framework, digest, command)
        for framework in TeeFramework
        for digest in (image, image[:-1] + "b")
        for command in ((), ("run",), ("run", ""), ("ru", "n"))
    ]
    assert len({each.code for each in every}) == len(every)
    assert measure_service(TeeFramework.TDX, image) == measure_service(TeeFramework.TDX, image)


@pytest.mark.parametrize("framework", TeeFramework)
def test_whoever_buys_is_told_what_enclaves_do_not_keep(framework: TeeFramework) -> None:
    alone, together = (enclave_notes(framework.tag, Trust(each)) for each in (2, 3))
    assert all(each in alone[0] for each in ("WireTap", "Battering RAM", "TEE.fail"))
    assert "--trust 3" in alone[1]
    assert [newcomers_needed(Trust(each)) for each in (TWO_AGREE - 1, TWO_AGREE)] == [1, 2]
    (low, high) = (worker_weight(Score(each)) for each in (11, 12))
    assert contributions_needed(TWO_AGREE, {}, (), low) == 2
    assert contributions_needed(TWO_AGREE, {}, (), high) == 1
    assert together == alone[:1]
    assert enclave_notes(Tag.of(("gpu",)), Trust(1)) == ()


def test_report_data_of_one_purpose_serves_no_other() -> None:
    one, other = Address(b"1" * 20), Address(b"2" * 20)
    every = {
        worker_report_data(b"n", one, other, 1),
        worker_report_data(b"m", one, other, 1),
        worker_report_data(b"n", other, one, 1),
        worker_report_data(b"n", one, other, 2),
        bound_report_data(b"other", b"n", one, other, (1).to_bytes(32, "big")),
        bound_report_data(b"p", b"ab", b"c"),
        bound_report_data(b"p", b"a", b"bc"),
    }
    assert len(every) == 7
    assert {len(each) for each in every} == {64}
