"""A worker shows its pool that its enclaves work, and gets their tasks for as long as that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.tee.evidence import QuotePolicy, TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.units import UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.scheduler.tee_proofs import PROOF_ROUND, TeeProofs
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.clock import SystemEntropy
from poolhand.transport.gate import Arrival
from poolhand.wire.frames import decode, encode
from poolhand.wire.messages import Capabilities
from poolhand.wire.session_terms import LIVE_OUTPUT
from poolhand.wire.tee_messages import AskTeeProof, TeeProof, TeeProofJudged
from poolhand.worker.tee_proofs import OwnTeeProofs

NOW = UnixSeconds(1_800_000_000)
ROOT = SimulatedRoot(NOW)
MACHINE = ROOT.machine()
POOL, WORKER, OTHER = Address(b"p" * 20), Address(b"w" * 20), Address(b"o" * 20)
CHAIN = 134
EVERY = tuple(each.value for each in TeeFramework)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> UnixSeconds:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class World:
    """One pool, and what it says to each worker."""

    def __init__(self, boundary: FaultBoundary, policy: QuotePolicy, **changed: object) -> None:
        self.directory, self.clock = WorkerDirectory(), Clock()
        self.said: list[tuple[Address, object]] = []
        verifier = changed.get("verifier", DcapVerifier(None, [ROOT.trust()]))
        self.proofs = TeeProofs(
            verifier,  # type: ignore[arg-type]
            policy,
            POOL,
            CHAIN,
            self.directory,
            lambda worker, message: self.said.append((worker, message)),
            self.clock,  # type: ignore[arg-type]
            SystemEntropy(),
            boundary,
        )

    def come(
        self, worker: Address = WORKER, tee: tuple[str, ...] = EVERY, **changes: object
    ) -> None:
        can = Capabilities("w", "1", 1, 1, 1, tee, gpu=False, instance=Nonce(bytes(32)))
        self.directory.join(ConnectedWorker(worker, "w", "1", 1, 1, 0, ()))
        self.proofs.claimed(replace(Arrival(worker, can, (), "", NOW), **changes))  # type: ignore[arg-type]

    def asked(self) -> Nonce:
        (nonce,) = [each.nonce for _, each in self.said[-1:] if isinstance(each, AskTeeProof)]
        return nonce

    async def settle(self) -> None:
        task = asyncio.create_task(self.proofs.verify())
        await self.proofs.settled()
        task.cancel()

    def tee(self, worker: Address = WORKER) -> tuple[str, ...]:
        found = self.directory.get(worker)
        assert found is not None
        return found.tee

    async def answer(
        self,
        nonce: Nonce,
        worker: Address = WORKER,
        *,
        signed_for: Address = WORKER,
        chain: int = CHAIN,
    ) -> None:
        sent: list[TeeProof] = []
        async with asyncio.TaskGroup() as tasks:
            quoters = {
                each: MACHINE.quoter(measure_service(each, "a worker")) for each in TeeFramework
            }
            link = type("Link", (), {"send": lambda _, message: sent.append(message)})()
            where = link, signed_for, POOL, chain, self.clock.now, tasks
            self.own = OwnTeeProofs(quoters, *where, simulated=True)
            self.own.hear(AskTeeProof(nonce))
        for each in sent:
            message = decode(encode(each))
            assert isinstance(message, TeeProof)
            self.proofs.take(worker, message)
        await self.settle()


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    return World(FaultBoundary(tmp_path), QuotePolicy(accepts_simulated=True))


async def test_a_worker_gets_what_it_has_proved_and_it_says_simulated(world):
    world.come()
    assert world.tee() == ()
    await world.answer(world.asked())
    assert world.tee() == tuple(sorted(EVERY))
    assert world.directory.get(WORKER).tee_simulated
    judged = [each for _, each in world.said if isinstance(each, TeeProofJudged)]
    assert [each.refused for each in judged] == [None] * 3
    assert all(each.simulated for each in judged)
    assert [each.tcb_status for each in judged] == [TcbStatus.UP_TO_DATE] * 3
    (told, *_) = world.directory.get(WORKER).tee_proofs
    assert (told.tcb_status, told.is_simulated, told.at) == (TcbStatus.UP_TO_DATE, True, NOW)


async def test_workers_are_counted_by_what_they_have_proved(world):
    world.come()
    await world.answer(world.asked())
    assert world.directory.proved == dict.fromkeys(TeeFramework, (1, 1))
    real = ProvedFramework(TeeFramework.TDX, TcbStatus.UP_TO_DATE, is_simulated=False, at=NOW)
    world.directory.join(ConnectedWorker(OTHER, "o", "1", 1, 1, 0, ()))
    world.directory.proves(OTHER, [real])
    assert world.directory.proved[TeeFramework.TDX] == (2, 1)
    world.directory.pause(WORKER, paused=True, reason="later")
    world.directory.leave(WORKER)
    assert world.directory.proved == {TeeFramework.TDX: (1, 0)}
    world.directory.proves(OTHER, [])
    assert world.directory.proved == {}


async def test_a_worker_tells_its_operator_what_the_pool_has_found(world):
    world.come()
    await world.answer(world.asked())
    assert not any(each["proved"] for each in world.own.show())
    for _, message in world.said[1:]:
        world.own.hear(message)
    told = {"proved": True, "simulated": True, "tcb_status": "UpToDate", "at": NOW}
    assert world.own.show() == [
        {"framework": each, **told, "problem": None} for each in TeeFramework
    ]
    world.own.hear(TeeProofJudged(TeeFramework.TDX, "debug <b>", simulated=True, tcb_status=None))
    found = {each["framework"]: each for each in world.own.show()}
    assert (found["tdx"]["proved"], found["tdx"]["problem"]) == (False, "debug <b>")
    world.own.forget()
    assert not any(each["proved"] or each["problem"] for each in world.own.show())


async def test_a_quote_of_another_round_worker_or_chain_proves_nothing(world):
    world.come()
    await world.answer(Nonce(b"x" * 32))
    assert world.tee() == ()
    await world.answer(world.asked(), signed_for=OTHER)
    assert world.tee() == ()
    refused = [each.refused for _, each in world.said if isinstance(each, TeeProofJudged)]
    assert all("report-data" in each for each in refused)
    assert len(refused) == 3


async def test_a_nonce_serves_once(world):
    world.come()
    nonce = world.asked()
    await world.answer(nonce, chain=1)
    await world.answer(nonce)
    assert world.tee() == ()


async def test_a_pool_that_accepts_no_simulation_by_name_refuses_it(tmp_path):
    world = World(FaultBoundary(tmp_path), QuotePolicy())
    world.come()
    await world.answer(world.asked())
    assert world.tee() == ()
    assert all(
        "simulated" in each.refused for _, each in world.said if isinstance(each, TeeProofJudged)
    )


async def test_a_proof_ends_unless_it_is_given_again(world):
    world.come()
    await world.answer(world.asked())
    world.clock.at = UnixSeconds(NOW + PROOF_ROUND)
    world.proofs.pass_time()
    assert world.tee() == tuple(sorted(EVERY))
    await world.answer(world.asked())
    world.clock.at = UnixSeconds(NOW + 2 * PROOF_ROUND)
    world.proofs.pass_time()
    assert world.tee() == tuple(sorted(EVERY))
    world.clock.at = UnixSeconds(NOW + 3 * PROOF_ROUND)
    world.proofs.pass_time()
    assert world.tee() == ()


async def test_only_who_says_that_it_has_enclaves_and_can_answer_is_asked(tmp_path, world):
    world.come(tee=())
    world.come(tee=("sev",))
    world.come(version=LIVE_OUTPUT)
    without = World(FaultBoundary(tmp_path), QuotePolicy(), verifier=None)
    without.come()
    assert world.said == without.said == []


async def test_who_is_gone_is_forgotten(world):
    world.come()
    nonce = world.asked()
    world.proofs.forget(WORKER)
    world.clock.at = UnixSeconds(NOW + PROOF_ROUND)
    world.proofs.pass_time()
    await world.answer(nonce)
    assert world.tee() == ()
    assert not world.proofs._rounds
    assert not world.proofs._due
