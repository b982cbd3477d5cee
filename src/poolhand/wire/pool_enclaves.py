"""What a pool tells of enclaves: which are proved, and which task is for which; ``wire.pool_api``.

A framework is TDX, SCONE or Gramine, in the words of tags.
"""

from __future__ import annotations

from poolhand.domain.units import UnixSeconds
from poolhand.wire.json_models import JsonAddress, Told, Words


class TeeProofTold(Told):
    """A framework that a worker has proved, ``at`` which moment by the pool's clock.

    ``tcb_status`` is how its machine stood then, in Intel's words; ``simulated``: by a simulated
    root, so that nothing is kept secret there.
    """

    framework: Words
    tcb_status: Words
    simulated: bool
    at: UnixSeconds


class EnclavesTold(Told):
    """How many of the connected ``workers`` have proved a framework, and of these ``simulated``."""

    framework: Words
    workers: int
    simulated: int = 0


class ConfidentialTold(Told):
    """That a task is confidential, and in which ``framework``.

    ``enclave`` is the address that its result must be signed for, null until the pool has asked for
    it; ``simulated``: the pool takes enclaves that keep nothing secret.
    """

    framework: Words
    enclave: JsonAddress | None = None
    simulated: bool = False
