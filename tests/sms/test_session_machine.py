"""Any order of sessions, nonces, proofs, restarts and time: who is told what, and how often.

Whatever strangers do, a secret is told only to the proved service of the right task, worker and
session, at most once in a session, and never when its nonce, session or task is over.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sms_world import tables
from tee_world import TeeScene

from many import examples
from poolhand.domain.tee.sealing import public_key_of
from poolhand.domain.tee.session import Service
from poolhand.sms.keeping import told_audit
from poolhand.sms.sessions import MOST_NONCES, NONCE_SECONDS, SESSION_SECONDS

SERVICES, WORKERS, TASKS = list(Service), 2, 2
KEYS = (b"\x05" * 32, b"\x07" * 32)
LATELY = st.integers(0, 3)
"""How far back among what was made; beyond the first it is the first."""
HONEST = st.just(None)
CHANGES = (
    "late", "too late", "nonce from before", "nonce of another session", "another program",
    "quoted for another service", "quoted for another session", "another key",
)  # fmt: skip


@dataclass
class Opened:
    """A session as it should be."""

    name: str
    task: int
    worker: int
    until: float
    is_open: bool = True
    told: set = field(default_factory=set)
    nonces: dict = field(default_factory=dict)


class SessionMachine(RuleBasedStateMachine):
    """A service with two tasks, of which two workers may be authorized for either."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tables().parent / f"sessions-{next(_NUMBERS)}"
        self.folder.mkdir()
        self.sessions: list[Opened] = []
        self.releases, self.is_over = 0, False

    def do(self, work):
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.tee = TeeScene(self.folder)
        self.opening = self.tee.open()
        self.do(self.opening.__aenter__())
        self.do(self.tee.with_secrets())
        self.tasks = [self.do(self.tee.bought())[1] for _ in range(TASKS)]
        self.enclaves = [self.do(self.tee.challenge(each)).text for each in self.tasks]

    @property
    def now(self):
        return self.tee.clock.steady()

    def lately(self, back):
        return self.sessions[max(len(self.sessions) - 1 - back, 0)]

    @rule(
        task=st.integers(0, TASKS - 1),
        worker=st.integers(0, WORKERS - 1),
        owner=st.sampled_from(["owner", "owner", "owner", "worker"]),
        signer=st.sampled_from(["worker", "worker", "worker", "other"]),
        enclave_of=st.one_of(HONEST, st.integers(0, TASKS - 1)),
    )
    def open(self, task, worker, owner, signer, enclave_of):
        world = self.tee.world
        of = task if enclave_of is None else enclave_of
        answer = self.do(
            self.tee.session(
                self.tasks[task],
                self.enclaves[of],
                worker=world.workers[worker],
                owner=world.owner if owner == "owner" else world.workers[worker],
                signer=world.workers[worker if signer == "worker" else 1 - worker],
            )
        )
        fits = (owner, signer, of, self.is_over) == ("owner", "worker", task, False)
        assert (answer.status_code == 200) is fits, answer.text
        if fits:
            for each in self.sessions:
                if (each.task, each.worker) == (task, worker):
                    each.is_open = False
            name = answer.json()["data"]["sessionId"]
            assert name not in {each.name for each in self.sessions}
            self.sessions.append(Opened(name, task, worker, self.now + SESSION_SECONDS))

    @precondition(lambda self: self.sessions)
    @rule(
        back=LATELY,
        service=st.sampled_from(SERVICES),
        changes=st.lists(st.sampled_from(CHANGES), max_size=2),
        other=LATELY,
        other_service=st.sampled_from(SERVICES),
    )
    def provision(self, back, service, changes, other, other_service):
        """Show what an honest program does, but for some changes."""
        session, other = self.lately(back), self.lately(other)
        of = other if "nonce of another session" in changes else session
        nonce = next(iter(of.nonces), None) if "nonce from before" in changes else None
        nonce = nonce or self.fresh(of)
        runs = other_service if "another program" in changes else service
        quoted_for = other_service if "quoted for another service" in changes else service
        quoted = other if "quoted for another session" in changes else session
        shown_key = int("another key" in changes)
        proof = self.do(
            self.tee.proof(
                session.name, service, private=KEYS[0], nonce=nonce,
                of=quoted.name, as_=quoted_for, code=self.tee.code(runs),
            )
        )  # fmt: skip
        proof["publicKey"] = "0x" + public_key_of(KEYS[shown_key]).hex()
        waits = 121 if "too late" in changes else 119 if "late" in changes else 0
        self.tee.clock.advance(waits)
        fits = (
            session.is_open
            and session.until > self.now
            and session.nonces.get(nonce, 0) > self.now
            and service not in session.told
            and (runs, quoted_for, quoted, shown_key) == (service, service, session, 0)
            and not self.is_over
        )
        if session.is_open:
            session.nonces.pop(nonce, None)
        answer = self.do(self.tee.provision(session.name, service, proof))
        assert answer.status_code == (200 if fits else 401), answer.text
        if fits:
            session.told.add(service)
            self.releases += 1
            self.check(session, service, self.tee.read(answer, session.name, service, proof))

    def fresh(self, session):
        made = self.do(self.tee.nonce(session.name))
        if session.is_open:
            session.nonces[made] = self.now + NONCE_SECONDS
            while len(session.nonces) > MOST_NONCES:
                del session.nonces[next(iter(session.nonces))]
        return made

    def check(self, session, service, told):
        assert told["IEXEC_TASK_ID"] == str(self.tasks[session.task])
        has_key = "SIGN_TEE_CHALLENGE_PRIVATE_KEY" in told
        assert has_key is (service is not Service.APP)
        if has_key:
            worker = self.tee.world.workers[session.worker].address
            assert told["SIGN_WORKER_ADDRESS"] == str(worker)
        assert ("IEXEC_DATASET_KEY" in told) is (service is Service.PRE_COMPUTE)
        assert ("IEXEC_APP_DEVELOPER_SECRET" in told) is (service is Service.APP)

    @rule(seconds=st.sampled_from([1, 60, 1_800, 3_600]))
    def wait(self, seconds):
        self.tee.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-7_200, 7_200]))
    def set_the_clock(self, seconds):
        self.tee.clock.set_by(seconds)

    @precondition(lambda self: len(self.sessions) > 1)
    @rule()
    def start_again(self):
        self.do(self.tee.http.aclose())
        self.tee.start()
        for each in self.sessions:
            each.is_open = False

    @precondition(lambda self: self.releases > 1 and not self.is_over)
    @rule()
    def end_all_tasks(self):
        view = self.do(self.tee.chain.hub.tasks({self.tasks[-1]: ()}))[self.tasks[-1]]
        self.tee.chain.mine_until(view.contribution_deadline)
        self.is_over = True

    def teardown(self):
        if hasattr(self, "tee"):
            released = [each for each in told_audit(10_000, self.tee.address)
                        if each["act"] == "released"]  # fmt: skip
            assert len(released) == self.releases
            self.do(self.tee.http.aclose())
            self.do(self.opening.__aexit__(None, None, None))
        self.loop.close()
        shutil.rmtree(self.folder)


_NUMBERS = count()
TestSessions = SessionMachine.TestCase
TestSessions.settings = settings(max_examples=examples(12), stateful_step_count=25, deadline=None)
