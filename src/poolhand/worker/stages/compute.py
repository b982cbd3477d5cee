"""Running the app, and making a digest and an archive of what it wrote.

Source: iExec's worker 9.x for environment, mounts, argument splitting and computed.json.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from poolhand.containers.errors import ContainerRemoved, NoNodeFree
from poolhand.containers.proxy_sidecar import proxy_environment
from poolhand.domain.app_progress import PROGRESS_FILE, PROGRESS_VARIABLE
from poolhand.domain.errors import (
    EndsProgram,
    Refused,
    RuntimeDown,
    Unavailable,
    is_machines_fault,
)
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.params import input_name, split_arguments
from poolhand.domain.replicate.exit_code import exited
from poolhand.domain.replicate.machine import Action, Finished, Offer, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.tee.session import file_name
from poolhand.domain.text import shown
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, Mount
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.app_network import AppNetwork
from poolhand.worker.archive import pack
from poolhand.worker.brief import Brief
from poolhand.worker.briefs import Briefs
from poolhand.worker.outputs import Outputs, read_outputs
from poolhand.worker.result_files import add_file
from poolhand.worker.stages.download import ImagePull
from poolhand.worker.task_folders import Folder, TaskFolders
from poolhand.worker.task_rules import Rules
from poolhand.worker.tee.computing import ConfidentialComputation, SecretsUnavailable
from poolhand.worker.work_looks import drop_progress

IN, OUT = "/iexec_in", "/iexec_out"
MAX_LAST_WORDS: Final = 500
"""Characters of an app's last words in the cause of its failure."""
log = structlog.get_logger()


class ComputationFailed(Refused):
    """The app ended without a result."""


class ComputeStage:
    """Runs the app to its end and reads its result.

    Args:
        briefs: Say what to run.
        folders: Where its files are.
        engine: Runs it.
        pull: Makes its image present.
        rules: What it may do.
        cpus: Tells how many processors it may use.
        network: Lets it through to hosts.
        ended: Told how each run of it ended.
        clock: Tells when the stage ended.
        confidential: Runs what needs a TEE; None: nothing does here.
        worker: Whose stage it is.
    """

    def __init__(
        self,
        briefs: Briefs,
        folders: TaskFolders,
        engine: AppEngine,
        pull: ImagePull,
        rules: Rules,
        cpus: Callable[[], float],
        network: AppNetwork,
        ended: Callable[[TaskId, ContainerOutcome], None],
        clock: Clock,
        confidential: ConfidentialComputation | None,
        worker: Address,
    ) -> None:
        self._confidential, self._worker = confidential, worker
        self._briefs, self._folders, self._engine, self._pull = briefs, folders, engine, pull
        self._rules, self._cpus, self._network = rules, cpus, network
        self._ended, self._clock = ended, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Compute."""
        brief = await self._briefs.of(replicate.offer)
        folder = self._folders.of(replicate.offer.task_id)
        try:
            image = await self._pull(brief, replicate.offer.task_id)
            folder.create()
            if brief.deal.tag.needs_tee:
                return await self._compute_confidentially(replicate.offer, brief, folder, image)
            spec = self._spec(replicate, brief, folder, image)
            outputs = await self._compute(replicate.offer.task_id, brief, folder, spec)
        except EndsProgram:
            raise
        except (Refused, Unavailable, OSError) as fault:
            status, cause = blame(fault)
            return Finished(self._clock.now(), Action.COMPUTE, status, cause)
        return Finished(
            self._clock.now(),
            Action.COMPUTE,
            Status.COMPUTED,
            digest=outputs.digest,
            callback_data=outputs.callback_data,
        )

    async def _compute_confidentially(
        self, offer: Offer, brief: Brief, folder: Folder, image: str
    ) -> Finished:
        if self._confidential is None:
            raise ComputationFailed("this worker computes no confidential tasks any more")
        signed = await self._confidential.compute(offer, brief, folder, image, self._worker)
        return Finished(
            self._clock.now(),
            Action.COMPUTE,
            Status.COMPUTED,
            digest=signed.digest,
            callback_data=signed.callback_data,
            enclave_sign=signed.enclave_sign,
        )

    async def _compute(
        self, task_id: TaskId, brief: Brief, folder: Folder, spec: ContainerSpec
    ) -> Outputs:
        """Run the app; once more where it failed in a container that an earlier life had begun."""
        outcome = await self._run(task_id, brief, spec)
        try:
            return await asyncio.to_thread(_collect, folder, outcome, brief)
        except EndsProgram:
            raise
        except Refused as fault:
            if not outcome.joined or outcome.timed_out:
                raise
            log.warning("container_doubted", container=spec.name, cause=str(fault))
        outcome = await self._run(task_id, brief, spec)
        return await asyncio.to_thread(_collect, folder, outcome, brief)

    async def _run(self, task_id: TaskId, brief: Brief, spec: ContainerSpec) -> ContainerOutcome:
        """Run the app, which is let through to the hosts of its order meanwhile."""
        hosts = brief.params.hosts if spec.proxy else ()
        async with self._network.open_to(task_id, Path(spec.proxy), hosts):
            with_gpu = brief.deal.tag.needs_gpu
            outcome = await self._engine.run(spec, with_gpu=with_gpu)
        self._ended(task_id, outcome)
        return outcome

    def _spec(
        self, replicate: Replicate, brief: Brief, folder: Folder, image: str
    ) -> ContainerSpec:
        task_id, rules = replicate.offer.task_id, self._rules
        is_let_through = bool(brief.params.hosts) and not rules.allow_network
        return ContainerSpec(
            name=self._engine.container(task_id),
            image=image,
            command=split_arguments(brief.params.args or ""),
            environment=app_environment(replicate, brief)
            | (proxy_environment() if is_let_through else {}),
            mounts=(
                Mount(str(folder.input), IN, writable=False),
                Mount(str(folder.output), OUT, writable=True),
            ),
            limits=replace(rules.limits, cpus=self._cpus()),
            proxy=str(folder.proxy) if is_let_through else "",
            workplace=str(folder.work) if rules.limits.work else "",
            timeout=brief.category.time_ref,
            network=rules.allow_network,
            labels={"poolhand.task": str(task_id), **self._engine.labels},
        )


def blame(fault: Exception) -> tuple[Status, str]:
    """Return how a run ends that came to nothing, and why: by the worker's trouble, or the app's.

    What fails of the disk while a result is read and packed is the worker's; the app's own disk was
    looked at before (``_add``).
    """
    if isinstance(fault, OSError) and is_machines_fault(fault):
        lack = f"the worker's disk failed ({fault}): free some space on it, or repair it"
        return Status.FAILED, lack
    ours = isinstance(fault, RuntimeDown | ContainerRemoved | NoNodeFree)
    ours = ours or isinstance(fault, SecretsUnavailable)
    return Status.FAILED if ours else Status.COMPUTE_FAILED, str(fault)


def _collect(folder: Folder, outcome: ContainerOutcome, brief: Brief) -> Outputs:
    drop_progress(folder.output)
    check_outcome(outcome, brief)
    for name, text in (("stdout.txt", outcome.stdout), ("stderr.txt", outcome.stderr)):
        if text:
            _add(folder, name, text)
    outputs = read_outputs(folder.output, with_callback=brief.deal.has_callback)
    pack(folder.output, folder.archive)
    return outputs


def _add(folder: Folder, name: str, text: bytes) -> None:
    """Put what the app printed beside what it wrote; raises ComputationFailed where it cannot."""
    try:
        add_file(folder.output, name, text)
    except OSError as fault:
        raise ComputationFailed(
            f"{name} cannot be put into /iexec_out ({fault.strerror}): leave it room there, and "
            "its name free"
        ) from fault


def check_outcome(outcome: ContainerOutcome, brief: Brief) -> None:
    """Tell success from failure.

    Raises:
        ComputationFailed: Time, memory, disk or exit code; the message says which.
    """
    if outcome.timed_out:
        raise ComputationFailed(
            f"the app ran longer than category {brief.category.name} allows "
            f"({brief.category.time_ref} s): buy a larger category"
        )
    if outcome.output_too_large:
        raise ComputationFailed(
            "the app wrote more to /iexec_out, or to the folder in which it starts, than the "
            "worker allows"
        )
    if outcome.exit_code != 0:
        memory = ", out of memory" if outcome.out_of_memory else ""
        last = outcome.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ComputationFailed(
            f"{exited(outcome.exit_code)}{memory}"
            + "".join(f": {shown(text, MAX_LAST_WORDS)}" for text in last)
        )


def app_environment(replicate: Replicate, brief: Brief) -> dict[str, str]:
    """Return the variables that every iExec app may rely on."""
    deal, offer = brief.deal, replicate.offer
    dataset = file_name(brief.deal.dataset.address)
    names = [input_name(uri) for uri in brief.params.input_files]
    environment = {
        "IEXEC_DEAL_ID": str(deal.deal_id),
        "IEXEC_TASK_ID": str(offer.task_id),
        "IEXEC_TASK_INDEX": str(offer.index),
        "IEXEC_IN": IN,
        "IEXEC_OUT": OUT,
        "IEXEC_BOT_SIZE": str(deal.bot_size),
        "IEXEC_BOT_FIRST_INDEX": str(deal.bot_first),
        "IEXEC_BOT_TASK_INDEX": str(offer.index),
        "IEXEC_DATASET_ADDRESS": dataset,
        "IEXEC_DATASET_FILENAME": dataset,
        "IEXEC_INPUT_FILES_NUMBER": str(len(names)),
        PROGRESS_VARIABLE: f"{OUT}/{PROGRESS_FILE}",
    }
    if names:
        environment["IEXEC_INPUT_FILES_FOLDER"] = IN
    for number, name in enumerate(names, 1):
        environment[f"IEXEC_INPUT_FILE_NAME_{number}"] = name
    return environment
