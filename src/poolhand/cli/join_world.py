"""The world in which a computer joins a pool: its folders, its wallet's money, its worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.confirming import confirm
from poolhand.cli.faucet import NoFaucetHere, give
from poolhand.cli.funding import where_from
from poolhand.cli.join_folder import JoinFolder
from poolhand.cli.join_service import Launcher
from poolhand.cli.join_wallet import WalletWish, get_wallet
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.domain.doctor.findings import Check, CheckOutcome, Examination, Finding
from poolhand.domain.doctor.network import ONLY_INVITED
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.input_url import is_near_url
from poolhand.domain.joining import JoinSeen, JoinWish, Missing, wished_coin, wished_stake
from poolhand.domain.units import NanoRlc, show_coin, show_rlc
from poolhand.ports.clock import Clock
from poolhand.wire.join_api import JoinManifest
from poolhand.wire.pool_api import PoolConfig
from poolhand.worker.pid_file import read

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun
    from poolhand.requester.requester import Requester

BY_MONEY: Final = frozenset({Check.GAS, Check.STAKE})
"""Checks that fail until the wallet has what this command waits for."""
TOLD_BEFORE: Final = frozenset({Check.HUB})
"""Checks whose warning this command has told of the pool's own word, before it had any wallet."""
PAUSE_BETWEEN_JOIN_LOOKS: Final = 2.0
"""Seconds between two looks at a wallet that waits for money, and at a worker that starts."""
START_LIMIT: Final = 90.0
"""Seconds for a worker to answer, and then for its pool to let it in."""
SLOW_LIMIT: Final = 900.0
"""Seconds for a worker to answer that is at work all the time: its computer may be slow."""
MOST_LOG: Final = 800
"""Characters of a worker's log that are shown where it did not start."""


class WorkerDidNotStart(Unavailable):
    """The worker was started and does not answer."""

    def __init__(self, launcher: Launcher, log: str) -> None:
        said = f"; it said last: {log}" if log else ""
        super().__init__(
            f"the worker was started ({launcher.told}) and does not answer{said}: fix what it "
            "says, and give the same command again"
        )


class ComputerNotReady(Refused):
    """A worker would earn nothing on this computer; nothing was paid."""

    def __init__(self, failures: Sequence[Finding]) -> None:
        told = "".join(f"\n  {each.check}: {each.told}" for each in failures)
        super().__init__(
            "a worker would earn nothing on this computer yet, so nothing was deposited; fix "
            f"this, and give the same command again:{told}"
        )


def check_ready(found: Examination) -> None:
    """Check that a worker could earn by what the doctor has seen, but for what money fixes.

    Raises:
        ComputerNotReady: It could not.
    """
    failures = [
        each
        for each in found.findings
        if each.outcome is CheckOutcome.FAIL and each.check not in BY_MONEY
    ]
    if failures:
        raise ComputerNotReady(failures)


@dataclass(frozen=True, slots=True)
class JoinTerms:
    """What is joined, and on which terms.

    Attributes:
        manifest: What the pool's owner signed.
        config: What the pool says of itself.
        stake_percent: Of a task's price that workers lock, as the chain tells.
        slots: Tasks at once.
        stake: To be deposited at least; None: what a task in each slot locks.
        yes: It was said beforehand that all is meant.
        docker: The engine that the environment names, which no service inherits; or empty.
        is_here: Whether the pool was asked at an address of this computer or its network.
        upgrades: Whether newer versions that the owner signs are to be installed without asking.
    """

    manifest: JoinManifest
    config: PoolConfig
    stake_percent: int
    slots: int
    stake: NanoRlc | None
    yes: bool
    docker: str = ""
    is_here: bool = False
    upgrades: bool = False


class ThisComputer:
    """Implements ``JoinWorld``.

    Args:
        command: With the chain of the pool; its wallet is not used.
        requester: Reads that chain.
        terms: What is joined.
        wallet: Which wallet the worker is to have.
        folder: Where the pool is remembered.
        launcher: Keeps the worker running.
        examine: Looks whether all is there that a worker needs, by the settings of the folder.
        clock: Waits.
        elapsed: Seconds, from whenever, by what nobody sets: a computer that has just started may
            have its clock set while this waits.
    """

    def __init__(
        self,
        command: CommandRun,
        requester: Requester,
        terms: JoinTerms,
        wallet: WalletWish,
        folder: JoinFolder,
        launcher: Launcher,
        examine: Callable[[], Awaitable[Examination]],
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._requester, self._terms = command, requester, terms
        self._wallet, self._folder, self._launcher = wallet, folder, launcher
        self._examine, self._clock, self._elapsed = examine, clock, elapsed
        self._wish: JoinWish | None = None
        self._told: Missing | None = None

    async def look(self) -> JoinSeen:
        """Return what there is now."""
        wallet, page = self._folder.wallet(), running(self._folder)
        if wallet is None:
            return JoinSeen(is_running=page is not None)
        has = await self._requester.balances(wallet)
        return JoinSeen(
            wallet,
            has.coin,
            has.rlc,
            NanoRlc(has.account.stake + has.account.locked),
            self._folder.is_marked and self._launcher.is_registered,
            page is not None,
        )

    async def wish(self, seen: JoinSeen) -> JoinWish:
        """Return what the worker's wallet must have; nothing while there is none, or it works.

        Raises:
            ComputerNotReady: A check failed that money does not fix.
        """
        if seen.wallet is None or seen.is_running or seen.is_set_up:
            return JoinWish(seen.coin, NanoRlc(0))
        if self._wish is None:
            await self._check()
            async with self._spending() as requester, requester.wallet.open() as opened:
                means = await opened.sender.means()
            terms = self._terms
            stake = terms.stake
            if stake is None:
                stake = wished_stake(terms.config.prices, terms.stake_percent, terms.slots)
            self._wish = JoinWish(wished_coin(means.price, means.cap), stake)
        return self._wish

    async def _check(self) -> None:
        """Have the doctor look before anything is paid; what money fixes is done here."""
        found = await self._examine()
        for each in found.findings:
            if each.outcome is CheckOutcome.WARN and each.check not in BY_MONEY | TOLD_BEFORE:
                self._command.note(f"{each.check}: {each.told}")
        check_ready(found)

    async def get_wallet(self) -> None:
        """Make a wallet, or take the one that was named, and write the worker's settings."""
        got = await asyncio.to_thread(get_wallet, self._command, self._wallet, self._folder)
        settings = {
            "core-url": self._terms.manifest.url,
            "pool-address": str(self._terms.manifest.workerpool),
            "name": self._folder.name,
            "base-dir": str(self._folder.workers),
            "wallet": str(got.wallet),
            "password-file": str(got.password_file),
            "status-port": "0",
            **self._chain(),
        }
        if self._terms.docker:
            settings["docker"] = self._terms.docker
        if self._terms.upgrades:
            settings["upgrade-from"] = str(self._terms.manifest.owner)
        if is_near_url(self._terms.manifest.url):
            settings["allow-private"] = "true"
        self._folder.write(settings, got.address)
        self._folder.settle_wallet(got.wallet.parent)
        self._command.note(f"the worker's wallet is {got.address} ({got.wallet})")

    def _chain(self) -> Mapping[str, str]:
        """Return the settings by which the worker finds the very chain that was looked at here."""
        manifest, nodes = self._terms.manifest, ",".join(self._command.found["rpc"])
        name = self._command.flags.get("chain")
        if name:
            return {"chain": name, **({"rpc": nodes} if nodes else {})}
        return {"rpc": nodes, "hub": str(manifest.hub), "chain-id": str(manifest.chain_id)}

    async def wait_for_money(self, missing: Missing) -> None:
        """Say what is missing, and return when it is worth another look."""
        wallet = self._folder.wallet()
        if missing != self._told:
            self._tell_missing(missing, str(wallet))
            is_first, self._told = self._told is None, missing
            if is_first and await self._given(missing, str(wallet)):
                return
        await self._clock.sleep(PAUSE_BETWEEN_JOIN_LOOKS)

    def _tell_missing(self, missing: Missing, wallet: str) -> None:
        chain_id = self._terms.manifest.chain_id
        parts = []
        if missing.coin:
            parts.append(f"{show_coin(missing.coin)} of the chain's coin, for gas")
        if missing.rlc:
            parts.append(f"{show_rlc(missing.rlc)} RLC, for stake")
        self._command.note(f"wallet {wallet} needs {' and '.join(parts)}")
        if self._told is None:
            from poolhand.cli.join_page import show_address

            show_address(self._command, wallet)
            self._command.note(
                f"where they come from: {where_from(chain_id, wallet, self._command.rpc_urls)}"
            )
            self._command.note("waiting for them; Ctrl-C stops, the same command goes on")

    async def _given(self, missing: Missing, wallet: str) -> bool:
        """Have a devnet's faucet give what is missing; False where there is none.

        A pool names a node where its chain is no public one.
        """
        is_told = self._terms.is_here and bool(self._terms.manifest.rpc)
        try:
            await give(
                self._command,
                Address.parse(wallet),
                missing.rlc,
                missing.coin,
                is_told=is_told,
            )
        except NoFaucetHere:
            return False
        self._command.note("this chain is a devnet: its faucet gave them")
        return True

    async def deposit(self, amount: NanoRlc) -> None:
        """Ask, and turn RLC into stake."""
        what = f"you need to deposit {show_rlc(amount)} RLC, which tasks lock and give back"
        if self._terms.config.by_invitation:
            what = f"{ONLY_INVITED}; {what}"
        confirm(what, yes=self._terms.yes)
        async with self._spending() as requester:
            receipt = await requester.deposit(amount)
        self._command.note(f"deposited {show_rlc(amount)} RLC (block {receipt.block})")

    async def set_up(self) -> None:
        """Register the worker's service."""
        self._launcher.register()
        self._folder.mark()

    async def start(self) -> None:
        """Start the worker, and return when the pool has let it in, or when that takes too long.

        Raises:
            WorkerDidNotStart: It does not even answer.
        """
        self._command.note(f"starting the worker: {self._launcher.told}")
        self._launcher.start()
        taken = await self._await_answer()
        # who takes long to start takes long to log in
        await self._wait(lambda: is_let_in(running(self._folder)), max(START_LIMIT, taken))

    async def _await_answer(self) -> float:
        """Return once the worker answers; the seconds that it took."""
        taken = await self._wait(lambda: running(self._folder) is not None, START_LIMIT)
        if taken < START_LIMIT:
            return taken
        if self._launcher.is_at_work():
            self._command.note("it does not answer yet and is at work: a slow computer takes long")

        def is_decided() -> bool:
            return running(self._folder) is not None or not self._launcher.is_at_work()

        taken += await self._wait(is_decided, SLOW_LIMIT - START_LIMIT)
        if running(self._folder) is None:
            raise WorkerDidNotStart(self._launcher, last_words(self._folder))
        return taken

    async def _wait(self, is_so: Callable[[], bool], limit: float) -> float:
        """Wait until something is so, or for so many seconds; return how many it took."""
        began = self._elapsed()
        while not is_so() and (taken := self._elapsed() - began) < limit:
            await self._clock.sleep(min(PAUSE_BETWEEN_JOIN_LOOKS, limit - taken))
        return self._elapsed() - began

    def _spending(self) -> Any:
        told = self._folder.read()
        password = self._folder.password_of(told)
        return self._command.requester(wallet=(told["wallet"], password))


def running(folder: JoinFolder) -> Page | None:
    """Return the page of a joined worker; None: it does not run."""
    pid_file = read(folder.worker)
    if pid_file is None or not pid_file.is_running:
        return None
    page = Page(pid_file.url, pid_file.token, pid_file)
    with suppress(WorkerSilent):
        page.status()
        return page
    return None


def is_let_in(page: Page | None) -> bool:
    """Whether a worker answers and has a session with its pool."""
    with suppress(WorkerSilent):
        return page is not None and bool(page.status().get("connected"))
    return False


def last_words(folder: JoinFolder) -> str:
    """Return the end of a worker's log, empty where the system keeps it."""
    with suppress(OSError):
        lines = folder.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])[-MOST_LOG:]
    return ""
