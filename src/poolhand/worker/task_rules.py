"""What the operator allows a task."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.units import Seconds
from poolhand.ports.runtime import Limits


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows a task.

    Attributes:
        limits: Of one container.
        allow_network: Whether apps may use the network.
        hosts_bytes: That an app may send to the hosts of its order, and get from them.
        input_bytes: Largest dataset or input file (bytes).
        all_input_bytes: Dataset and input files of one task together (bytes).
        download_timeout: For one file.
        least_pull_timeout, pull_timeout: For one image; between them the category decides.
        log_output: Whether what apps print goes into the worker's own log, too.
        claim_grace: How long after the final deadline the pool may claim a task that holds our
            stake before we do; None: never claim.
    """

    limits: Limits
    allow_network: bool = False
    input_bytes: int = 2 * 1024**3
    all_input_bytes: int = 4 * 1024**3
    download_timeout: Seconds = Seconds(600)
    least_pull_timeout: Seconds = Seconds(300)
    pull_timeout: Seconds = Seconds(1800)
    log_output: bool = False
    claim_grace: Seconds | None = Seconds(300)
    hosts_bytes: int = 1024**3
