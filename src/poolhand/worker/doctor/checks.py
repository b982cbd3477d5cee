"""The checks: each gets the facts that it is about and has them judged in ``domain.doctor``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from poolhand.domain.doctor import engine, machine, network, wallet
from poolhand.domain.doctor.enclaves import judge_tee
from poolhand.domain.doctor.findings import Check, Examination, Finding
from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.ids import Address
from poolhand.domain.input_url import is_near_url
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.ports.clock import Clock
from poolhand.settings.chains import KNOWN_CHAINS, public_chain
from poolhand.settings.doctor import DoctorSettings
from poolhand.transport.pool_client import PoolDown, PoolRefused
from poolhand.worker.doctor.examining import Job, NotLooked, SharedLook, examine
from poolhand.worker.doctor.looks import DoctorLooks, SeenChain, SignerLook

PUBLIC_REGISTRY: Final = "docker.io"
PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
"""Names by which the environment tells of a proxy; their values may hold passwords."""
POOL_TELLS_NOTHING: Final = (PoolDown, PoolRefused, Malformed)
"""Why a pool does not tell something."""
AT_A_START: Final = frozenset(
    {
        Check.MEMORY,
        Check.DISK,
        Check.SYSTEM_LIMITS,
        Check.ENGINE,
        Check.ENGINE_VERSION,
        Check.ENGINE_PLATFORM,
        Check.ENGINE_SIZE,
        Check.ENGINE_DISK,
        Check.SANDBOX,
        Check.CGROUPS,
        Check.HOSTS,
        Check.GPU,
        Check.NODE,
        Check.HUB,
        Check.POOL,
        Check.CLOCK,
        Check.GAS,
        Check.STAKE,
    }
)
"""What a worker that starts looks at; it finds all others out by starting, or by its first pull."""


class NoSuchPool(Refused):
    """The configured workerpool is not registered on the chain."""


class Doctor:
    """Looks at all that a worker needs.

    Args:
        settings: Of the worker.
        looks: At the world.
        clock: This machine's.
    """

    def __init__(self, settings: DoctorSettings, looks: DoctorLooks, clock: Clock) -> None:
        self._settings, self._looks, self._clock = settings, looks, clock
        self._machine = SharedLook(lambda: asyncio.to_thread(looks.machine), Check.CPUS)
        self._engine = SharedLook(looks.engine, Check.ENGINE)
        self._chain = SharedLook(self._connected, Check.NODE)
        self._keystore = SharedLook(lambda: asyncio.to_thread(looks.keystore), Check.WALLET)
        self._greeting = SharedLook(looks.pool.greeting, Check.POOL)

    @property
    def jobs(self) -> Mapping[Check, Job]:
        """Every check."""
        return {
            Check.SETTINGS: self._look_at_settings,
            Check.CPUS: self._look_at_cpus,
            Check.MEMORY: self._look_at_memory,
            Check.DISK: self._look_at_disk,
            Check.DISK_LIMIT: self._look_at_disk_limit,
            Check.SYSTEM_LIMITS: self._look_at_system_limits,
            Check.ENGINE: self._look_at_engine,
            Check.ENGINE_VERSION: self._look_at_engine_version,
            Check.ENGINE_PLATFORM: self._look_at_engine_platform,
            Check.ENGINE_SIZE: self._look_at_engine_size,
            Check.ENGINE_DISK: self._look_at_engine_disk,
            Check.SANDBOX: self._look_at_sandbox,
            Check.CGROUPS: self._look_at_cgroups,
            Check.USER_NAMESPACES: self._look_at_namespaces,
            Check.WALLET: self._look_at_wallet,
            Check.PASSWORD: self._look_at_password,
            Check.WALLET_FREE: self._look_at_wallet_free,
            Check.NODE: self._look_at_node,
            Check.HUB: self._look_at_hub,
            Check.POOL: self._look_at_pool,
            Check.CLOCK: self._look_at_clock,
            Check.GAS: self._look_at_gas,
            Check.STAKE: self._look_at_stake,
            Check.REGISTRY: self._look_at_registry,
            Check.PROXY: self._look_at_proxy,
            Check.PORT: self._look_at_port,
            Check.HOSTS: self._look_at_hosts,
            Check.GPU: self._look_at_gpu,
            Check.TEE: self._look_at_tee,
            Check.VIRTUALIZATION: self._look_at_virtualization,
        }

    async def examine(self, only: frozenset[Check] = frozenset(Check)) -> Examination:
        """Carry out the checks, or some of them."""
        try:
            jobs = {check: job for check, job in self.jobs.items() if check in only}
            found = await examine(jobs)
            known = await self._keystore.asked()
            return Examination(found, None if known is None else known.address)
        finally:
            for each in (self._machine, self._engine, self._keystore, self._greeting, self._chain):
                await each.close()

    async def _connected(self) -> SeenChain:
        if self._settings.chain is None:
            raise NotLooked(Check.SETTINGS)
        return await self._looks.chain()

    # ------------------------------------------------------------------------- this computer

    async def _look_at_settings(self) -> Finding:
        return network.judge_settings(self._settings.problems, self._settings.without_effect)

    async def _look_at_cpus(self) -> Finding:
        return machine.judge_cpus((await self._machine.own()).cpus)

    async def _look_at_memory(self) -> Finding:
        facts = await self._machine.own()
        slots = self._settings.slots or machine.usual_slots(facts.cpus)
        return machine.judge_memory(facts.memory, self._settings.memory, slots)

    async def _look_at_disk(self) -> Finding:
        free = await asyncio.to_thread(self._looks.room)
        return machine.judge_disk(free, str(self._settings.base), self._settings.room)

    async def _look_at_disk_limit(self) -> Finding:
        found = await asyncio.to_thread(self._looks.disk)
        is_seen = found.is_seen or await self._engine.asked() is None
        return machine.judge_disk_limit(found.promise, by_kernel=found.by_kernel, is_seen=is_seen)

    async def _look_at_system_limits(self) -> Finding:
        return machine.judge_system_limits((await self._machine.own()).files)

    async def _look_at_namespaces(self) -> Finding:
        found = await asyncio.to_thread(self._looks.namespaces)
        return machine.judge_namespaces(found)

    async def _look_at_gpu(self) -> Finding:
        return machine.judge_gpus((await self._machine.own()).gpus, self._settings.gpus)

    async def _look_at_tee(self) -> Finding:
        facts = (await self._machine.own()).tee
        return judge_tee(facts, await self._proved())

    async def _proved(self) -> tuple[ProvedFramework, ...]:
        """Return which enclaves the pool says that this worker has proved; none where it is silent.

        Words of a newer pool that this version does not know are passed over.
        """
        known = await self._keystore.asked()
        if known is None or known.address is None or await self._greeting.asked() is None:
            return ()
        try:
            told = (await self._looks.pool.worker(known.address)).tee_proofs
        except POOL_TELLS_NOTHING:
            return ()
        frameworks, levels = set(TeeFramework), set(TcbStatus)
        return tuple(
            ProvedFramework(
                TeeFramework(each.framework), TcbStatus(each.tcb_status), each.simulated, each.at
            )
            for each in told
            if each.framework in frameworks and each.tcb_status in levels
        )

    async def _look_at_virtualization(self) -> Finding:
        return machine.judge_virtualization((await self._machine.own()).virtual)

    async def _look_at_port(self) -> Finding:
        port = self._settings.status_port
        if self._looks.runs() is not None:
            return network.judge_port(port, "", runs_here=True)
        return network.judge_port(port, self._looks.port(port), runs_here=False)

    # ------------------------------------------------------------------------- engine

    async def _look_at_engine(self) -> Finding:
        where = self._settings.docker or "the usual socket"
        return engine.judge_engine(await self._engine.own(), where)

    async def _look_at_engine_version(self) -> Finding:
        return engine.judge_engine_version(await self._engine.needed())

    async def _look_at_engine_platform(self) -> Finding:
        return engine.judge_engine_platform(await self._engine.needed())

    async def _look_at_engine_size(self) -> Finding:
        facts = await self._engine.needed()
        slots = self._settings.slots or machine.usual_slots((await self._machine.own()).cpus)
        return engine.judge_engine_size(facts, slots, self._settings.memory)

    async def _look_at_engine_disk(self) -> Finding:
        return engine.judge_engine_disk(await self._engine.needed())

    async def _look_at_sandbox(self) -> Finding:
        facts = await self._engine.needed()
        return engine.judge_sandbox(facts, await self._looks.sandbox(), self._settings.sandbox)

    async def _look_at_hosts(self) -> Finding:
        hosts, lack = self._settings.app_network.hosts, ""
        if hosts and not self._settings.network:
            await self._engine.needed()
            lack = await self._looks.hosts()
        return engine.judge_hosts(hosts, lack)

    async def _look_at_cgroups(self) -> Finding:
        return engine.judge_cgroups(await self._engine.needed())

    # ------------------------------------------------------------------------- wallet

    async def _look_at_wallet(self) -> Finding:
        found = await self._keystore.own()
        if isinstance(found, SignerLook):
            runs = self._looks.runs() is not None
            return wallet.judge_signer(found.path, found.address, waits=found.waits, runs=runs)
        return wallet.judge_wallet(found.path, found.mode, found.address)

    async def _look_at_password(self) -> Finding:
        found = await self._keystore.needed()
        if isinstance(found, SignerLook):
            return wallet.judge_signers_password(is_open=bool(found.waits or self._looks.runs()))
        return wallet.judge_password(is_told=await asyncio.to_thread(self._looks.opened))

    async def _look_at_wallet_free(self) -> Finding:
        mine = await self._address()
        held = self._looks.held(mine)
        runs_here = held is not None and held.holder == self._looks.runs()
        seen, is_asked = None, True
        try:
            seen = (await self._looks.pool.worker(mine)).name
        except PoolRefused as fault:
            is_asked = fault.pool_code == "not-known"
        except POOL_TELLS_NOTHING:
            is_asked = False
        told = "" if held is None else str(held)
        return wallet.judge_free(mine, told, runs_here=runs_here, seen=seen, is_asked=is_asked)

    async def _address(self) -> Address:
        """Return the wallet's address; raises NotLooked where it is not known."""
        found = await self._keystore.needed()
        if found.address is None:
            raise NotLooked(Check.WALLET)
        return found.address

    async def _look_at_gas(self) -> Finding:
        mine, chain = await self._address(), await self._chain.needed()
        means = await chain.means_of(mine)
        return wallet.judge_gas(means, mine, self._looks.source(chain.facts.chain_id, mine))

    async def _look_at_stake(self) -> Finding:
        mine, chain = await self._address(), await self._chain.needed()
        account = (await chain.hub.accounts([mine]))[mine]
        least, greeting = None, await self._greeting.asked()
        if greeting is not None:
            percent = await self._stake_percent()
            least = wallet.least_stake(tuple(greeting.config.prices.values()), percent)
        source = self._looks.source(chain.facts.chain_id, mine)
        return wallet.judge_stake(account, least, mine, source)

    async def _stake_percent(self) -> int | None:
        """Return what part of a price a worker of the pool locks; None where it does not tell."""
        try:
            return (await self._looks.pool.summary()).worker_stake_percent
        except POOL_TELLS_NOTHING:
            return None

    # ------------------------------------------------------------------------- out there

    async def _look_at_node(self) -> Finding:
        chain = await self._chain.own()
        head = await chain.hub.head()
        greeting = await self._greeting.asked()
        now = self._clock.now() if greeting is None or greeting.time is None else greeting.time
        return network.judge_node(head.number, head.timestamp, now, chain.facts.chain_id)

    async def _look_at_hub(self) -> Finding:
        told, seen = self._settings.chain, await self._chain.asked()
        if told is None:
            raise NotLooked(Check.SETTINGS)
        chain_id = told.chain_id if seen is None else seen.facts.chain_id
        if chain_id is None:
            raise NotLooked(Check.NODE)
        name, is_near = public_chain(chain_id), all(map(is_near_url, told.rpc_urls))
        public = None if name is None else network.PublicHub(name, KNOWN_CHAINS[name].hub)
        return network.judge_hub(chain_id, told.hub, public, is_near=is_near)

    async def _look_at_clock(self) -> Finding:
        greeting, chain = await self._greeting.asked(), await self._chain.asked()
        ours, block = self._clock.now(), None
        if chain is not None:
            block = (await chain.hub.head()).timestamp
        return network.judge_clock(ours, None if greeting is None else greeting.time, block)

    async def _look_at_pool(self) -> Finding:
        told = (await self._greeting.own()).config
        says = network.PoolClaims(told.chain_id, told.hub, told.workerpool, told.owner)
        wanted = await self._wanted(says)
        url, by_invitation = self._settings.pool_url, told.by_invitation
        return network.judge_pool(url, says, wanted, by_invitation=by_invitation)

    async def _wanted(self, says: network.PoolClaims) -> network.PoolClaims:
        """Return which pool it must be, as far as settings and chain tell."""
        pool, chain = self._settings.pool or says.workerpool, await self._chain.asked()
        if chain is None:
            hub = says.hub if self._settings.chain is None else self._settings.chain.hub
            return network.PoolClaims(says.chain_id, hub, pool)
        registered = await chain.hub.workerpool(pool)
        if registered is None:
            raise NoSuchPool(network.no_such_pool(pool, chain.facts.chain_id))
        return network.PoolClaims(chain.facts.chain_id, chain.facts.hub, pool, registered.owner)

    async def _look_at_registry(self) -> Finding:
        place = self._settings.registry or PUBLIC_REGISTRY
        return network.judge_registry(place, await self._looks.registry(place))

    async def _look_at_proxy(self) -> Finding:
        names = tuple(name for name in PROXIES if self._looks.environ.get(name))
        silent = []
        if await self._greeting.asked() is None:
            silent.append("the pool")
        if self._settings.chain is not None and await self._chain.asked() is None:
            silent.append("the chain's node")
        return network.judge_proxy(names, silent)
