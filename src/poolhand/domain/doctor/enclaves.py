"""Has this computer enclaves: what its processor, BIOS, kernel and drivers say, and what to do.

Source: Linux, ``Documentation/arch/x86/sgx.rst`` and ``tdx.rst``,
``arch/x86/kernel/cpu/feat_ctl.c``; Intel SDM 3D 34 (CPUID leaf 0x12), 4 (MSR 0x3A).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from poolhand.domain.doctor.findings import Check, Finding, passed
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.units import show_moment

SGX_KERNEL: Final = (5, 11)
"""The first Linux that has SGX's driver itself."""
REPORTS_KERNEL: Final = (6, 7)
"""The first Linux in which a TDX guest gets quotes by configfs-tsm."""
_LOCKED, _LAUNCH_CONTROL, _SGX_ON = 1 << 0, 1 << 17, 1 << 18
"""Of IA32_FEATURE_CONTROL, which the BIOS sets and locks until the next start."""


@dataclass(frozen=True, slots=True)
class TeeFacts:
    """What a machine has of trusted execution.

    Attributes:
        sgx_processor: The kernel says that the processor has SGX, and that it is switched on.
        launch_control: And that it may launch enclaves of any signer (FLC).
        sgx_silicon: CPUID says that the processor has SGX, on or off; None: nobody could ask it.
        versions: Of SGX, as CPUID tells: 1, 2.
        feature_control: What the BIOS has set (MSR 0x3A); None: nobody could read it.
        sgx_devices: Files of drivers.
        sgx_service: Whether Intel's aesmd listens, by which programs get quotes.
        tdx_devices: Files of a TDX guest's driver.
        tdx_reports: Whether the kernel makes reports (configfs-tsm).
        tdx_guest: The kernel says that this is a TDX guest.
        tdx_host: The processor offers TDX to virtual machines.
        sev_devices: Files of AMD's SEV: of a guest, or of its host.
        snp: The kernel says that the processor has SEV-SNP.
        kernel: First two numbers of its version; None where they cannot be told.
    """

    sgx_processor: bool = False
    sgx_devices: tuple[str, ...] = ()
    tdx_devices: tuple[str, ...] = ()
    tdx_host: bool = False
    launch_control: bool = False
    sgx_silicon: bool | None = None
    versions: tuple[int, ...] = ()
    feature_control: int | None = None
    sgx_service: bool = False
    tdx_reports: bool = False
    tdx_guest: bool = False
    sev_devices: tuple[str, ...] = ()
    snp: bool = False
    kernel: tuple[int, int] | None = None


SGX_STEPS: Final = (
    "enable SGX in the BIOS if it has that option, then install Intel's driver (Linux has had it "
    "as /dev/sgx_enclave since 5.11)"
)
"""The seed's two steps, and what holds today."""
_NEWER: Final = "take a Linux of 5.11 or newer, which has the driver itself"
_DCAP: Final = f"{_NEWER}; on an older one install Intel's DCAP driver"
_GROUP: Final = "add the user to the group sgx_prv, then log in again"
_SERVICE: Final = "install and start Intel's aesmd (package sgx-aesm-service), which makes quotes"
_REPORTS: Final = (
    "take a Linux of 6.7 or newer with configfs mounted at /sys/kernel/config, by which a worker "
    "gets quotes"
)


def judge_tee(facts: TeeFacts, proved: Sequence[ProvedFramework] = ()) -> Finding:
    """Judge SGX, TDX and SEV-SNP, which no worker needs.

    Args:
        facts: Of this machine.
        proved: What the pool says that this worker has proved to it.
    """
    found, fix = next(told for told in (_guest(facts), _sgx(facts), _other(facts)) if told)
    return passed(Check.TEE, "; ".join((found, *map(_proved, proved))), "" if proved else fix)


def _proved(told: ProvedFramework) -> str:
    simulated = " SIMULATED, which keeps nothing secret," if told.is_simulated else ""
    return (
        f"the pool found {told.framework}{simulated} proved at {show_moment(told.at)}, firmware "
        f"{told.tcb_status}"
    )


def _guest(facts: TeeFacts) -> tuple[str, str] | None:
    if facts.tdx_reports and (facts.tdx_devices or facts.tdx_guest):
        return "this is a TDX guest that gets quotes", "--tee tdx shows it to the pool"
    if facts.tdx_devices:
        return f"this is a TDX guest ({', '.join(facts.tdx_devices)}) without reports", _REPORTS
    if facts.tdx_guest:
        return "this is a TDX guest without its driver", f"load the module tdx_guest; {_REPORTS}"
    return None


def _sgx(facts: TeeFacts) -> tuple[str, str] | None:
    if facts.sgx_devices:
        return _sgx_driver(facts)
    if facts.sgx_processor:
        return _sgx_without_driver(facts)
    return _sgx_is_off(facts.feature_control) if facts.sgx_silicon else None


def _sgx_is_off(control: int | None) -> tuple[str, str]:
    """Say why the kernel sees no SGX in a processor that has it, by what the BIOS has set."""
    if control is None:
        return "the processor has SGX and the kernel does not see it switched on", SGX_STEPS
    if control & _SGX_ON:
        return "SGX is switched on and this kernel was built without it", _NEWER
    if control & _LOCKED:
        found = "the BIOS has switched SGX off and locked that until the next start"
        return found, f"restart, and {SGX_STEPS}"
    return "SGX is off, and nobody has locked that", SGX_STEPS


def _sgx_driver(facts: TeeFacts) -> tuple[str, str]:
    found = f"found {', '.join(facts.sgx_devices)}{_versions(facts)}"
    if not any("enclave" in each for each in facts.sgx_devices):
        return f"{found}, of a driver that gives no quotes for DCAP", _DCAP
    if not any("provision" in each for each in facts.sgx_devices):
        return f"{found}, and no /dev/sgx_provision, without which there are no quotes", _DCAP
    if not facts.sgx_service:
        return f"{found}; aesmd does not listen", f"{_SERVICE}; {_GROUP}"
    return found, f"a worker in Gramine shows it by --tee gramine; {_GROUP} where it may not"


def _sgx_without_driver(facts: TeeFacts) -> tuple[str, str]:
    found = f"the processor has SGX{_versions(facts)} and no driver is found"
    if facts.kernel is None or facts.kernel < SGX_KERNEL:
        return found, f"{SGX_STEPS}: {_DCAP}"
    if not facts.launch_control:
        return (
            f"{found}: it has no flexible launch control, which Linux's driver needs",
            "let the BIOS set SGX launch control to unlocked, or use another computer",
        )
    return found, f"{SGX_STEPS}; this Linux should have it: look for sgx in `dmesg`"


def _versions(facts: TeeFacts) -> str:
    return f" (SGX{' and SGX'.join(map(str, facts.versions))})" if facts.versions else ""


def _other(facts: TeeFacts) -> tuple[str, str]:
    if facts.tdx_host:
        return "the processor offers TDX to virtual machines; none is needed", ""
    if facts.sev_devices or facts.snp:
        kind = "SEV-SNP" if facts.snp else "SEV"
        where = ", ".join(facts.sev_devices) or "without its driver"
        return f"AMD's {kind} is there ({where}); no framework of iExec's uses it", ""
    return "neither SGX nor TDX is found; none is needed", SGX_STEPS
