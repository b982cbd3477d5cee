"""A pool that takes confidential tasks: its secret management service, workers with enclaves."""

from __future__ import annotations

from pathlib import Path

from poolhand.domain.ids import Address
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.units import UnixSeconds
from poolhand.ports.tee import SecretTerms

TDX, SCONE = TeeFramework.TDX, TeeFramework.SCONE
SMS, ENCLAVE = "http://sms.test", Address(b"\x0e" * 20)
ACCEPTING = {"sms_url": SMS, "simulated_tee": Path("root.json")}


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


def proves_enclaves(world, worker, *frameworks, is_simulated=True):
    """Let the pool have found frameworks of a worker (a puppet) proved."""
    level, at = TcbStatus.UP_TO_DATE, UnixSeconds(1)
    proofs = [ProvedFramework(each, level, is_simulated, at) for each in frameworks]
    world.scheduler.directory.proves(worker.address, proofs)


async def enclave_hired(world, tee=(TDX,)):
    """Hire a worker that has proved enclaves, in a simulation."""
    puppet = await world.hired()
    proves_enclaves(world, puppet, *tee)
    await world.settle()
    return puppet
