"""``poolhand devnet faucet``: coin and RLC for anybody, on a network that is a devnet's.

The devnet's RLC lies with its deployer, whose key comes from a public mnemonic; so the faucet works
on any devnet that can be reached, also from another folder or another machine. One that is like a
public chain must be told from a near node of that: its own folder does, a near pool, or its node,
which says that it is Anvil.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.funding import where_from
from poolhand.cli.verb import Answer, verb
from poolhand.devnet.info import DevnetInfo, NoDevnet, devnet_home
from poolhand.domain.errors import Refused
from poolhand.domain.units import NanoRlc, Wei, parse_coin, parse_rlc, show_coin, show_rlc
from poolhand.settings.chains import public_chain

if TYPE_CHECKING:
    from poolhand.domain.ids import Address
    from poolhand.domain.onchain import Receipt
    from poolhand.requester.balances import Balances

Who = Annotated[str, typer.Argument(metavar="ADDRESS", help="Who gets it.")]
Rlc = Annotated[str, typer.Option("--rlc", metavar="AMOUNT", help="RLC to give; 0: none.")]
Coin = Annotated[str, typer.Option("--coin", metavar="AMOUNT", help="Coin to give; 0: none.")]


class NoFaucetHere(Refused):
    """This chain is no devnet: nobody gives RLC away on it."""

    def __init__(self, why: str, source: str) -> None:
        super().__init__(f"{why}. Where RLC comes from: {source}")


def add_faucet(app: typer.Typer) -> None:
    """Add the verb to the noun."""
    verb(app, "faucet", example=FAUCET_EXAMPLE)(faucet)


FAUCET_EXAMPLE = "poolhand devnet faucet 0x4F1C3a7B9D2e8F60514233241506f7e8D9CaBBCD --rlc 100"


async def faucet(command: CommandRun, address: Who, rlc: Rlc = "1000", coin: Coin = "1") -> Answer:
    """Give RLC and coin for gas to an address, on a devnet.

    On a public chain it says where they come from there. A devnet that is like a public chain is
    known by its folder, or by its node on this computer or network, which says that it is Anvil.
    """
    from poolhand.cli.sending import recipient

    return await give(command, recipient(address), parse_rlc(rlc), parse_coin(coin))


async def give(
    command: CommandRun, who: Address, rlc: NanoRlc, coin: Wei, *, is_told: bool = False
) -> Answer:
    """Give from the deployer of the devnet that is meant.

    Args:
        command: Names it.
        who: Gets it.
        rlc: To give (nRLC).
        coin: To give (wei).
        is_told: Whether a pool on this computer or its network tells that its chain is a devnet.

    Raises:
        NoFaucetHere: The chain has a public one's id, and nothing tells it from that; or its
            deployer has too little.
    """
    chain_id = command.settings(signing=False).chain.chain_id
    if chain_id is None:
        async with command.requester() as reader:
            chain_id = reader.hub.facts.chain_id
    await _refuse_public(command, chain_id, who, is_told=is_told)
    with _deployer() as wallet:
        return await _given(command, wallet, who, rlc, coin)


async def _given(
    command: CommandRun, wallet: tuple[str, str], who: Address, rlc: NanoRlc, coin: Wei
) -> Answer:
    from poolhand.domain.onchain import TransferCoin, TransferRlc

    sent: list[Receipt] = []
    async with command.requester(wallet=wallet) as requester:
        has, chain_id = await requester.balances(), requester.hub.facts.chain_id
        if has.rlc < rlc or has.coin < coin:
            raise _empty(has, chain_id, where_from(chain_id, who, command.rpc_urls))
        if coin:
            sent.append(await requester.pay(TransferCoin(who, coin)))
        if rlc:
            sent.append(await requester.pay(TransferRlc(who, rlc)))
        return _answer(await requester.balances(who), rlc, coin, sent)


async def _refuse_public(
    command: CommandRun, chain_id: int, who: Address, *, is_told: bool
) -> None:
    """Keep the deployer's key, which everybody knows, from a public chain and a near node of it."""
    name = public_chain(chain_id)
    if name is None:
        return
    is_near = public_chain(chain_id, command.rpc_urls) is None
    if is_near and (is_told or _runs_here(chain_id, command.rpc_urls)):
        return
    if is_near and all([await says_anvil(each) for each in command.rpc_urls]):
        return
    why = f"{name} is a public chain, and Poolhand has no faucet on it"
    if is_near:
        why = (
            f"chain {chain_id} is {name}, and {command.rpc_urls[0]} does not say that it is Anvil, "
            "the node of a devnet that is like it: on such a devnet, give this command in its "
            "folder, without --rpc"
        )
    raise NoFaucetHere(why, where_from(chain_id, who))


async def says_anvil(rpc_url: str) -> bool:
    """Whether a node says that it is Anvil: what is sent there reaches no public chain."""
    from poolhand.chain.link import Query
    from poolhand.chain.refusal import EndpointDown
    from poolhand.chain.rpc import link_to

    link = link_to(rpc_url)
    try:
        (answer,) = await link.exchange([Query("web3_clientVersion", (), str)])
    except EndpointDown:
        return False
    finally:
        await link.close()
    return str(answer.get("result")).lower().startswith("anvil/")


def _runs_here(chain_id: int, rpc_urls: Sequence[str]) -> bool:
    """Whether these nodes are the devnet's whose folder this is."""
    try:
        devnet = DevnetInfo.read(devnet_home())
    except NoDevnet:
        return False
    return devnet.chain_id == chain_id and {devnet.rpc_url} == set(rpc_urls)


def _empty(has: Balances, chain_id: int, source: str) -> NoFaucetHere:
    return NoFaucetHere(
        f"the devnet's deployer has {show_rlc(has.rlc)} RLC and {show_coin(has.coin)} coins on "
        f"chain {chain_id}: that is not enough, or this is no devnet",
        source,
    )


@contextmanager
def _deployer() -> Iterator[tuple[str, str]]:
    """Write the deployer's keystore for as long as it is needed; its key is public."""
    from poolhand.devnet.accounts import DEPLOYER, derive, store_account

    with tempfile.TemporaryDirectory(prefix="poolhand-faucet-") as folder:
        account = store_account(Path(folder), DEPLOYER, derive(DEPLOYER))
        password = Path(account.password_file).read_text(encoding="utf-8").strip()
        yield account.keystore, password


def _answer(has: Balances, rlc: NanoRlc, coin: Wei, sent: list[Receipt]) -> Answer:
    from poolhand.cli.render import coin as coins
    from poolhand.cli.render import pairs, receipt_members, receipt_row
    from poolhand.cli.render import rlc as rlcs

    members: dict[str, Any] = {
        "address": str(has.owner),
        "given_nrlc": rlc,
        "given_wei": coin,
        "rlc_nrlc": has.rlc,
        "coin_wei": has.coin,
        "transactions": [receipt_members(each) for each in sent],
    }
    rows = (
        ("given", f"{rlcs(rlc)} and {coins(coin)}"),
        ("to", has.owner),
        ("it has now", f"{rlcs(has.rlc)} outside the hub and {coins(has.coin)}"),
        *(("transaction", receipt_row(each)) for each in sent),
    )
    return Answer(members, lambda: pairs(rows))
