"""Who gives quotes for a worker's enclaves."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from poolhand.attestation.quoting import GramineQuoter, NoQuoter, TsmQuoter
from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.ports.attestation import Quoter
from poolhand.settings.worker import WorkerSettings

WORKER_IMAGE = "poolhand worker"
"""What a simulated machine says that runs there, where it proves itself and no app."""
_NO_SCONE = (
    "a worker outside of an enclave gets no quote of SCONE's: its tasks prove themselves to the "
    "secret management service"
)

log = structlog.get_logger()


def tee_quoters(settings: WorkerSettings) -> Mapping[TeeFramework, Quoter]:
    """Return who quotes for each framework that the operator names.

    Raises:
        NoSimulatedRoot: The file of a simulated machine that was named is none.
    """
    if settings.simulated_tee is None:
        own: dict[TeeFramework, Quoter] = {
            TeeFramework.TDX: TsmQuoter(),
            TeeFramework.GRAMINE: GramineQuoter(),
            TeeFramework.SCONE: NoQuoter(_NO_SCONE),
        }
        return {each: own[each] for each in settings.tee}
    machine = SimulatedTeeMachine.load(settings.simulated_tee)
    log.warning("tee_is_simulated", file=str(settings.simulated_tee), frameworks=settings.tee)
    return {each: machine.quoter(measure_service(each, WORKER_IMAGE)) for each in settings.tee}
