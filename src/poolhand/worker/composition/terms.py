"""What settings come to for tasks."""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.payout import check_payout_address
from poolhand.ports.chain import HubFacts
from poolhand.ports.runtime import Limits
from poolhand.settings.worker import WorkerSettings
from poolhand.worker.task_rules import Rules

TASK_LOG: Final = 1024 * 1024
"""Bytes kept of what an app prints, per stream."""


def rules_of(settings: WorkerSettings) -> Rules:
    """Return what a task may use and do."""
    limits = Limits(
        memory=settings.memory,
        cpus=1.0,
        pids=settings.pids,
        tmp=settings.tmp,
        log=TASK_LOG,
        output=settings.output,
        work=settings.work,
    )
    return Rules(
        limits,
        settings.allow_network,
        settings.input_bytes,
        settings.all_input_bytes,
        settings.download_timeout,
        settings.least_pull_timeout,
        settings.pull_timeout,
        settings.developer_logger,
        settings.claim_grace,
        settings.app_network.most,
    )


def check_payout(settings: WorkerSettings, wallet: Address, facts: HubFacts) -> None:
    """Check whom earnings are paid out to, now that wallet and chain are known.

    Raises:
        BadPayoutAddress: It is the worker itself, or a contract that would keep them.
    """
    if (to := settings.payout_address) is not None:
        check_payout_address(to, wallet, facts.hub, settings.pool, facts.rlc)
