"""A confidential task computed: its services one after another, in one session.

Nothing of it is gone on with after a crash: a session tells each service its secrets once, and what
was opened lies in memory. So every run begins with the removal of what an earlier one has left, and
asks for a session of its own.

The service that keeps secrets forgets its sessions when it is started again, and nobody is told why
it tells nothing. So a run that is refused begins anew in another session, once; while the service
is away it is waited for.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.computed import OUTPUT_FOLDER
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.params import split_arguments
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.tee.exit_causes import sentence, told_cause
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import SERVICE_IN, Service, services_of
from poolhand.domain.text import shown
from poolhand.observe.private import sync_folder
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, Mount
from poolhand.ports.tee import ServiceQuoter, TeeServiceProgram, TeeSessions
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.brief import Brief
from poolhand.worker.task_folders import Folder
from poolhand.worker.task_rules import Rules
from poolhand.worker.tee.memory_folders import MemoryFolder, MemoryFolders
from poolhand.worker.tee.packing import launcher_words
from poolhand.worker.tee.relay import RelayedTask, ServiceRelay, ServiceReport
from poolhand.worker.tee.relay_line import (
    FETCHED_FOLDER,
    LAUNCHER_FOLDER,
    NOT_TOLD,
    PACKED_ARCHIVE,
    PACKED_FOLDER,
    RELAY_FOLDER,
    RELAY_SOCKET,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    SESSION_VARIABLE,
)

_SUFFIXES: Final = {
    Service.PRE_COMPUTE: "-tee-pre-compute",
    Service.APP: "",
    Service.POST_COMPUTE: "-tee-post-compute",
}
"""Of the containers' names, as iExec's worker has them."""
SECRETS_PAUSES: Final = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between looks for a service that keeps secrets and is away; then the run is given up."""
MOST_LOST_SESSIONS: Final = 1
"""Runs of one task that may begin anew because their session tells nothing."""
MOST_SERVICE_WORDS: Final = 300
"""Characters of what a service that is ours says last, for the worker's log."""
log = structlog.get_logger()


class TeeServiceFailed(Refused):
    """A service of a confidential task failed; the message says which, and who must act how."""


class SessionLost(TeeServiceFailed):
    """A service was told no secrets: it has not proved what it is, or the session is gone."""


class SecretsUnavailable(Unavailable):
    """The secret management service does not answer: nothing is wrong with the task."""


@dataclass(frozen=True, slots=True)
class ConfidentialOutputs:
    """What came out of a confidential task, signed by its enclave's key."""

    digest: ResultDigest
    callback_data: bytes | None
    enclave_sign: bytes


@dataclass(frozen=True, slots=True)
class TeeTerms:
    """How this worker runs confidential tasks.

    Attributes:
        launcher: The folder of the launcher (``packing.install_launcher``).
        memory: Where their files lie.
        quoter: Quotes what runs.
        sessions: Reaches the secret management service at a URL.
        frameworks: That it offers, as tags name them.
        is_simulated: Whether the quotes prove nothing but that this code works.
    """

    launcher: Path
    memory: MemoryFolders
    quoter: ServiceQuoter
    sessions: Callable[[str], TeeSessions]
    frameworks: frozenset[TeeFramework]
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of one task, in one session."""

    task: RelayedTask
    brief: Brief
    memory: MemoryFolder
    sessions: TeeSessions
    session: str


class ConfidentialComputation:
    """Runs confidential tasks.

    Args:
        terms: How.
        engine: Runs their containers.
        places: Say from where images may come.
        rules: What containers may do.
        cpus: Tells how many processors one may use.
        ended: Told how each run of an app ended.
        check: Tells an app's success from failure, by raising.
        clock: For pauses while the service that keeps secrets is away.
    """

    def __init__(
        self,
        terms: TeeTerms,
        engine: AppEngine,
        places: AllowedPlaces,
        rules: Rules,
        cpus: Callable[[], float],
        ended: Callable[[TaskId, ContainerOutcome], None],
        check: Callable[[ContainerOutcome, Brief], None],
        clock: Clock,
    ) -> None:
        self._terms, self._engine, self._places, self._clock = terms, engine, places, clock
        self._rules, self._cpus, self._ended, self._check = rules, cpus, ended, check

    async def compute(
        self, offer: Offer, brief: Brief, folder: Folder, image: str, worker: Address
    ) -> ConfidentialOutputs:
        """Run all services of a task; its archive is in ``folder`` then.

        Args:
            offer: Of the task.
            brief: Of its deal.
            folder: Where what was fetched is, and where the archive goes.
            image: The app's, to run.
            worker: Whose task it is.

        Raises:
            SessionRefused: There is no session for it.
            TeeServiceFailed: A service failed, or the enclave's key did not sign.
            SecretsUnavailable: The secret management service does not answer.
            RuntimeDown, ContainerRefused: As the engine says.
        """
        pauses, losses = iter(SECRETS_PAUSES), 0
        while True:
            try:
                return await self._in_one_session(offer, brief, folder, image, worker)
            except SessionLost as fault:
                losses, pause, cause = losses + 1, 0.0, str(fault)
                if losses > MOST_LOST_SESSIONS:
                    raise
            except SecretsUnavailable as fault:
                pause, cause = next(pauses, 0.0), str(fault)
                if not pause:
                    raise
            log.warning(
                "tee_session_begun_anew", task_id=str(offer.task_id), cause=cause, pause=pause
            )
            await self._clock.sleep(pause)

    async def _in_one_session(
        self, offer: Offer, brief: Brief, folder: Folder, image: str, worker: Address
    ) -> ConfidentialOutputs:
        await self.forget(offer.task_id)
        memory = self._terms.memory.of(offer.task_id)
        await asyncio.to_thread(memory.create)
        if self._terms.is_simulated:
            log.warning("simulated_tee_task_begun", task_id=str(offer.task_id), tee="simulated")
        try:
            sessions = self._terms.sessions(offer.secrets_url)
            try:
                session = await sessions.open(offer, worker)
            except Unavailable as fault:
                raise SecretsUnavailable(str(fault)) from fault
            task = RelayedTask(offer.task_id, worker, offer.enclave)
            run = _Run(task, brief, memory, sessions, session)
            return await self._all_services(run, folder, image)
        finally:
            await self.forget(offer.task_id)

    async def forget(self, task_id: TaskId) -> None:
        """Remove the containers of a task and what it has in memory; none is fine."""
        for suffix in _SUFFIXES.values():
            await self._engine.remove(self._engine.container(task_id) + suffix)
        await asyncio.to_thread(self._terms.memory.discard, task_id)

    async def _all_services(self, run: _Run, folder: Folder, image: str) -> ConfidentialOutputs:
        memory, params = run.memory, run.brief.params
        if Service.PRE_COMPUTE in services_of(run.brief.deal, params):
            fetched = Mount(str(folder.input), FETCHED_FOLDER, writable=False)
            opened = Mount(str(memory.input), SERVICE_IN, writable=True)
            await self._stage(run, Service.PRE_COMPUTE, (fetched, opened))
        await self._app(run, image)
        out = Mount(str(memory.output), OUTPUT_FOLDER, writable=False)
        packed = Mount(str(memory.packed), PACKED_FOLDER, writable=True)
        report = await self._stage(run, Service.POST_COMPUTE, (out, packed))
        if report.computed is None:
            raise TeeServiceFailed(sentence("POST_COMPUTE_SEND_COMPUTED_FILE_FAILED"))
        made = memory.packed / PACKED_ARCHIVE
        await asyncio.to_thread(_bring, made, folder, is_encrypted=params.result_encryption)
        signed = report.computed
        data = signed.callback_data if run.brief.deal.has_callback else None
        return ConfidentialOutputs(signed.digest, data, signed.signature)

    async def _app(self, run: _Run, image: str) -> None:
        brief, memory = run.brief, run.memory
        command = split_arguments(brief.params.args or "")
        name, _, digest = image.partition("@sha256:")
        program = TeeServiceProgram(name, digest, command)
        read = Mount(str(memory.input), SERVICE_IN, writable=False)
        written = Mount(str(memory.output), OUTPUT_FOLDER, writable=True)
        spec = self._spec(run, Service.APP, (read, written), image, command)
        if self._rules.limits.work:
            spec = replace(spec, workplace=str(memory.work))
        _, outcome = await self._served(run, Service.APP, program, spec)
        self._ended(run.task.task_id, outcome)
        self._check(outcome, brief)

    async def _stage(self, run: _Run, service: Service, mounts: tuple[Mount, ...]) -> ServiceReport:
        """Run what comes before or after the app; raises TeeServiceFailed with its cause."""
        try:
            program = await run.sessions.program(service)
        except Unavailable as fault:
            raise SecretsUnavailable(str(fault)) from fault
        await self._places.check_image(program.image)
        rules = self._rules
        timeout = run.brief.category.pull_timeout(rules.least_pull_timeout, rules.pull_timeout)
        image = await self._engine.pull(program.image, program.digest, timeout)
        spec = self._spec(run, service, mounts, image, program.command)
        report, outcome = await self._served(run, service, program, spec)
        if outcome.exit_code != 0 or outcome.timed_out:
            last = outcome.stderr.decode(errors="replace").strip().splitlines()[-1:]
            log.warning(
                "tee_service_failed",
                task_id=str(run.task.task_id),
                service=service,
                exit_code=outcome.exit_code,
                said="".join(shown(text, MOST_SERVICE_WORDS) for text in last),
            )
            raise TeeServiceFailed(_why(service, report, outcome))
        return report

    async def _served(
        self, run: _Run, service: Service, program: TeeServiceProgram, spec: ContainerSpec
    ) -> tuple[ServiceReport, ContainerOutcome]:
        """Run a container with a relay; raises TeeServiceFailed where it was told no secrets."""
        quoter = self._terms.quoter
        relay = ServiceRelay(run.task, run.session, service, program, run.sessions, quoter)
        async with relay.open_in(run.memory.relay):
            with_gpu = service is Service.APP and run.brief.deal.tag.needs_gpu
            outcome = await self._engine.run(spec, with_gpu=with_gpu)
        if outcome.exit_code == NOT_TOLD:
            why = relay.report.refusal or "its launcher could not be told anything"
            if relay.report.is_away:
                raise SecretsUnavailable(f"{service} waits for its secrets: {why}")
            raise SessionLost(f"{service} was told no secrets: {why}")
        return relay.report, outcome

    def _spec(
        self,
        run: _Run,
        service: Service,
        mounts: tuple[Mount, ...],
        image: str,
        command: tuple[str, ...],
    ) -> ContainerSpec:
        task_id, engine = run.task.task_id, self._engine
        return ContainerSpec(
            name=engine.container(task_id) + _SUFFIXES[service],
            image=image,
            command=command,
            environment={
                SESSION_VARIABLE: run.session,
                SERVICE_VARIABLE: service,
                RELAY_VARIABLE: f"{RELAY_FOLDER}/{RELAY_SOCKET}",
            },
            mounts=(
                *mounts,
                Mount(str(self._terms.launcher), LAUNCHER_FOLDER, writable=False),
                Mount(str(run.memory.relay), RELAY_FOLDER, writable=False),
            ),
            limits=replace(self._rules.limits, cpus=self._cpus()),
            timeout=run.brief.category.time_ref,
            labels={"poolhand.task": str(task_id), **engine.labels},
            launcher=launcher_words(),
        )


def _why(service: Service, report: ServiceReport, outcome: ContainerOutcome) -> str:
    if outcome.timed_out:
        return sentence(f"{service.replace('-', '_').upper()}_TIMEOUT")
    return sentence(told_cause(service, outcome.exit_code, report.causes))


def _bring(packed: Path, folder: Folder, *, is_encrypted: bool) -> None:
    """Bring the archive to the disk, whole or not at all; raises TeeServiceFailed, OSError."""
    try:
        handle = os.open(packed, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as fault:
        raise TeeServiceFailed(sentence("POST_COMPUTE_RESULT_FILE_NOT_FOUND")) from fault
    folder.create()
    draft = folder.archive.with_name(".result.part")
    with os.fdopen(handle, "rb") as source, draft.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    if is_encrypted:
        folder.encrypted.unlink(missing_ok=True)
        folder.encrypted.hardlink_to(draft)
        sync_folder(folder.root)
    draft.replace(folder.archive)
    sync_folder(folder.archive.parent)
