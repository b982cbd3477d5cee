"""The devnet's named accounts: keys of a public mnemonic, RLC, stake, a workerpool, keystores."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from poolhand.devnet.abi import call_data, returned
from poolhand.devnet.adversaries.kinds import Kind, kind_of
from poolhand.devnet.artifacts import Artifacts
from poolhand.devnet.contracts import HUB_INTERFACE, DeployedContracts, read_hub
from poolhand.devnet.info import DevnetAccount
from poolhand.devnet.node import TEST_MNEMONIC
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.transactions import SetupStep, next_nonce, settle, sign
from poolhand.domain.ids import Address
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.keys.errors import WalletExists
from poolhand.keys.keystore import import_wallet
from poolhand.observe.private import write_private

DEPLOYER: Final = "deployer"
POOL_ACCOUNT: Final = "pool"
REQUESTER: Final = "requester"
MATCHER: Final = "matcher"
COIN: Final = 10_000 * 10**18
"""Wei that every account has at least at the start, as Anvil gives it."""
DEVNET_SCRYPT_COST: Final = 2
"""These keys are public: their files need no protection, only to open fast."""


@dataclass(frozen=True, slots=True)
class Funding:
    """What an account gets (nRLC): in its wallet, and as stake on the hub."""

    wallet: NanoRlc = NanoRlc(10_000 * NANO_PER_RLC)
    stake: NanoRlc = NanoRlc(10_000 * NANO_PER_RLC)


DEFAULT_FUNDING: Final = Funding()


@dataclass(frozen=True, slots=True)
class Funded:
    """Accounts by name, with their files; and the workerpool that ``pool`` owns."""

    accounts: Mapping[str, DevnetAccount]
    workerpool: Address


def derive(name: str, mnemonic: str = TEST_MNEMONIC) -> LocalAccount:
    """Return an account by name: ``deployer``, ``pool``, ``requester``, ``worker-1`` and on.

    They are m/44'/60'/0'/0/i of the mnemonic, i from 0 in that order; ``matcher`` is
    m/44'/60'/0'/1/0; adversary n of kind k (from 1, in the order of ``Kind``) is m/44'/60'/k'/0/n.
    """
    Account.enable_unaudited_hdwallet_features()  # only public mnemonics come here
    found: LocalAccount = Account.from_mnemonic(mnemonic, account_path=_path(name))
    return found


def _path(name: str) -> str:
    fixed, kind = (DEPLOYER, POOL_ACCOUNT, REQUESTER), kind_of(name)
    if kind is not None:
        return f"m/44'/60'/{1 + tuple(Kind).index(kind)}'/0/{int(name.rpartition('-')[2])}"
    if name == MATCHER:
        return "m/44'/60'/0'/1/0"
    index = fixed.index(name) if name in fixed else 2 + int(name.removeprefix("worker-"))
    return f"m/44'/60'/0'/0/{index}"


def account_names(workers: int, adversaries: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of all accounts of a devnet with so many workers, and adversaries."""
    numbered = (f"worker-{number}" for number in range(1, workers + 1))
    return (DEPLOYER, POOL_ACCOUNT, REQUESTER, MATCHER, *numbered, *adversaries)


async def fund(
    node_url: str,
    artifacts: Artifacts,
    deployed: DeployedContracts,
    home: Path,
    *,
    workers: int,
    adversaries: Sequence[str] = (),
    funding: Funding = DEFAULT_FUNDING,
    description: str = "devnet",
    mnemonic: str = TEST_MNEMONIC,
) -> Funded:
    """Give every account coin, RLC and stake, create the workerpool, write the keystores.

    Accounts that own RLC already (in the wallet, staked or locked) are left as they are, a
    workerpool that exists is used, files that exist are kept: calling again changes nothing,
    calling with more workers adds those.

    Args:
        node_url: A development node.
        artifacts: Where the contracts' interfaces come from.
        deployed: What ``deploy`` returned; ``deployer`` must hold RLC.
        home: Of the devnet; keystores and password files go to ``home/wallets``.
        workers: How many.
        adversaries: Names of simulated ones; they get what workers get.
        funding: For each account but the deployer.
        description: Of the workerpool; with its owner it decides its address.
        mnemonic: Whose accounts.

    Raises:
        SetupFailed: A transaction was reverted.
        ChainUnreachable: The node does not answer.
    """
    accounts = {name: derive(name, mnemonic) for name in account_names(workers, adversaries)}
    async with NodeRpc(node_url) as rpc:
        setting = _Setting(rpc, artifacts, deployed)
        others = [account for name, account in accounts.items() if name != DEPLOYER]
        poor = [account for account in others if not await setting.owns_rlc(account)]
        if poor:
            await setting.give_coin(poor)
            await setting.give_rlc(accounts[DEPLOYER], poor, funding)
        workerpool = await setting.workerpool(accounts[POOL_ACCOUNT], description)
    folder = home / "wallets"
    stored = {name: store_account(folder, name, account) for name, account in accounts.items()}
    return Funded(stored, workerpool)


def store_account(folder: Path, name: str, account: LocalAccount) -> DevnetAccount:
    """Write an account's keystore, and its password beside it (mode 0600); keep what is there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password_file = folder / f"{name}.password"
    password = _password(password_file)
    try:
        path = import_wallet(folder, account.key.hex(), password, cost=DEVNET_SCRYPT_COST).path
    except WalletExists as found:
        path = found.path
    return DevnetAccount(account.address, str(path), str(password_file))


def _password(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(18))
    return path.read_text(encoding="utf-8")


class _Setting:
    """The chain being furnished: what it holds, and what it lacks."""

    def __init__(self, rpc: NodeRpc, artifacts: Artifacts, deployed: DeployedContracts) -> None:
        self._rpc, self._artifacts, self._deployed = rpc, artifacts, deployed
        self._token, self._hub = artifacts.token(), artifacts.contract(HUB_INTERFACE)
        self._registry = artifacts.contract("registries/workerpools/WorkerpoolRegistry")

    async def owns_rlc(self, account: LocalAccount) -> bool:
        """Whether the account has RLC anywhere."""
        stake, locked = await read_hub(
            self._rpc, self._artifacts, self._deployed.hub, "viewAccount", account.address
        )
        held = await self._view(self._token, self._deployed.rlc, "balanceOf", account.address)
        return bool(stake or locked or held)

    async def give_coin(self, accounts: Sequence[LocalAccount]) -> None:
        """Set the coin of accounts that have less, by Anvil's own method."""
        balances = await self._rpc.batch(
            [("eth_getBalance", (account.address, "latest")) for account in accounts]
        )
        poor = [a for a, has in zip(accounts, balances, strict=True) if int(has, 16) < COIN]
        await self._rpc.batch([("anvil_setBalance", (a.address, hex(COIN))) for a in poor])

    async def give_rlc(
        self, giver: LocalAccount, accounts: Sequence[LocalAccount], funding: Funding
    ) -> None:
        """Stake for others and fill their wallets, from the wallet that holds the supply."""
        hub, rlc = self._deployed.hub, self._deployed.rlc
        total = funding.stake * len(accounts)
        steps = [SetupStep("approve", rlc, call_data(self._token, "approve", hub, total))]
        for account in accounts:
            who = account.address
            stake = call_data(self._hub, "depositFor", funding.stake, who)
            fill = call_data(self._token, "transfer", who, funding.wallet)
            steps += [SetupStep("depositFor", hub, stake), SetupStep("transfer", rlc, fill)]
        nonce = await next_nonce(self._rpc, giver)
        await settle(self._rpc, steps, sign(giver, steps, nonce, self._deployed.chain_id))

    async def workerpool(self, owner: LocalAccount, description: str) -> Address:
        """Return the owner's workerpool of that description, created when it does not exist."""
        registry = self._deployed.registries["workerpool"]
        values = (owner.address, description)
        predicted = await self._view(self._registry, registry, "predictWorkerpool", *values)
        if not await self._view(self._registry, registry, "isRegistered", predicted):
            data = call_data(self._registry, "createWorkerpool", *values)
            step = SetupStep("createWorkerpool", registry, data)
            nonce = await next_nonce(self._rpc, owner)
            raw = sign(owner, [step], nonce, self._deployed.chain_id)
            await settle(self._rpc, [step], raw)
        return Address.parse(predicted)

    async def _view(self, artifact: Mapping[str, Any], to: Address, name: str, *args: Any) -> Any:
        data = "0x" + call_data(artifact, name, *args).hex()
        answer = await self._rpc.call("eth_call", {"to": str(to), "data": data}, "latest")
        return returned(artifact, name, answer)[0]
