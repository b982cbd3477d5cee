"""Quotes of a simulated machine for what a worker is about to run: a *simulation*, by its name.

Nothing measures the container. What is quoted is what the worker says that it runs, image and
words: a worker that lies is told secrets of what it does not run. A simulation cannot hold more.
"""

from __future__ import annotations

import structlog

from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.ports.tee import RelayedQuote, TeeServiceProgram

log = structlog.get_logger()


class SimulatedServiceQuoter:
    """Implements ``ports.tee.ServiceQuoter`` without any hardware.

    Args:
        machine: For which a simulated root vouches.
        framework: In which services are said to run.
    """

    def __init__(self, machine: SimulatedTeeMachine, framework: TeeFramework) -> None:
        self._machine, self._framework = machine, framework

    async def quote(self, program: TeeServiceProgram, report_data: bytes) -> RelayedQuote:
        """Quote a program; see ``ServiceQuoter.quote``."""
        measured = measure_service(self._framework, f"sha256:{program.digest}", program.command)
        made = self._machine.evidence(measured, report_data)
        log.warning("simulated_quote_made", image=program.image, tee="simulated")
        return RelayedQuote(made.kind.value, f"0x{made.quote.hex()}")
