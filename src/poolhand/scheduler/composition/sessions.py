"""Workers: their sessions, what is said to them, what the chain says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.lead import Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.account_reads import AccountReads
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.appraisal import Appraisal
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.mail import Mail
from poolhand.scheduler.returns import Returns
from poolhand.scheduler.worker_sessions import WorkerSessions
from poolhand.settings.pool import PoolSettings
from poolhand.transport.gate import HubRules
from poolhand.transport.session_hub import SessionHub
from poolhand.wire.messages import WorkerBound


@dataclass(frozen=True, slots=True)
class SessionParts:
    """How workers come, and how they are reached.

    Attributes:
        accounts: Read a worker's stake and coin.
        appraisal: Keeps what the chain says of the connected ones.
        sockets: Theirs.
        mail: What is said to them, never before the journal holds why.
        workers: What they say.
        returns: After a restart, those that have tasks are waited for.
    """

    accounts: AccountReads
    appraisal: Appraisal
    sockets: SessionHub
    mail: Mail
    workers: WorkerSessions
    returns: Returns

    @classmethod
    def of(
        cls,
        owner: Signer,
        settings: PoolSettings,
        common: CommonParts,
        proved: ReputationParts,
        hub: Hub,
        clock: Clock,
        entropy: Entropy,
        fence: Fence,
        tell: Callable[[Address, WorkerBound], None] | None,
        exclusions: Exclusions,
    ) -> SessionParts:
        """Make them; ``tell`` replaces the sockets in simulations."""
        engine, directory = common.engine, common.directory
        now, wake = common.time.now, common.due.wake
        accounts = AccountReads(directory, hub, engine.boundary, common.outage)
        appraisal = Appraisal(directory, engine, accounts.read, wake)
        sessions = SessionHub(
            clock, entropy, settings.results_url, session_limits(settings), engine.boundary
        )
        sessions.stood_still.connect(proved.self_watch.stood_still)
        mail = Mail(engine, tell or sessions.tell, fence)
        workers = WorkerSessions(
            engine,
            directory,
            owner,
            now,
            mail.tell,
            wake,
            sessions.strike,
            proved.memory.workers.of,
            Admission(settings.allowed, settings.least_version, exclusions.of),
            settings.sms_url,
        )
        returns = Returns(engine, clock, directory.has, now, wake)
        workers.arrived.connect(appraisal.arrived)
        workers.arrived.connect(returns.arrived)
        workers.declines.connect(proved.assessor.excuse)
        return cls(accounts, appraisal, sessions, mail, workers, returns)


def session_limits(settings: PoolSettings) -> HubRules:
    """Return what workers may take of the pool before and while they are let in."""
    return HubRules(
        sockets_per_address=settings.connections_per_address,
        greetings_per_address=settings.logins_per_address,
        greetings=settings.logins_at_once,
    )
