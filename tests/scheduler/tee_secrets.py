"""What a pool asks a secret management service, in memory."""

from __future__ import annotations

from poolhand.domain.ids import Address
from poolhand.domain.tee.framework import TeeFramework
from poolhand.ports.tee import SecretTerms

ENCLAVE = Address(b"\x0e" * 20)


class Secrets:
    """A secret management service in memory, which may be away."""

    def __init__(self, framework=TeeFramework.TDX, *, is_simulated=True):
        self.told = SecretTerms(framework, is_simulated)
        self.fault, self.away, self.asked = None, None, []

    async def terms(self):
        if self.fault is not None:
            raise self.fault
        return self.told

    async def challenge(self, task_id):
        self.asked.append(task_id)
        if self.away is not None:
            raise self.away
        return ENCLAVE
