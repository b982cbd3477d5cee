"""What a worker has proved of its enclaves, as its pool keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class ProvedFramework:
    """A framework that works on a worker's machine.

    Attributes:
        framework: Which.
        tcb_status: How the machine stood against what its maker has fixed.
        is_simulated: A simulated root vouched for it: nothing is kept secret there.
        at: When the pool verified the quote, by the pool's clock.
    """

    framework: TeeFramework
    tcb_status: TcbStatus
    is_simulated: bool
    at: UnixSeconds
