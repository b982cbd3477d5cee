"""Is the wallet there, this worker's own, and has it the coin and the stake that a task needs?"""

from __future__ import annotations

from poolhand.domain.deal import Account
from poolhand.domain.doctor.findings import (
    Check,
    CheckOutcome,
    Finding,
    failed,
    of_message,
    passed,
    unknown,
    warned,
)
from poolhand.domain.gas_reserve import Means, gas_lack, gas_remedy, judge
from poolhand.domain.ids import Address
from poolhand.domain.task.idle import stake_remedy
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc


def judge_wallet(path: str, mode: int, address: Address | None) -> Finding:
    """Judge a keystore file that can be read.

    Args:
        path: Of it.
        mode: Its permissions, as the system has them.
        address: That it claims to hold; None where it does not tell.
    """
    named = "which does not tell its address" if address is None else str(address)
    if mode & 0o077:
        return warned(
            Check.WALLET,
            f"others of this machine may read {path} (mode {mode & 0o777:04o})",
            f"`chmod 600 {path}`",
        )
    return passed(Check.WALLET, f"{path}, {named}")


def judge_signer(path: str, address: Address | None, *, waits: bool | None, runs: bool) -> Finding:
    """Judge a signer apart, which has the keystore; its file cannot be looked at from here.

    Args:
        path: Of its socket.
        address: Of its wallet, as it says; None where it does not.
        waits: Whether it waits at a socket for the worker to connect; None: a socket is there, and
            whether somebody waits is not seen.
        runs: Whether the worker does, which has been let in by it then.
    """
    named = "does not tell its address" if address is None else f"is {address}"
    if waits is None and not runs:
        return unknown(
            Check.WALLET,
            f"there is a socket at {path}, and whether a signer waits there is not seen, for what "
            "a signer tells of itself does not lie beside it",
            "see the signer's log, let its user write to that folder, and remove what lies at "
            f"{path}.address from another user",
        )
    if not waits and not runs:
        return failed(
            Check.WALLET,
            f"no signer waits at {path}, and no worker runs here that it could be serving",
            "start it with `poolhand signer serve` (its log says why it ended), and see that this "
            "user may enter the folder",
        )
    does = "serves this worker" if runs else "waits for this worker"
    if address is None:
        return unknown(
            Check.WALLET,
            f"the signer at {path} {does}, and {named}",
            "install the same version of Poolhand for both, then look again",
        )
    return passed(
        Check.WALLET,
        f"the signer at {path} {does}; its wallet {named}; who may read the keystore is not seen "
        "from here",
    )


def judge_signers_password(*, is_open: bool) -> Finding:
    """Judge the password that a signer apart has; ``is_open``: it serves or waits to."""
    if is_open:
        return passed(Check.PASSWORD, "the signer has opened the wallet with it")
    return unknown(
        Check.PASSWORD,
        "the signer has it, and no signer is here to have tried it",
        "start the signer: a wrong password is told in its log",
    )


def judge_password(*, is_told: bool) -> Finding:
    """Judge a password that opened the wallet, or that nobody told."""
    if is_told:
        return passed(Check.PASSWORD, "the password opens the wallet")
    return unknown(
        Check.PASSWORD,
        "no password was told, so none was tried; the worker asks for it when it starts",
        "give --password-file to have it tried here",
    )


def judge_free(
    wallet: Address, held: str, *, runs_here: bool, seen: str | None, is_asked: bool
) -> Finding:
    """Judge whether the wallet is this worker's alone.

    Args:
        wallet: Which.
        held: The message that says which program of this machine holds it; empty: none.
        runs_here: Whether that is this worker.
        seen: Name of the worker with this wallet that is connected to the pool; None: none is.
        is_asked: Whether the pool told who is connected.
    """
    if held and runs_here:
        return passed(Check.WALLET_FREE, "held by this worker, which runs")
    if held:
        return of_message(Check.WALLET_FREE, held, "give this worker a wallet of its own")
    if seen is not None:
        return failed(
            Check.WALLET_FREE,
            f"a worker '{seen}' with wallet {wallet} is connected to the pool, and none holds it "
            "on this machine",
            "stop that worker where it runs, or give this one a wallet of its own",
        )
    if is_asked:
        return passed(
            Check.WALLET_FREE, "no program here holds it, and the pool knows no worker with it"
        )
    return passed(
        Check.WALLET_FREE, "no program here holds it; the pool did not tell of other machines"
    )


def judge_gas(means: Means, wallet: Address, source: str) -> Finding:
    """Judge the wallet's coin against one task.

    Args:
        means: What there is, and what gas costs.
        wallet: Whose.
        source: Where coin of this chain comes from, in a sentence.
    """
    check = Check.GAS
    if means.is_free:
        return Finding(check, CheckOutcome.PASS, "gas is free on this chain", missing_wei=Wei(0))
    if means.is_capped_out:
        return of_message(check, means.cap_told, "give a higher --gas-price-cap")
    gas = judge(means, owed=0)
    if gas.is_short(was_short=False):
        fix = f"{gas_remedy(gas)} ({source})" if source else gas_remedy(gas)
        return Finding(
            check, CheckOutcome.FAIL, gas_lack(gas, wallet), fix, missing_wei=gas.missing
        )
    there = f"{show_coin(gas.balance)} coins for gas, and a task takes at most "
    return Finding(check, CheckOutcome.PASS, there + show_coin(gas.needed), missing_wei=Wei(0))


def least_stake(prices: tuple[NanoRlc, ...], percent: int | None) -> NanoRlc | None:
    """Return what the cheapest task of a pool locks (nRLC); None where the pool does not tell.

    Args:
        prices: Of its tasks, by any category.
        percent: Of a price that a worker locks.
    """
    if percent is None or not prices:
        return None
    return NanoRlc(min(prices) * percent // 100)


def judge_stake(account: Account, least: NanoRlc | None, wallet: Address, source: str) -> Finding:
    """Judge the stake against the cheapest task of the pool.

    Args:
        account: The wallet's, in the hub.
        least: What such a task locks (nRLC); None where the pool does not tell.
        wallet: Whose.
        source: Where RLC comes from, in a sentence.
    """
    check, has = Check.STAKE, NanoRlc(account.stake + account.locked)
    wanted = NanoRlc(1) if least is None else least
    if has < wanted:
        missing = NanoRlc(0 if least is None else least - has)
        needs = "" if least is None else f", and the pool's cheapest task locks {show_rlc(least)}"
        return Finding(
            check,
            CheckOutcome.FAIL,
            f"wallet {wallet} has {show_rlc(has)} RLC as stake{needs}",
            stake_remedy(wallet, missing) + (f" ({source})" if source else ""),
            missing_nrlc=missing,
        )
    there = f"{show_rlc(account.stake)} RLC free, {show_rlc(account.locked)} locked"
    needs = "" if least is None else f"; the pool's cheapest task locks {show_rlc(least)}"
    return Finding(check, CheckOutcome.PASS, there + needs, missing_nrlc=NanoRlc(0))
