"""Enclaves of a computer: none is needed, and each lack is told with what helps."""

from __future__ import annotations

import pytest

from poolhand.domain.doctor.enclaves import TeeFacts, judge_tee
from poolhand.domain.doctor.findings import CheckOutcome

IN_KERNEL = ("/dev/sgx_enclave", "/dev/sgx_provision")
LOCKED, SGX_ON = 1, 1 << 18


@pytest.mark.mistake("no-sgx-driver")
def test_sgx_is_never_needed_and_its_steps_are_told():
    bare = judge_tee(TeeFacts(sgx_processor=True))
    assert bare.outcome is CheckOutcome.PASS
    assert "BIOS" in bare.fix
    assert "driver" in bare.fix


@pytest.mark.parametrize(
    ("facts", "found", "fix"),
    [
        (TeeFacts(), "neither", "BIOS"),
        (TeeFacts(sgx_silicon=False), "neither", "BIOS"),
        (TeeFacts(sgx_silicon=True), "does not see", "BIOS"),
        (
            TeeFacts(sgx_silicon=True, feature_control=LOCKED),
            "BIOS has switched SGX off",
            "restart",
        ),
        (TeeFacts(sgx_silicon=True, feature_control=0), "nobody has locked", "BIOS"),
        (TeeFacts(sgx_silicon=True, feature_control=LOCKED | SGX_ON), "built without", "5.11"),
        (TeeFacts(sgx_processor=True, kernel=(5, 4)), "no driver", "DCAP driver"),
        (TeeFacts(sgx_processor=True, kernel=(6, 1)), "launch control", "unlocked"),
        (TeeFacts(sgx_processor=True, launch_control=True, kernel=(6, 1)), "no driver", "dmesg"),
        (
            TeeFacts(sgx_devices=("/dev/isgx",)),
            "/dev/isgx, of a driver that gives no quotes",
            "5.11",
        ),
        (TeeFacts(sgx_devices=IN_KERNEL[:1]), "no /dev/sgx_provision", "DCAP driver"),
        (TeeFacts(sgx_devices=IN_KERNEL), "aesmd does not listen", "sgx-aesm-service"),
        (
            TeeFacts(sgx_devices=IN_KERNEL, sgx_service=True, versions=(1, 2)),
            "SGX1 and SGX2",
            "--tee gramine",
        ),
        (TeeFacts(tdx_guest=True), "without its driver", "tdx_guest"),
        (TeeFacts(tdx_devices=("/dev/tdx_guest",)), "without reports", "6.7"),
        (TeeFacts(tdx_devices=("/dev/tdx_guest",), tdx_reports=True), "gets quotes", "--tee tdx"),
        (TeeFacts(tdx_host=True), "offers TDX", ""),
        (TeeFacts(snp=True), "SEV-SNP is there (without its driver)", ""),
        (TeeFacts(sev_devices=("/dev/sev-guest",), snp=True), "/dev/sev-guest", ""),
    ],
)
def test_what_is_there_is_told_with_what_helps(facts, found, fix):
    told = judge_tee(facts)
    assert told.outcome is CheckOutcome.PASS
    assert found in told.found
    assert fix in told.fix


def test_a_guest_comes_before_what_its_processor_has_besides():
    both = TeeFacts(tdx_devices=("/dev/tdx_guest",), tdx_reports=True, sgx_devices=IN_KERNEL)
    assert "TDX guest" in judge_tee(both).found
