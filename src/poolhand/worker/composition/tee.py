"""Who gives quotes for a worker's enclaves, and how its confidential tasks are run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from poolhand.attestation.quoting import GramineQuoter, NoQuoter, TsmQuoter
from poolhand.attestation.simulated_machine import SimulatedTeeMachine
from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.ports.attestation import Quoter
from poolhand.ports.clock import Clock
from poolhand.ports.signer import Signer, WalletKey
from poolhand.settings.worker import WorkerSettings
from poolhand.transport.tee_session_client import HttpTeeSessions
from poolhand.wire.handshake import PoolFacts
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.reports import PoolLink
from poolhand.worker.tee.computing import TeeTerms
from poolhand.worker.tee.memory_folders import MemoryFolders
from poolhand.worker.tee.packing import install_launcher
from poolhand.worker.tee.simulated_quoter import SimulatedServiceQuoter
from poolhand.worker.tee_proofs import OwnTeeProofs

WORKER_IMAGE = "poolhand worker"
"""What a simulated machine says that runs there, where it proves itself and no app."""
_NO_SCONE = (
    "a worker outside of an enclave gets no quote of SCONE's: its tasks prove themselves to the "
    "secret management service"
)

LAUNCHER_PLACE: Final = "launcher"
"""Folder in the worker's own of what proves what runs in containers."""

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


def own_tee_proofs(
    settings: WorkerSettings,
    member: PoolMember,
    link: PoolLink,
    wallet: WalletKey,
    facts: PoolFacts,
    clock: Clock,
    tasks: asyncio.TaskGroup,
) -> OwnTeeProofs:
    """Make what proves a worker's enclaves to its pool, and let it hear of the pool's questions.

    Raises:
        NoSimulatedRoot: The file of a simulated machine that was named is none.
    """
    quoters, simulated = tee_quoters(settings), settings.simulated_tee is not None
    where = wallet.address, facts.workerpool, facts.chain_id
    made = OwnTeeProofs(quoters, link, *where, clock.now, tasks, simulated=simulated)
    member.joined.connect(made.forget)
    member.told_of_tee.connect(made.hear)
    return made


def confidential_terms(settings: WorkerSettings, signer: Signer) -> TeeTerms | None:
    """Return how confidential tasks are run: in a simulation alone, on this computer's engine.

    In a TDX guest the whole guest is measured, and a task's containers are not told apart; and at a
    stronger level of the sandbox no socket leads into a container. None: no such task is taken.

    Raises:
        NoSimulatedRoot: The file of a simulated machine that was named is none.
        NoMemoryFolder: What they write would lie on a disk.
        OSError: The launcher cannot be laid down.
    """
    framework, file = TeeFramework.TDX, settings.simulated_tee
    here = settings.cluster is None and settings.sandbox == SandboxLevel.RUNC
    if file is None or framework not in settings.tee or not here:
        return None
    memory = MemoryFolders(settings.base)
    memory.check()
    memory.discard_all()  # of a life that was killed: what was opened lies there in clear
    machine, rule = SimulatedTeeMachine.load(file), AllowedPlaces.of(settings).rule
    return TeeTerms(
        install_launcher(settings.base / LAUNCHER_PLACE),
        memory,
        SimulatedServiceQuoter(machine, framework),
        partial(HttpTeeSessions, framework=framework, signer=signer, rule=rule),
        frozenset({framework}),
        is_simulated=True,
    )
