"""A simulated root of trust: it vouches for machines that have no hardware to keep secrets.

It is made anew at each start, so that no key of it lies anywhere longer than the network that it
serves. What it signs passes the same verifier as Intel's; who verifies has to name it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from Crypto.PublicKey import ECC
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from poolhand.attestation.collateral import QuoteCollateral
from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.attestation.simulated_pki import (
    SimulatedAuthority,
    machine_extension,
    revocations,
    simulated_authority,
)
from poolhand.attestation.simulated_quotes import (
    MACHINE_SVN,
    PCE_SVN,
    QE_ATTRIBUTES,
    QE_PRODUCTS,
    QE_SIGNER,
    QE_VERSION,
    QuotingKeys,
)
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.units import UnixSeconds

MODEL: Final = "00906ED50000"
"""FMSPC of every simulated machine."""
COLLATERAL_SECONDS: Final = 30 * 86_400
"""For which collateral is valid, as Intel's is."""
CLOCK_SLACK: Final = 3_600
"""Seconds that a verifier's clock may be behind the root's."""
_QE_IDS: Final = {EvidenceKind.SGX: "QE", EvidenceKind.TDX: "TD_QE"}


@dataclass(frozen=True, slots=True)
class SimulatedLevel:
    """What a simulated root says of its machines: how they stand, which advisories concern them."""

    status: TcbStatus = TcbStatus.UP_TO_DATE
    advisories: tuple[str, ...] = ()


class SimulatedRoot:
    """Authorities of one network; the keys live in this object alone."""

    def __init__(self, now: UnixSeconds) -> None:
        """Make all keys and certificates, valid since an hour."""
        self._since = UnixSeconds(now - CLOCK_SLACK)
        self._root = simulated_authority("SGX Root CA", self._since, levels=1)
        self._platform = simulated_authority(
            "SGX PCK Platform CA", self._since, self._root, levels=0
        )
        self._signing = simulated_authority("SGX TCB Signing", self._since, self._root)

    def machine(self) -> SimulatedTeeMachine:
        """Make one machine with a certificate of its own."""
        extension = machine_extension(MACHINE_SVN, PCE_SVN, bytes.fromhex(MODEL))
        certified = simulated_authority(
            "SGX PCK Certificate", self._since, self._platform, extension=extension
        )
        machine, attestation = ECC.import_key(_der(certified.key)), ECC.generate(curve="P-256")
        return SimulatedTeeMachine(
            QuotingKeys(machine, attestation, certified.chain.encode()),
            certified.certificate.serial_number,
        )

    def trust(
        self,
        level: SimulatedLevel = SimulatedLevel(),
        revoked: Collection[int] = (),
        issued: UnixSeconds | None = None,
        *,
        revokes_platform: bool = False,
    ) -> SimulatedTrust:
        """Return what verifiers need.

        Args:
            level: Of all machines.
            revoked: Serial numbers of machines' certificates.
            issued: When the collateral becomes valid; None: with the root.
            revokes_platform: Whether the certificate of who certifies machines is revoked.
        """
        since = self._since if issued is None else issued
        until = UnixSeconds(since + COLLATERAL_SECONDS)
        platform = (self._platform.certificate.serial_number,) if revokes_platform else ()
        revocation_lists = (
            revocations(self._root, since, until, platform),
            revocations(self._platform, since, until, revoked),
        )
        return SimulatedTrust(
            self._root.certificate.public_bytes(Encoding.DER),
            {
                kind: _collateral(
                    kind, self._signing, self._platform, revocation_lists, level, (since, until)
                )
                for kind in EvidenceKind
            },
        )


def _collateral(
    kind: EvidenceKind,
    signing: SimulatedAuthority,
    platform: SimulatedAuthority,
    revocation_lists: tuple[bytes, bytes],
    level: SimulatedLevel,
    times: tuple[UnixSeconds, UnixSeconds],
) -> QuoteCollateral:
    levels = json.dumps(_levels(kind, level, times), separators=(",", ":"))
    identity = json.dumps(_quoting_enclave(kind, times), separators=(",", ":"))
    return QuoteCollateral.of_parts(
        pck_crl_issuer_chain=platform.chain,
        root_ca_crl=revocation_lists[0],
        pck_crl=revocation_lists[1],
        tcb_info_issuer_chain=signing.chain,
        tcb_info=levels,
        tcb_info_signature=signing.signature(levels.encode()),
        qe_identity_issuer_chain=signing.chain,
        qe_identity=identity,
        qe_identity_signature=signing.signature(identity.encode()),
    )


def _times(times: tuple[UnixSeconds, UnixSeconds]) -> dict[str, Any]:
    issued, until = (datetime.fromtimestamp(each, UTC) for each in times)
    form = "%Y-%m-%dT%H:%M:%SZ"
    return {
        "issueDate": issued.strftime(form),
        "nextUpdate": until.strftime(form),
        "tcbEvaluationDataNumber": 1,
    }


def _levels(
    kind: EvidenceKind, level: SimulatedLevel, times: tuple[UnixSeconds, UnixSeconds]
) -> dict[str, Any]:
    """Return what Intel calls TCB info, version 3."""
    components = [{"svn": each} for each in MACHINE_SVN]
    is_tdx = kind is EvidenceKind.TDX
    zeros = {"attributes": "00" * 8, "attributesMask": "FF" * 8, "mrsigner": "00" * 48}
    guest = [{"svn": MACHINE_SVN[0]}, {"svn": 0}, *components[2:]]
    parts = {"sgxtcbcomponents": components, "pcesvn": PCE_SVN}
    return {
        "id": kind.upper(),
        "version": 3,
        **_times(times),
        "fmspc": MODEL,
        "pceId": "0000",
        "tcbType": 0,
        **({"tdxModule": zeros} if is_tdx else {}),
        "tcbLevels": [
            {
                "tcb": {**parts, **({"tdxtcbcomponents": guest} if is_tdx else {})},
                "tcbDate": "2020-01-01T00:00:00Z",
                "tcbStatus": level.status.value,
                "advisoryIDs": list(level.advisories),
            }
        ],
    }


def _quoting_enclave(kind: EvidenceKind, times: tuple[UnixSeconds, UnixSeconds]) -> dict[str, Any]:
    """Return what Intel calls the QE identity, version 2."""
    return {
        "id": _QE_IDS[kind],
        "version": 2,
        **_times(times),
        "miscselect": "00" * 4,
        "miscselectMask": "FF" * 4,
        "attributes": QE_ATTRIBUTES.hex(),
        "attributesMask": "FB" + "FF" * 7 + "00" * 8,
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": QE_PRODUCTS[kind],
        "tcbLevels": [
            {
                "tcb": {"isvsvn": QE_VERSION},
                "tcbDate": "2020-01-01T00:00:00Z",
                "tcbStatus": TcbStatus.UP_TO_DATE.value,
            }
        ],
    }


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
