"""Quotes verified: those of SGX and of TDX, by a root that is simulated, through the real verifier.

Time is of the processor, for what else the machine does is not the verifier's.
"""

from __future__ import annotations

import time

from bench.figures import Sample
from bench.frame import Job, Keys
from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import ExpectedMeasurement, measure_service
from poolhand.domain.units import UnixSeconds

QUOTES = 500
"""Of each framework."""


async def keys(job: Job) -> Keys:
    """Mint quotes, and verify each."""
    now = UnixSeconds(int(time.time()))
    root = SimulatedRoot(now)
    machine, verifier = root.machine(), DcapVerifier(None, [root.trust()])
    spent = []
    for framework in TeeFramework:
        measured = measure_service(framework, "sha256:" + "a" * 64)
        policy = QuotePolicy((ExpectedMeasurement.of(measured),), accepts_simulated=True)
        for number in range(job.scaled(QUOTES)):
            data = number.to_bytes(64, "big")
            evidence = machine.evidence(measured, data)
            began = time.process_time()
            await verifier.verify(evidence, policy, data, now)
            spent.append((time.process_time() - began) * 1000)
    found = Sample.of(spent)
    job.say(f"{len(spent)} quotes verified: {found.p50:.2f} ms each, {found.p95:.2f} ms at p95")
    return {"tee": {"verify_ms": round(found.p95, 3)}}
