"""Roots of trust: Intel's, which the verifying library has, and simulated ones that were named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from poolhand.attestation.collateral import MOST_COLLATERAL, QuoteCollateral
from poolhand.attestation.own_files import NoSimulatedRoot, check_format
from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.text import shown

SIMULATED_TRUST_FORMAT: Final = "poolhand simulated TEE root 1"


@dataclass(frozen=True, slots=True)
class SimulatedTrust:
    """What a verifier needs of a simulated root: its certificate, and collateral. Nothing secret.

    Attributes:
        root: Certificate (DER).
        collateral: By kind of evidence.
    """

    root: bytes
    collateral: Mapping[EvidenceKind, QuoteCollateral] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> SimulatedTrust:
        """Read a file that ``save`` wrote.

        Raises:
            NoSimulatedRoot: There is none, or it is another file.
        """
        try:
            told = parse_json(_bounded(path))
            check_format(told, SIMULATED_TRUST_FORMAT)
            return cls(
                x509.load_pem_x509_certificate(told["root"].encode()).public_bytes(Encoding.DER),
                {kind: QuoteCollateral.of_json(told["collateral"][kind]) for kind in EvidenceKind},
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError, Malformed) as fault:
            raise NoSimulatedRoot(
                f"{path} is no simulated root ({shown(str(fault), 200)}): name the file that "
                "whoever simulates enclaves gave you, or leave --simulated-tee out"
            ) from None

    def save(self, path: Path) -> None:
        """Write it for verifiers."""
        certificate = x509.load_der_x509_certificate(self.root)
        told = {
            "format": SIMULATED_TRUST_FORMAT,
            "root": certificate.public_bytes(Encoding.PEM).decode(),
            "collateral": {kind: each.to_json() for kind, each in self.collateral.items()},
        }
        path.write_text(json.dumps(told), encoding="utf-8")


def _bounded(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(2 * MOST_COLLATERAL).decode()
