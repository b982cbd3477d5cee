"""What a machine has of enclaves, read from the kernel's files.

CPUID and the BIOS' setting are read through ``/dev/cpu/0``, which root may where the modules cpuid
and msr are loaded; without them that stays unknown.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from poolhand.domain.doctor.enclaves import TeeFacts

_SGX_FILES: Final = ("sgx_enclave", "sgx_provision", "sgx/enclave", "sgx/provision", "isgx")
_TDX_FILES: Final = ("tdx_guest", "tdx-guest")
_SEV_FILES: Final = ("sev-guest", "sev")
_AESMD: Final = "var/run/aesmd/aesm.socket"
_REPORTS: Final = "sys/kernel/config/tsm/report"
_SGX_LEAF, _FEATURES_LEAF = 0x12, 0x7
_FEATURE_CONTROL: Final = 0x3A


def look_at_enclaves(root: Path, words: set[str]) -> TeeFacts:
    """Read what there is.

    Args:
        root: Below which the kernel's files are.
        words: What the processor can do, in the kernel's words.
    """
    features = _leaf(root, _FEATURES_LEAF)
    silicon = None if features is None else bool(features[1] >> 2 & 1)
    sgx = _leaf(root, _SGX_LEAF) if silicon else None
    return TeeFacts(
        sgx_processor="sgx" in words,
        launch_control="sgx_lc" in words,
        sgx_silicon=silicon,
        versions=() if sgx is None else tuple(bit + 1 for bit in (0, 1) if sgx[0] >> bit & 1),
        feature_control=_feature_control(root),
        sgx_devices=_there(root, _SGX_FILES),
        sgx_service=(root / _AESMD).exists(),
        tdx_devices=_there(root, _TDX_FILES),
        tdx_reports=(root / _REPORTS).is_dir(),
        tdx_guest="tdx_guest" in words,
        tdx_host="tdx_host_platform" in words,
        sev_devices=_there(root, _SEV_FILES),
        snp="sev_snp" in words,
        kernel=_kernel(root),
    )


def _there(root: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"/dev/{each}" for each in names if (root / "dev" / each).exists())


def _leaf(root: Path, leaf: int) -> tuple[int, int, int, int] | None:
    """Return what CPUID answers: EAX, EBX, ECX, EDX."""
    found = _read_at(root / "dev/cpu/0/cpuid", leaf, 16)
    return struct.unpack("<4I", found) if found else None


def _feature_control(root: Path) -> int | None:
    found = _read_at(root / "dev/cpu/0/msr", _FEATURE_CONTROL, 8)
    return int.from_bytes(found, "little") if found else None


def _read_at(path: Path, place: int, size: int) -> bytes | None:
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            found = os.pread(file, size, place)
            return found if len(found) == size else None
        finally:
            os.close(file)
    return None


def _kernel(root: Path) -> tuple[int, int] | None:
    with suppress(OSError, ValueError):
        release = (root / "proc/sys/kernel/osrelease").read_text()
        major, minor = release.split(".")[:2]
        return int(major), int(minor.partition("-")[0])
    return None
