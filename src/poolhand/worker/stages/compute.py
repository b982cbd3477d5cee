"""Running the app, and making a digest and an archive of what it wrote.

Source: iExec's worker 9.x for environment, mounts, argument splitting and computed.json.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.params import input_name, split_arguments
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, Mount
from poolhand.worker.archive import pack
from poolhand.worker.brief import Brief
from poolhand.worker.outputs import Outputs, read_outputs
from poolhand.worker.result_files import add_file
from poolhand.worker.stages import engine
from poolhand.worker.stages.download import dataset_name, pull
from poolhand.worker.toolbox import Folder, Toolbox

IN, OUT = "/iexec_in", "/iexec_out"
MAX_LAST: Final = 500
"""Characters of an app's last words in the cause of its failure."""
log = structlog.get_logger()


class ComputationFailed(Refused):
    """The app ended without a result."""


async def compute(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Run the app to its end and read its result."""
    brief = await toolbox.brief(replicate.offer)
    folder = toolbox.folder(replicate.offer.task_id)
    try:
        image = await pull(toolbox, brief)
        folder.create()
        spec = _spec(toolbox, replicate, brief, folder, image)
        outputs = await _compute(toolbox, replicate, brief, folder, spec)
    except (Refused, Unavailable, OSError) as fault:
        return Finished(toolbox.clock.now(), Action.COMPUTE, Status.COMPUTE_FAILED, str(fault))
    return Finished(
        toolbox.clock.now(),
        Action.COMPUTE,
        Status.COMPUTED,
        digest=outputs.digest,
        callback_data=outputs.callback_data,
    )


async def _compute(
    toolbox: Toolbox, replicate: Replicate, brief: Brief, folder: Folder, spec: ContainerSpec
) -> Outputs:
    """Run the app; once more where it failed in a container that an earlier life had begun."""
    outcome = await engine.run(toolbox, spec)
    _tell_output(toolbox, replicate, outcome)
    try:
        return await asyncio.to_thread(_collect, folder, outcome, brief)
    except Refused as fault:
        if not outcome.joined or outcome.timed_out:
            raise
        log.warning("container_doubted", container=spec.name, cause=str(fault))
    outcome = await engine.run(toolbox, spec)
    _tell_output(toolbox, replicate, outcome)
    return await asyncio.to_thread(_collect, folder, outcome, brief)


def _tell_output(toolbox: Toolbox, replicate: Replicate, outcome: ContainerOutcome) -> None:
    task_id = replicate.offer.task_id
    toolbox.durations.append(outcome.seconds)
    toolbox.on_logs(task_id, outcome.stdout, outcome.stderr)
    if toolbox.rules.log_output:
        out, err = (text.decode(errors="replace") for text in (outcome.stdout, outcome.stderr))
        log.info("app_printed", task_id=str(task_id), stdout=out, stderr=err)


def _collect(folder: Folder, outcome: ContainerOutcome, brief: Brief) -> Outputs:
    check_outcome(outcome, brief)
    for name, text in (("stdout.txt", outcome.stdout), ("stderr.txt", outcome.stderr)):
        if text:
            add_file(folder.output, name, text)
    outputs = read_outputs(folder.output, with_callback=brief.deal.has_callback)
    pack(folder.output, folder.archive)
    return outputs


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
            f"the app exited with code {outcome.exit_code}{memory}"
            + "".join(f": {shown(text, MAX_LAST)}" for text in last)
        )


def _spec(
    toolbox: Toolbox, replicate: Replicate, brief: Brief, folder: Folder, image: str
) -> ContainerSpec:
    return ContainerSpec(
        name=toolbox.container(replicate.offer.task_id),
        image=image,
        command=split_arguments(brief.params.args or ""),
        environment=app_environment(replicate, brief),
        mounts=(
            Mount(str(folder.input), IN, writable=False),
            Mount(str(folder.output), OUT, writable=True),
        ),
        limits=toolbox.rules.limits,
        workplace=str(folder.work) if toolbox.rules.limits.work else "",
        timeout=brief.category.time_ref,
        network=toolbox.rules.allow_network,
        labels={"poolhand.task": str(replicate.offer.task_id), **toolbox.labels},
    )


def app_environment(replicate: Replicate, brief: Brief) -> dict[str, str]:
    """Return the variables that every iExec app may rely on."""
    deal, offer = brief.deal, replicate.offer
    dataset = dataset_name(brief)
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
    }
    if names:
        environment["IEXEC_INPUT_FILES_FOLDER"] = IN
    for number, name in enumerate(names, 1):
        environment[f"IEXEC_INPUT_FILE_NAME_{number}"] = name
    return environment
