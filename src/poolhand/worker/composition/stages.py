"""The stages of a replicate, one for each action that its machine may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.machine import Action
from poolhand.ports.chain import Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher, ResultsClient
from poolhand.ports.runtime import ContainerOutcome
from poolhand.ports.tunnels import Tunnels
from poolhand.worker.app_network import AppNetwork
from poolhand.worker.beneficiary_keys import BeneficiaryKeys
from poolhand.worker.composition.chain import ChainParts
from poolhand.worker.composition.sandbox import SandboxParts
from poolhand.worker.stages import Stage, Stages
from poolhand.worker.stages.check import CheckStage
from poolhand.worker.stages.claim import ClaimStage
from poolhand.worker.stages.compute import ComputeStage
from poolhand.worker.stages.contribute import ContributeStage
from poolhand.worker.stages.download import AppStage, DataStage
from poolhand.worker.stages.reveal import RevealStage
from poolhand.worker.stages.upload import UploadStage
from poolhand.worker.task_rules import Rules
from poolhand.worker.tee.computing import ConfidentialComputation
from poolhand.worker.worker_wallet import WorkerWallet


def all_stages(
    slots: int,
    rules: Rules,
    cpus: Callable[[], float],
    chain: ChainParts,
    sandbox: SandboxParts,
    wallet: WorkerWallet,
    fetcher: Fetcher,
    tunnels: Tunnels,
    results: Callable[[], Awaitable[ResultsClient]],
    keys: BeneficiaryKeys,
    watcher: Watcher,
    clock: Clock,
    ended: Callable[[TaskId, ContainerOutcome], None],
    confidential: ConfidentialComputation | None,
) -> Stages:
    """Make them; ``ended`` hears of each computation that is over, ``cpus`` tells its share.

    ``confidential`` runs what needs a TEE; None: nothing does here.
    """
    briefs, views, stake, retry = chain.briefs, chain.views, chain.stake, chain.retry
    engine, pull, folders = sandbox.engine, sandbox.pull, sandbox.folders
    network = AppNetwork(tunnels, rules.hosts_bytes, clock)
    compute = ComputeStage(
        briefs,
        folders,
        engine,
        pull,
        rules,
        cpus,
        network,
        ended,
        clock,
        confidential,
        views.worker,
    )
    stages: dict[Action, Stage] = {
        Action.DOWNLOAD_APP: AppStage(briefs, pull, clock),
        Action.DOWNLOAD_DATA: DataStage(briefs, folders, fetcher, rules, sandbox.datasets, clock),
        Action.COMPUTE: compute,
        Action.CHECK: CheckStage(briefs, views, stake, clock),
        Action.CONTRIBUTE: ContributeStage(briefs, views, stake, wallet, watcher, retry, clock),
        Action.REVEAL: RevealStage(views, wallet, retry, clock),
        Action.UPLOAD: UploadStage(briefs, results, keys, folders, clock),
        Action.CLAIM: ClaimStage(views, wallet, retry, clock),
    }
    return Stages(stages, sandbox.room, engine, folders, clock, slots, confidential)
