"""A machine for which a simulated root vouches: it quotes whatever it is told to.

It needs nothing beyond what every worker has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from Crypto.PublicKey import ECC

from poolhand.attestation.own_files import NoSimulatedRoot, check_format
from poolhand.attestation.simulated_quotes import QuotingKeys, simulated_quote
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.evidence import Evidence
from poolhand.domain.tee.measurement import Measurement
from poolhand.domain.text import shown

_MACHINE_FORMAT: Final = "poolhand simulated TEE machine 1"
_MOST_MACHINE: Final = 65_536


@dataclass(frozen=True, slots=True)
class SimulatedTeeMachine:
    """A machine for which a simulated root vouches: it quotes whatever it is told to.

    Attributes:
        keys: What it quotes with.
        serial: Of its certificate, by which its root can revoke it.
    """

    keys: QuotingKeys = field(repr=False)
    serial: int

    def evidence(
        self, measured: Measurement, report_data: bytes, *, debug: bool = False
    ) -> Evidence:
        """Return evidence that this runs here; ``debug``: that its owner can read it."""
        quote = simulated_quote(self.keys, measured, report_data, debug=debug)
        return Evidence(measured.kind, quote, is_simulated=True)

    def quoter(self, measured: Measurement) -> SimulatedQuoter:
        """Return who quotes for one service."""
        return SimulatedQuoter(self, measured)

    def save(self, path: Path) -> None:
        """Write it, keys and all, so that its user alone can read it."""
        keys = self.keys
        told = {
            "format": _MACHINE_FORMAT,
            "machine": _pem(keys.machine),
            "attestation": _pem(keys.attestation),
            "chain": keys.chain.decode(),
            "serial": str(self.serial),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that ``save`` wrote.

        Raises:
            NoSimulatedRoot: There is none, or it is another file.
        """
        try:
            with path.open("rb") as file:
                told: Mapping[str, str] = parse_json(file.read(_MOST_MACHINE))
            check_format(told, _MACHINE_FORMAT)
            machine, attestation = _key(told["machine"]), _key(told["attestation"])
            keys = QuotingKeys(machine, attestation, told["chain"].encode())
            return cls(keys, int(told["serial"]))
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as fault:
            raise NoSimulatedRoot(
                f"{path} is no simulated machine ({shown(str(fault), 200)}): name the file that "
                "whoever simulates enclaves gave this worker, or leave --simulated-tee out"
            ) from None


@dataclass(frozen=True, slots=True)
class SimulatedQuoter:
    """Quotes for one service of a simulated machine; see ``ports.attestation.Quoter``."""

    machine: SimulatedTeeMachine
    measured: Measurement

    async def quote(self, report_data: bytes) -> Evidence:
        """Return simulated evidence that carries these 64 bytes."""
        return self.machine.evidence(self.measured, report_data)


def _pem(key: ECC.EccKey) -> str:
    return str(key.export_key(format="PEM"))


def _key(pem: str) -> ECC.EccKey:
    key = ECC.import_key(pem)
    if key.curve != "NIST P-256" or not key.has_private():
        raise ValueError("a key of another kind is in it")
    return key
