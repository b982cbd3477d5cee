"""A confidential task over fakes: its services in one session, and a crash at each of their steps.

The launcher's part and the services are the real ones, in threads in the place of containers.
"""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tee_memory import MemoryQuoter, MemorySessions, NotProved
from worker_world import Workshop

from network.world import writes
from poolhand.containers.noop import ended, folder_of
from poolhand.domain.errors import Unavailable
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import Tag
from poolhand.domain.tee.enclave_signature import check_enclave_signature
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import Service, SessionRequest, TaskSecrets, environments
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.keys.result_encryption import make_keypair
from poolhand.keys.wallet import Wallet
from poolhand.ports.tee import TeeServiceProgram
from poolhand.worker.tee.computing import MOST_LOST_SESSIONS, SECRETS_PAUSES, TeeTerms
from poolhand.worker.tee.memory_folders import MemoryFolders
from poolhand.worker.tee.post_compute import POST_PREFIX, bring_result
from poolhand.worker.tee.relay_line import (
    NOT_TOLD,
    PACKED_FOLDER,
    RELAY_FOLDER,
    RELAY_SOCKET,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    RelayClient,
)
from poolhand.worker.tee.stage_program import run_stage
from poolhand.worker.tee.tee_launcher import environment_for

KEY = bytes([3]) * 32
ENCLAVE = Wallet.from_key(KEY).address
STAGES = "registry.example/stages"
PUBLIC = b64encode(make_keypair(2048)[1]).decode()


class PowerCut(BaseException):
    """The worker ends here, without another word."""


class Cutting:
    """A port whose so-manieth call is the last of the program."""

    def __init__(self, port, counter, *names):
        self._port = port
        for name in names:
            setattr(self, name, self._counted(getattr(port, name), counter))

    def _counted(self, work, counter):
        async def call(*words, **told):
            counter.point()
            done = await work(*words, **told)
            counter.point()
            return done

        return call

    def __getattr__(self, name):
        return getattr(self._port, name)


class Counter:
    def __init__(self):
        self.left = None

    def point(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise PowerCut


class Confidential:
    """One worker over a simulated engine, whose containers are threads."""

    def __init__(self, folder, memory) -> None:
        self.shop, self.counter = Workshop(folder), Counter()
        self.sessions = MemorySessions({}, {})
        program = TeeServiceProgram(STAGES, "cd" * 32, ("post",))
        self.sessions.programs = {Service.POST_COMPUTE: program}
        self.memory, self.loop = MemoryFolders(folder, memory), asyncio.get_running_loop()
        self.app = writes("the right result")
        runtime = self.shop.node.runtime
        (name,) = runtime.apps
        runtime.apps = {name: self._container, STAGES: self._container}
        terms = TeeTerms(
            folder,
            self.memory,
            MemoryQuoter(),
            lambda _: Cutting(self.sessions, self.counter, "open"),
            frozenset({TeeFramework.TDX}),
            is_simulated=True,
        )
        self.shop.make(runtime=Cutting(runtime, self.counter, "run"), tee=terms)

    def _container(self, spec):
        """Run a container's program in a thread; its end waits for that."""
        gate, outcome = self.shop.node.runtime.gate, ended()
        gate.clear()
        relay = Path(folder_of(spec, RELAY_FOLDER)) / RELAY_SOCKET
        about = dict(spec.environment) | {RELAY_VARIABLE: str(relay)}

        def work():
            try:
                told = environment_for(about, bytes([1]) * 32) | {RELAY_VARIABLE: str(relay)}
                code = self._program(spec, about[SERVICE_VARIABLE], told)
            except Exception:  # noqa: BLE001 - as the launcher does
                code = NOT_TOLD
            object.__setattr__(outcome, "exit_code", code)
            self.loop.call_soon_threadsafe(gate.set)

        threading.Thread(target=work, daemon=True).start()
        return outcome

    def _program(self, spec, service, told):
        if service == Service.APP:
            return self.app(spec).exit_code
        out, packed = folder_of(spec, "/iexec_out"), folder_of(spec, PACKED_FOLDER)

        def work(told, relay: RelayClient):
            bring_result(told, relay, out, packed)

        return run_stage(POST_PREFIX, work, told)

    async def replicate(self, **params):
        offer = self.shop.offer(await self.shop.deal(), enclave=ENCLAVE, secrets_url="http://s")
        replicate = self.shop.replicate(offer)
        brief = await self.shop.worker.briefs.of(offer)
        params = replace(DealParams(), **params)
        deal = replace(brief.deal, tag=Tag.of(["tee", "tdx"]))
        self.shop.worker.briefs._kept[offer.deal_id] = replace(brief, deal=deal, params=params)
        self.sessions.environments = environments(
            SessionRequest(offer.task_id, offer.index, deal, None, params, self.shop.address,
                           TaskSecrets("0x" + KEY.hex(), result_key=PUBLIC))
        )  # fmt: skip
        await self.shop.stages.perform(replicate, Action.DOWNLOAD_APP)
        return replicate

    async def computed(self, replicate):
        return await self.shop.stages.perform(replicate, Action.COMPUTE)


@pytest.fixture
async def made(tmp_path):
    with TemporaryDirectory() as memory:  # a socket's path may not be long
        yield Confidential(tmp_path, Path(memory))


async def test_services_of_one_session_make_a_signed_result(made):
    replicate = await made.replicate()
    done = await made.computed(replicate)
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    task_id = replicate.offer.task_id
    check_enclave_signature(done.enclave_sign, ENCLAVE, made.shop.address, task_id, done.digest)
    assert made.shop.worker.folders.of(task_id).archive.exists()
    assert not made.memory.of(task_id).root.exists()
    assert made.sessions.used == {("session1", "app"): 1, ("session1", "post-compute"): 1}


@pytest.mark.parametrize("step", range(6))
async def test_after_a_crash_at_any_step_a_new_session_is_asked_for(made, step):
    replicate = await made.replicate(result_encryption=True)
    made.counter.left = step
    with pytest.raises(PowerCut):
        await made.computed(replicate)
    await made.shop.node.runtime.close()
    before = len(made.sessions.opened)
    done = await made.computed(replicate)
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    assert len(made.sessions.opened) == before + 1
    assert set(made.sessions.used.values()) == {1}
    assert not made.memory.of(replicate.offer.task_id).root.exists()
    folder = made.shop.worker.folders.of(replicate.offer.task_id)
    assert folder.encrypted.read_bytes() == folder.archive.read_bytes()


async def test_after_a_crash_in_a_container_that_goes_on_it_is_not_joined(made):
    """What it was told was for a session that counts no more."""
    replicate = await made.replicate()
    task_id, runtime = replicate.offer.task_id, made.shop.node.runtime
    begun = asyncio.Event()
    runtime.apps = {name: _never_ending(runtime, begun) for name in runtime.apps}
    first = asyncio.create_task(made.computed(replicate))
    await begun.wait()
    first.cancel()
    await asyncio.wait([first])
    runtime.apps = dict.fromkeys(runtime.apps, made._container)
    done = await made.computed(replicate)
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    assert runtime.computations[made.shop.worker.engine.container(task_id)] == 2


def _never_ending(runtime, begun):
    """Return a container that does not end by itself."""

    def run(spec):
        runtime.gate.clear()
        begun.set()
        return ended()

    return run


async def test_a_session_that_is_refused_ends_the_task_with_its_cause(made):
    replicate = await made.replicate()
    made.sessions.fault = SessionRefused(SessionError.EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE)
    done = await made.computed(replicate)
    assert done.outcome is Status.COMPUTE_FAILED
    assert "EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE: the task takes no" in done.detail


async def passing(made, work):
    """Let time pass while the worker waits for a service that is away; returns what comes of it."""
    task, clock = asyncio.ensure_future(work), made.shop.clock
    while not task.done():
        if clock.sleepers:
            clock.advance(1)
        await asyncio.wait([task], timeout=0.01)
    return await task


async def test_a_secret_service_that_stays_away_is_not_the_apps_fault(made):
    replicate = await made.replicate()
    made.sessions.fault = Unavailable("it is away")
    before = made.shop.clock.steady()
    done = await passing(made, made.computed(replicate))
    assert (done.outcome, done.detail) == (Status.FAILED, "it is away")
    assert made.shop.clock.steady() - before >= sum(SECRETS_PAUSES)


@pytest.mark.parametrize("service", [Service.APP, Service.POST_COMPUTE])
async def test_a_secret_service_that_is_restarted_in_the_middle_is_asked_for_another_session(
    made, service
):
    """It forgets its sessions; nobody is told why it tells nothing."""
    replicate, before = await made.replicate(), made.sessions.provision

    async def restarted(session, asked_for, asked):
        if session == "session1" and asked_for is service:
            raise NotProved("nothing is told")
        return await before(session, asked_for, asked)

    made.sessions.provision = restarted
    done = await made.computed(replicate)
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    assert len(made.sessions.opened) == 2
    assert set(made.sessions.used.values()) == {1}


async def test_a_secret_service_that_is_away_in_the_middle_is_waited_for(made):
    replicate, before, away = await made.replicate(), made.sessions.nonce, [1, 1]

    async def nonce(session):
        if made.sessions.used and away:  # the app was told its secrets, what packs waits
            away.pop()
            raise Unavailable("it is away")
        return await before(session)

    made.sessions.nonce = nonce
    done = await passing(made, made.computed(replicate))
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    assert not away


async def test_a_service_that_proves_nothing_ends_the_task_after_another_session(made):
    async def never(_session, _service, _asked):
        raise NotProved("nothing is told")

    replicate, made.sessions.provision = await made.replicate(), never
    done = await made.computed(replicate)
    assert done.outcome is Status.COMPUTE_FAILED
    assert done.detail == "app was told no secrets: nothing is told"
    assert len(made.sessions.opened) == 1 + MOST_LOST_SESSIONS
    assert not made.memory.of(replicate.offer.task_id).root.exists()


async def test_a_failed_app_is_not_packed(made):
    made.app = lambda _: ended(3)
    done = await made.computed(await made.replicate())
    assert (done.outcome, done.detail) == (
        Status.COMPUTE_FAILED,
        "the app exited with code 3",
    )
    assert ("session1", "post-compute") not in made.sessions.used


async def test_what_is_cleaned_leaves_nothing_in_memory(made):
    replicate = await made.replicate()
    folder = made.memory.of(replicate.offer.task_id)
    folder.create()
    await made.shop.stages.clean(replicate)
    assert not folder.root.exists()


async def test_the_last_task_takes_the_workers_folder_in_memory_with_it(made):
    replicates = [await made.replicate() for _ in range(2)]
    folders = [made.memory.of(each.offer.task_id) for each in replicates]
    for each in folders:
        each.create()
    outer = folders[0].root.parent
    await made.shop.stages.clean(replicates[0])
    assert outer.exists()
    assert folders[1].output.exists()
    await made.shop.stages.clean(replicates[1])
    assert not outer.exists()
