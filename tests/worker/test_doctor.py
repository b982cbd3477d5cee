"""The doctor over a chain in memory: what it asks whom, and that one broken check is one line.

One file, for each takes something away from the same surroundings and has them examined.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from poolhand.chain.fake.chain import FakeChain
from poolhand.containers.engine import answering
from poolhand.domain.doctor.engine import DOCKER_CHECK, EngineFacts
from poolhand.domain.doctor.findings import Check, CheckOutcome, Examination, passed
from poolhand.domain.doctor.machine import MachineFacts, NamespaceFacts
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import CreateWorkerpool
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.domain.units import GIB, NanoRlc, Wei
from poolhand.keys.errors import WalletInUse, WrongPassword
from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings
from poolhand.settings.load import load
from poolhand.transport.clock import ManualClock
from poolhand.transport.pool_client import PoolDown, PoolGreeting, PoolRefused
from poolhand.wire.pool_api import PoolConfig, PoolSummary, WorkerNews
from poolhand.wire.pool_enclaves import TeeProofTold
from poolhand.worker.doctor.checks import AT_A_START, Doctor
from poolhand.worker.doctor.examining import SharedLook, examine
from poolhand.worker.doctor.looks import DiskLook, DoctorLooks, KeystoreLook, SignerLook
from poolhand.worker.doctor.page import LASTS, LastingExamination

MINE, OWNER = Address(bytes([7] * 20)), Address(bytes([8] * 20))
RLC = 10**9
PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
UNKNOWN = CheckOutcome.UNKNOWN


class OpenPool:
    """A pool that answers."""

    def __init__(self, config: PoolConfig, time: int) -> None:
        self.told, self.time, self.connected = config, time, None

    async def greeting(self):
        return PoolGreeting(self.told, self.time)

    async def summary(self):
        return PoolSummary(worker_stake_percent=30)

    async def worker(self, address):
        if self.connected is None:
            raise PoolRefused("not-known", f"worker {address} is not connected to this pool")
        return self.connected


class ClosedPool:
    """A pool that is down."""

    async def greeting(self):
        raise PoolDown("the workerpool at http://p does not answer (x): wait")

    summary = greeting

    async def worker(self, _address):
        await self.greeting()


class Surroundings:
    """All that a worker needs, as it should be; a test takes something away."""

    def __init__(self) -> None:
        self.chain = FakeChain(gas_price=Wei(10))
        self.chain.gas_cap = Wei(100)
        self.chain.fund(OWNER, coin=10**18)
        asset = CreateWorkerpool(OWNER, "pool")
        self.chain.submit(OWNER, asset)
        self.chain.mine()
        self.chain.fund(MINE, coin=Wei(10**18), stake=RLC)
        self.clock = ManualClock(self.chain.head.timestamp)
        self.flags = {"rpc": "http://127.0.0.1:1", "hub": str(self.chain.facts.hub)}
        self.workerpool = None
        self.pool = None
        self.changes = {}
        self.hosts_lack = ""

    async def settled(self):
        self.workerpool = (await self.chain.hub.workerpools_of(OWNER, 1))[0].address
        config = PoolConfig(
            chain_id=self.chain.facts.chain_id,
            hub=self.chain.facts.hub,
            workerpool=self.workerpool,
            owner=OWNER,
            results_url="",
            prices={0: NanoRlc(RLC)},
        )
        self.pool = OpenPool(config, self.clock.now())
        self.flags["pool-address"] = str(self.workerpool)
        return self

    def looks(self) -> DoctorLooks:
        async def engine():
            return EngineFacts(
                DOCKER_CHECK,
                "28.5.2",
                "linux/amd64",
                "1.3.3",
                cgroups="2",
                room=20 * GIB,
                cpus=4,
                memory=8 * GIB,
            )

        async def chain():
            return self.chain

        async def registry(_place):
            return ""

        async def sandbox():
            return Sandbox(SandboxLevel.RUNC)

        async def hosts():
            return self.hosts_lack

        usual = DoctorLooks(
            sandbox=sandbox,
            hosts=hosts,
            machine=lambda: MachineFacts(cpus=4, memory=8 * GIB, files=20_000),
            namespaces=NamespaceFacts,
            room=lambda: 100 * GIB,
            disk=lambda: DiskLook("the kernel keeps it", by_kernel=True, is_seen=True),
            engine=engine,
            keystore=lambda: KeystoreLook("/k/wallet.json", 0o100600, MINE),
            opened=lambda: True,
            held=lambda _who: None,
            runs=lambda: None,
            chain=chain,
            pool=self.pool,
            registry=registry,
            port=lambda _port: "",
            environ={},
            source=lambda _chain, _who: "a faucet",
        )
        return replace(usual, **self.changes)

    async def examined(self, **changes):
        self.changes = changes
        settings = doctor_settings(load(DOCTOR_OPTIONS, self.flags, {}, None), {})
        return await Doctor(settings, self.looks(), self.clock).examine()


@pytest.fixture
async def around():
    return await Surroundings().settled()


def raising(fault):
    def look(*_):
        raise fault

    return look


async def test_where_all_is_well_every_check_passes_and_stands_once(around):
    told = await around.examined()
    assert [each.check for each in told.findings] == list(Check)
    assert {each.outcome for each in told.findings} == {PASS}, told.findings
    assert (told.is_sound, told.wallet) == (True, MINE)


async def test_nothing_is_sent(around):
    sent = []
    around.chain.before_send = lambda *told: sent.append(told)
    await around.examined()
    assert sent == []


@pytest.mark.mistake("engine-stopped")
async def test_an_engine_that_is_stopped_fails_and_what_hangs_on_it_is_not_looked_at(around):
    async def stopped():
        with answering("unix:///run/docker.sock"):
            raise OSError("no such file")

    told = await around.examined(engine=stopped)
    found = told[Check.ENGINE]
    assert (found.outcome, found.fix.startswith("start Docker on this machine")) == (FAIL, True)
    hanging = (
        *(Check.ENGINE_VERSION, Check.ENGINE_PLATFORM, Check.ENGINE_DISK, Check.ENGINE_SIZE),
        *(Check.SANDBOX, Check.CGROUPS),
    )
    assert {told[each].outcome for each in hanging} == {UNKNOWN}
    assert told[Check.DISK_LIMIT].outcome is PASS


async def test_an_engine_in_a_small_machine_of_its_own_is_told_by_the_tasks_that_it_is_to_run(
    around,
):
    async def small():
        return EngineFacts(DOCKER_CHECK, "28.5.2", cpus=2, memory=2 * GIB)

    found = (await around.examined(engine=small))[Check.ENGINE_SIZE]
    assert (found.outcome, "3 tasks at once share" in found.found) == (WARN, True)
    assert "--cpus 2" in found.fix
    around.flags |= {"cpus": "2"}
    assert (await around.examined(engine=small))[Check.ENGINE_SIZE].outcome is not FAIL
    around.flags |= {"memory": "3g"}
    assert (await around.examined(engine=small))[Check.ENGINE_SIZE].outcome is FAIL


async def test_hosts_are_tried_where_some_are_allowed_and_told_with_what_is_lacking(around):
    around.hosts_lack = "the image has no python3"
    assert "no host" in (await around.examined())[Check.HOSTS].found
    around.flags |= {"network-hosts": "a.example", "network-image": "python"}
    found = (await around.examined())[Check.HOSTS]
    assert (found.outcome, "a.example:443 (the image has" in found.found) == (WARN, True)
    around.hosts_lack = ""
    assert (await around.examined())[Check.HOSTS].outcome is PASS
    around.flags |= {"sandbox": "gvisor"}
    told = await around.examined()
    assert "set sandbox to runc" in told[Check.SETTINGS].told


@pytest.mark.mistake("wrong-password")
async def test_a_wrong_password_fails_in_the_words_of_a_start(around):
    told = await around.examined(opened=raising(WrongPassword(Path("/k/wallet.json"))))
    found = told[Check.PASSWORD]
    assert (found.outcome, found.found) == (FAIL, "wrong password for /k/wallet.json")
    assert (await around.examined(opened=lambda: False))[Check.PASSWORD].outcome is UNKNOWN


@pytest.mark.mistake("no-gas")
@pytest.mark.mistake("no-stake")
async def test_what_is_missing_is_told_with_where_it_comes_from(around):
    around.chain.drain(MINE)
    around.pool.told = around.pool.told.model_copy(update={"prices": {0: NanoRlc(20 * RLC)}})
    told = await around.examined()
    found = told[Check.STAKE]
    assert (found.outcome, found.missing_nrlc) == (FAIL, 5 * RLC)
    assert "`poolhand account deposit 5` when" in found.fix
    assert found.fix.endswith("(a faucet)")
    coin = told[Check.GAS]
    assert (coin.outcome, coin.missing_wei) == (FAIL, 600_000 * 20 + 150_000 * 100)


@pytest.mark.mistake("wallet-in-use")
async def test_a_wallet_is_free_only_if_this_worker_holds_it_or_nobody(around):
    held = WalletInUse(MINE, "4711", "worker start")
    assert (await around.examined(held=lambda _: held))[Check.WALLET_FREE].outcome is FAIL
    mine = await around.examined(held=lambda _: held, runs=lambda: "4711")
    assert (mine[Check.WALLET_FREE].outcome, mine[Check.PORT].outcome) == (PASS, PASS)
    around.pool.connected = WorkerNews(
        worker=MINE, name="office", paused=False, idle=(), stake_missing=0
    )
    assert "office" in (await around.examined())[Check.WALLET_FREE].found


async def test_what_the_pool_found_proved_of_enclaves_is_told_simulated_or_not(around):
    assert "the pool" not in (await around.examined())[Check.TEE].found
    told = {"tcb_status": "UpToDate", "at": 1_800_000_000}
    proofs = [
        TeeProofTold(framework="tdx", simulated=True, **told),
        TeeProofTold(framework="gramine", simulated=False, **told),
        TeeProofTold(framework="of-tomorrow", simulated=False, **told),
    ]
    seen = {"worker": MINE, "paused": False, "idle": (), "stake_missing": 0}
    around.pool.connected = WorkerNews(**seen, tee_proofs=proofs)
    found = (await around.examined())[Check.TEE].found
    assert "found tdx SIMULATED, which keeps nothing secret, proved at 2027-01-15" in found
    assert "found gramine proved at" in found
    assert "tomorrow" not in found


async def test_beside_a_signer_apart_its_wallets_coin_and_stake_are_told(around):
    def never():
        raise AssertionError("it has no password to try")

    told = await around.examined(
        keystore=lambda: SignerLook("/run/line", waits=True, address=MINE), opened=never
    )
    assert {each.outcome for each in told.findings} == {PASS}, told.findings
    assert told.wallet == MINE
    assert f"waits for this worker; its wallet is {MINE}" in told[Check.WALLET].found
    assert "is not seen from here" in told[Check.WALLET].found
    held = WalletInUse(MINE, "4711", "worker start")
    told = await around.examined(
        keystore=lambda: SignerLook("/run/line", waits=False, address=MINE),
        opened=never,
        held=lambda _: held,
        runs=lambda: "4711",
    )
    assert {each.outcome for each in told.findings} == {PASS}, told.findings
    assert "serves this worker" in told[Check.WALLET].found


@pytest.mark.mistake("no-signer")
async def test_a_signer_apart_that_is_not_there_fails_and_one_that_tells_nothing_is_unknown(around):
    told = await around.examined(
        keystore=lambda: SignerLook("/run/line", waits=False, address=None)
    )
    assert (told[Check.WALLET].outcome, "signer serve" in told[Check.WALLET].fix) == (FAIL, True)
    assert {told[each].outcome for each in (Check.PASSWORD, Check.GAS, Check.STAKE)} == {UNKNOWN}
    told = await around.examined(keystore=lambda: SignerLook("/run/line", waits=None, address=None))
    assert (told[Check.WALLET].outcome, told[Check.PASSWORD].outcome) == (UNKNOWN, UNKNOWN)
    assert "/run/line.address" in told[Check.WALLET].fix
    told = await around.examined(keystore=lambda: SignerLook("/run/line", waits=True, address=None))
    assert (told[Check.WALLET].outcome, told[Check.PASSWORD].outcome) == (UNKNOWN, PASS)


async def test_without_a_pool_the_rest_is_still_told(around):
    around.pool = ClosedPool()
    told = await around.examined()
    assert told[Check.POOL].outcome is FAIL
    passing = (Check.NODE, Check.CLOCK, Check.GAS, Check.STAKE, Check.WALLET_FREE)
    assert {told[each].outcome for each in passing} == {PASS}
    assert "the pool" in told[Check.PROXY].found


async def test_without_a_chain_the_rest_is_still_told(around):
    async def away():
        raise ChainUnreachable("http://node cannot be connected to")

    told = await around.examined(chain=away)
    assert (told[Check.NODE].outcome, bool(told[Check.NODE].fix)) == (FAIL, True)
    assert {told[each].outcome for each in (Check.GAS, Check.STAKE)} == {UNKNOWN}
    assert {told[each].outcome for each in (Check.POOL, Check.CLOCK)} == {PASS}


@pytest.mark.mistake("no-chain")
async def test_without_settings_it_says_which_are_missing_and_looks_at_this_computer(around):
    around.flags = {}
    told = await around.examined()
    assert (told[Check.SETTINGS].outcome, "--chain" in told[Check.SETTINGS].fix) == (FAIL, True)
    assert told[Check.NODE].outcome is UNKNOWN
    assert {told[each].outcome for each in (Check.CPUS, Check.ENGINE, Check.WALLET)} == {PASS}


async def test_a_pool_that_the_chain_does_not_know_is_told_as_at_a_start(around):
    around.flags["pool-address"] = str(MINE)
    found = (await around.examined())[Check.POOL]
    assert found.outcome is FAIL
    assert found.found.startswith(f"no workerpool {MINE} on chain ")
    assert "POOL_ADDRESS" in found.fix


async def test_a_pool_of_another_owner_than_the_chains_is_told(around):
    around.pool.told = around.pool.told.model_copy(update={"owner": MINE})
    assert "owner" in (await around.examined())[Check.POOL].found


@pytest.mark.mistake("unknown-chain")
async def test_a_far_chain_that_is_known_by_no_name_is_told_even_while_it_is_away(around):
    async def away():
        raise ChainUnreachable("https://node.example cannot be connected to")

    around.flags |= {"rpc": "https://node.example", "chain-id": "4242"}
    told = await around.examined(chain=away)
    assert (told[Check.HUB].outcome, "chain 4242 " in told[Check.HUB].found) == (WARN, True)
    assert (await around.examined())[Check.HUB].outcome is WARN
    around.flags["chain-id"] = "0"
    assert (await around.examined(chain=away))[Check.HUB].outcome is UNKNOWN


@pytest.mark.mistake("wrong-hub")
async def test_another_hub_on_a_public_chain_fails_though_its_node_is_near(around):
    around.chain.facts = replace(around.chain.facts, chain_id=42161)
    found = (await around.examined())[Check.HUB]
    assert (found.outcome, f"set to hub {around.chain.facts.hub}" in found.found) == (FAIL, True)


@pytest.mark.mistake("clock-off")
async def test_a_clock_that_is_off_blames_no_node(around):
    around.clock.advance(3_600)
    told = await around.examined()
    assert (told[Check.CLOCK].outcome, told[Check.NODE].outcome) == (FAIL, PASS)


@pytest.mark.parametrize(
    "name", ["machine", "namespaces", "room", "disk", "keystore", "opened", "held", "port"]
)
@pytest.mark.parametrize("fault", [ValueError("odd"), BrokenPrecondition("odd")])
async def test_whatever_a_look_raises_is_told_and_ends_no_other_check(around, name, fault):
    told = await around.examined(**{name: raising(fault)})
    assert [each.check for each in told.findings] == list(Check)
    broken = [each for each in told.findings if "itself broke" in each.found]
    assert broken
    assert all("odd" in each.found for each in broken)
    assert told[Check.ENGINE].outcome is PASS


async def test_checks_run_beside_each_other_each_within_its_time():
    met = asyncio.Barrier(2)

    async def meets():
        await met.wait()
        return passed(Check.CPUS, "met")

    async def never():
        await asyncio.Event().wait()
        raise AssertionError

    jobs = {Check.CPUS: meets, Check.MEMORY: meets, Check.NODE: never, Check.GPU: never}
    told = [each.outcome for each in await examine(jobs, 0.05)]
    assert told == [PASS, PASS, FAIL, UNKNOWN]


async def test_what_is_shared_is_got_once():
    got = []

    async def get():
        got.append(1)
        await asyncio.sleep(0)
        return "it"

    shared = SharedLook(get, Check.NODE)
    assert await asyncio.gather(shared.own(), shared.needed(), shared.asked()) == ["it"] * 3
    assert got == [1]
    await shared.close()


async def test_whoever_asks_how_often_it_is_looked_once_a_minute():
    looked, clock = [], ManualClock(1_000)

    async def look():
        looked.append(clock.now())
        await asyncio.sleep(0)
        return Examination((passed(Check.CPUS, str(len(looked))),))

    lasting = LastingExamination(look, clock)
    first, second = await asyncio.gather(lasting(), lasting())
    assert first is second
    clock.advance(LASTS - 1)
    assert await lasting() is first
    clock.advance(1)
    assert (await lasting()).findings[0].found == "2"
    clock.set_by(-3_600)  # a clock that was set back keeps nothing for an hour
    clock.advance(LASTS)
    assert (await lasting()).findings[0].found == "3"


def test_a_start_looks_at_what_it_does_not_find_out_by_starting():
    by_starting = {Check.SETTINGS, Check.CPUS, Check.WALLET, Check.PASSWORD, Check.WALLET_FREE,
                   Check.DISK_LIMIT, Check.PORT, Check.TEE, Check.VIRTUALIZATION,
                   Check.USER_NAMESPACES,
                   Check.REGISTRY, Check.PROXY}  # fmt: skip
    assert AT_A_START | by_starting == set(Check)
    assert not AT_A_START & by_starting
