"""What the doctor looks at, newcomers' mistakes, and the tests that make them: docs/doctor.md."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from marked import StrayClaim, marked
from reached import link

from poolhand.containers.disks import PROMISES, DiskKind
from poolhand.containers.engine import answering
from poolhand.domain.deal import Account
from poolhand.domain.doctor import enclaves, engine, machine, network, wallet
from poolhand.domain.doctor.engine import DOCKER_CHECK, EngineFacts
from poolhand.domain.doctor.findings import Check, Finding, of_message
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.gas_reserve import Means
from poolhand.domain.gpu import ALL_GPUS, FoundGpus
from poolhand.domain.ids import Address
from poolhand.domain.sandbox_level import ANY_SANDBOX, Sandbox, SandboxLevel
from poolhand.domain.units import GIB, MIB, BlockNumber, NanoRlc, UnixSeconds, Wei
from poolhand.keys.errors import WalletInUse, WrongPassword
from poolhand.transport.listen import PortBusy, bind

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests"
PAGE: Final = ROOT / "docs" / "doctor.md"
MARK: Final = "mistake"
WALLET: Final = Address.parse("0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd")
HUB: Final = Address.parse("0x098bfcb1e50ebca0baa92c12ea0c3f045a1ad9f0")
POOL: Final = "https://pool.example"
NOW: Final = UnixSeconds(1_700_000_000)
HEAD: Final = """# The doctor

<!-- Made by `make docs` from the checks and the tests' source; do not edit. -->

`poolhand worker doctor` looks at all that a worker needs, sends nothing and changes nothing. Each
check ends as `pass`, `warn` (a worker runs all the same), `unknown` (it could not be looked at) or
`fail`; with `--json` it is an object with `check`, `outcome`, `found` and `fix`. `worker start`
looks at what of it it would not find out by starting, logs what is not well (`check_told`), and
shows at `/doctor` on its page how that stands now; joining looks at all before anything is paid.
"""
ABOUT: Final[Mapping[Check, str]] = {
    Check.SETTINGS: "whether chain, pool and their addresses are named",
    Check.CPUS: "processors that this program may use: 2 at least",
    Check.MEMORY: "memory of the machine, or of the container: for the worker and its tasks",
    Check.DISK: "room at the worker's folder, for what one task may write",
    Check.DISK_LIMIT: "whether the kernel keeps apps within their disk: tried with a small one",
    Check.SYSTEM_LIMITS: "open files that a program may have",
    Check.ENGINE: "whether a container engine answers",
    Check.ENGINE_VERSION: "what is known of the versions of the engine and of runc",
    Check.ENGINE_PLATFORM: "for which processor the engine runs images: most apps', or another",
    Check.ENGINE_SIZE: "CPUs and memory that the engine has: in a virtual machine, fewer",
    Check.ENGINE_DISK: "room where the engine keeps images, if it is on this machine",
    Check.SANDBOX: "limits of containers, the filter of system calls, and what apps run in: tried",
    Check.CGROUPS: "by which version of the kernel's control groups limits are kept",
    Check.USER_NAMESPACES: "whether the signer gets a network of its own: tried",
    Check.WALLET: "the keystore file: there, readable, and by its owner alone; or the signer apart "
    "that has it: whether it waits, and for which wallet",
    Check.PASSWORD: "whether the password opens the wallet, where one was told; a signer apart has "
    "opened it by then",
    Check.WALLET_FREE: "locks of this machine, and workers that are connected to the pool",
    Check.NODE: "RPC endpoints: there, of the right chain and hub, at its head",
    Check.HUB: "whether the hub is iExec's, where the chain's id is a public one; else who vouches",
    Check.POOL: "whether the pool answers, for this workerpool, hub and chain, and its owner",
    Check.CLOCK: "this machine's clock against the pool's, else the newest block's",
    Check.GAS: "coin of the wallet against what one task may cost",
    Check.STAKE: "RLC of the account against what the pool's cheapest task locks",
    Check.REGISTRY: "whether the image registry answers",
    Check.PROXY: "whether a proxy is named, and what is not reached without one",
    Check.PORT: "whether the port of the status page (metrics, orders) can be had",
    Check.HOSTS: "whether apps reach the hosts that are allowed: tried, where some are",
    Check.GPU: "GPUs that can be given to tasks, and why others cannot; needed by none",
    Check.TEE: "SGX and TDX, of the processor and as devices; needed by none",
    Check.VIRTUALIZATION: "/dev/kvm; needed by none but a worker in a virtual machine",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of a newcomer's mistakes: what was done, and what the doctor finds."""

    made: str
    finding: Finding


@cache
def mistakes() -> Mapping[str, Mistake]:
    """Return every mistake by the name that tests call it; each sentence is the product's own."""
    claims = network.PoolClaims(42161, HUB, WALLET, WALLET)
    stranger = network.PoolClaims(42161, HUB, HUB, WALLET)
    old, open_runc = (
        EngineFacts(DOCKER_CHECK, "17.03.1"),
        EngineFacts(DOCKER_CHECK, "24.0.7", runc="1.1.7"),
    )
    lacks = EngineFacts(DOCKER_CHECK, "24.0.7", lacks=("memory",))
    in_use = str(WalletInUse(WALLET, "4711", "worker start"))
    file = "~/worker.json"
    rows = {
        "no-chain": ("no chain was named", network.judge_settings(
            ("no chain to work on: name one with --chain, or give --rpc and --hub",), ())),
        "one-cpu": ("a computer with 1 CPU", machine.judge_cpus(1)),
        "little-memory": ("a virtual machine of 1 GB", machine.judge_memory(
            GIB, GIB, 1)),
        "disk-full": ("the disk is full", machine.judge_disk(0, "/var/lib/worker", GIB)),
        "no-disk-limit": ("the worker is not run as root", machine.judge_disk_limit(
            PROMISES[DiskKind.WATCH], by_kernel=False, is_seen=True)),
        "engine-stopped": ("Docker is not started", of_message(
            Check.ENGINE, _engine_down(), "")),
        "old-engine": ("a Docker of 2017", engine.judge_engine_version(old)),
        "open-runc": ("security updates were not installed",
                      engine.judge_engine_version(open_runc)),
        "another-processor": ("a computer with an ARM processor", engine.judge_engine_platform(
            EngineFacts(DOCKER_CHECK, "24.0.7", "linux/arm64"))),
        "engine-full": ("the engine's disk is full", engine.judge_engine_disk(
            EngineFacts(DOCKER_CHECK, "24.0.7", room=200 * MIB))),
        "no-limits": ("the kernel limits no memory", engine.judge_sandbox(
            lacks, Sandbox(SandboxLevel.RUNC), ANY_SANDBOX)),
        "broken-gvisor": ("gVisor is set up with a platform that this machine lacks",
                          engine.judge_sandbox(EngineFacts(DOCKER_CHECK, "24.0.7"), Sandbox(
                              SandboxLevel.RUNC, passed_over=((
                                  "runsc", "a container of it had not ended after 20 s"),)),
                              ANY_SANDBOX)),
        "old-cgroups": ("a system that was booted with cgroup v1", engine.judge_cgroups(
            EngineFacts(DOCKER_CHECK, "24.0.7", cgroups="1"))),
        "no-namespaces": ("the kernel refuses user namespaces", machine.judge_namespaces(
            machine.NamespaceFacts(False, "kernel.unprivileged_userns_clone=1"))),
        "no-signer": ("the signer's container is not up", wallet.judge_signer(
            "/run/poolhand/signer.sock", None, waits=False, runs=False)),
        "open-wallet": ("the keystore was copied with mode 0644",
                        wallet.judge_wallet(file, 0o644, WALLET)),
        "wrong-password": ("a wrong password", of_message(
            Check.PASSWORD, str(WrongPassword(Path(file))), "")),
        "wallet-in-use": ("a second worker with the same wallet", wallet.judge_free(
            WALLET, in_use, runs_here=False, seen=None, is_asked=True)),
        "wallet-elsewhere": ("the same wallet on two computers", wallet.judge_free(
            WALLET, "", runs_here=False, seen="office", is_asked=True)),
        "node-behind": ("a node that is still catching up", network.judge_node(
            BlockNumber(100), UnixSeconds(NOW - 7_200), NOW, 42161)),
        "wrong-hub": ("a pool's file names a hub of its own on a public chain", network.judge_hub(
            42161, WALLET, network.PublicHub("arbitrum", HUB), is_near=False)),
        "unknown-chain": ("a pool's file names a chain of its own", network.judge_hub(
            4242, WALLET, None, is_near=False)),
        "wrong-pool": ("the address of another pool", network.judge_pool(POOL, stranger, claims)),
        "not-invited": ("a pool that lets in only whom it names", network.judge_pool(
            POOL, claims, claims, by_invitation=True)),
        "clock-off": ("the clock is an hour off", network.judge_clock(
            UnixSeconds(NOW + 3_600), NOW, NOW)),
        "no-gas": ("no coin for gas", wallet.judge_gas(
            Means(Wei(0), Wei(10**8), Wei(22 * 10**9), Wei(10**8)), WALLET, "")),
        "no-stake": ("no RLC deposited", wallet.judge_stake(
            Account(NanoRlc(0), NanoRlc(0)), NanoRlc(3 * 10**8), WALLET, "")),
        "no-internet": ("no way out but to the pool", network.judge_registry(
            "docker.io", "no route to host")),
        "proxy-needed": ("a network that lets nobody out but by a proxy", network.judge_proxy(
            (), ("the pool", "the chain's node"))),
        "port-taken": ("another program has the port", network.judge_port(
            13100, _port_busy(), runs_here=False)),
        "no-gpu": ("--gpu without a GPU", machine.judge_gpus(FoundGpus(), (ALL_GPUS,))),
        "no-sgx-driver": ("SGX without its driver", enclaves.judge_tee(
            enclaves.TeeFacts(sgx_processor=True))),
        "no-virtualization": ("a virtual machine where there is no virtualization",
                              machine.judge_virtualization(machine.VirtualFacts())),
    }  # fmt: skip
    return {name: Mistake(*row) for name, row in rows.items()}


def _engine_down() -> str:
    try:
        with answering("unix:///var/run/docker.sock"):
            raise OSError("no such file")
    except RuntimeDown as fault:
        return str(fault)


def _port_busy() -> str:
    """Return what is told of a port that is taken, by taking one."""
    with bind("127.0.0.1", 0) as mine:
        port = mine.getsockname()[1]
        try:
            bind("127.0.0.1", port, "--status-port").close()
        except PortBusy as fault:
            return str(fault).replace(str(port), "13100")
    return ""


@cache
def places(folder: Path = TESTS) -> Mapping[str, tuple[str, ...]]:
    """Return the tests of each mistake.

    Raises:
        StrayClaim: A mark decorates no test, or names its mistake by other than a literal.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for call, place in marked(folder, MARK):
        for argument in call.args:
            if not isinstance(argument, ast.Constant):
                raise StrayClaim(f'{place} names a mistake by what is no "one-cpu"')
            found[str(argument.value)].append(place)
    return {name: tuple(sorted(set(tests))) for name, tests in found.items()}


def page() -> str:
    """Return docs/doctor.md."""
    parts = [HEAD, "\n## What is looked at\n", "| check | looks at |", "| --- | --- |"]
    parts += [f"| `{check}` | {ABOUT[check]} |" for check in Check]
    parts += ["\n## Newcomers' mistakes\n", "What is found and how to fix it, word for word.\n"]
    parts += ["| mistake | check | outcome | what is found | fix | test |"]
    parts += ["| --- | --- | --- | --- | --- | --- |"]
    for name, each in mistakes().items():
        told = each.finding
        proofs = "<br>".join(link(place) for place in places().get(name, ())) or "**no test**"
        parts.append(
            f"| {each.made} | `{told.check}` | {told.outcome} | {told.found} | {told.fix} "
            f"| {proofs} |"
        )
    return "\n".join(parts) + "\n"
