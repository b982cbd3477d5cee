"""The signer: ``python -m poolhand.cli.signer_program DESCRIPTOR``, which ``worker start`` starts.

It loads as little as it can, for it lives as long as its worker. Password and keystore are read by
a child that ends at once: what asks, reads and decrypts is gone before the first signature.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from poolhand.cli.exits import INTERRUPTED
from poolhand.domain.errors import Malformed, PoolhandError, Refused
from poolhand.domain.ids import Address
from poolhand.keys.confinement import confine, drop_streams, hide
from poolhand.keys.parent_end import IsGone, ask_kernel, end_with_parent, hung_up, left_by
from poolhand.keys.signer_line import SignerLine
from poolhand.keys.signer_service import SignerService
from poolhand.keys.wallet import Wallet
from poolhand.wire.signer_api import NotSigned, UnlockWallet, WalletOpened

SIGNER_MISUSED: Final = 3
"""Exit code of a signer whose program did not keep to the form."""
MOST_PASSWORD_READ: Final = 65_536
"""Bytes of a password that are read."""


def main() -> int:
    """Serve the line whose descriptor is the only argument; returns the exit code."""
    hide()
    line = SignerLine(socket.socket(fileno=int(sys.argv[1])))
    is_gone = hung_up(line.fileno())
    end_with_parent(is_gone)
    try:
        return _serve(line, is_gone)
    except Malformed:
        return SIGNER_MISUSED
    except (KeyboardInterrupt, OSError):  # the program is gone
        return INTERRUPTED


def _serve(line: SignerLine, is_gone: IsGone) -> int:
    asked = line.receive()
    if not isinstance(asked, UnlockWallet):
        return SIGNER_MISUSED
    wallet = opened(asked)
    if isinstance(wallet, NotSigned):
        line.send(wallet)
        return wallet.exit_code
    work(line, wallet, asked, lambda: ask_kernel(is_gone))
    return 0


def opened(asked: UnlockWallet) -> Wallet | NotSigned:
    """Have a child open the wallet; returns why it did not where it did not."""
    told = _apart(lambda: _open(asked))
    if "key" not in told:
        return NotSigned(told["code"], told["message"], told["exit"])
    return Wallet.parse(told.pop("key"))


def work(
    line: SignerLine,
    wallet: Wallet,
    asked: UnlockWallet,
    confined: Callable[[], None] = lambda: None,
) -> None:
    """Give up all that signing needs not, and sign until the other end is closed.

    Args:
        line: To whoever asks.
        wallet: Open.
        asked: Tells what may be signed.
        confined: Called once all that is given up.

    Raises:
        Malformed: The other end does not keep to the form.
        OSError: The line is broken.
    """
    drop_streams()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its program, which may still owe
    service = SignerService(wallet, asked.policy(wallet.address))
    _warm_up(wallet)
    bounds = confine()
    confined()
    line.send(WalletOpened(wallet.address, bounds))
    service.serve(line)


def _open(asked: UnlockWallet) -> dict[str, Any]:
    """Find the password and decrypt the key, in the child."""
    from poolhand.keys.keystore import open_wallet
    from poolhand.keys.wallet import encrypted
    from poolhand.settings.wallets import DEFAULT_KEYSTORE

    wallet = open_wallet(asked.wallet, DEFAULT_KEYSTORE, _password(asked))
    return {"key": encrypted(wallet, lambda key: key.hex())}


def _password(asked: UnlockWallet) -> str:
    from poolhand.cli.passwords import ask_password
    from poolhand.keys.named import read_password

    if asked.password is not None:
        return asked.password
    if asked.password_pipe is not None:
        return os.read(asked.password_pipe, MOST_PASSWORD_READ).decode("utf-8", "surrogateescape")
    if asked.password_file:
        return read_password(asked.password_file)
    return ask_password(f"password of {Path(asked.wallet).name}")


def _apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do work in a child, and return what it told."""
    ours, theirs = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        end_with_parent(left_by(parent))  # it may be asking, and wait for ever
        os.close(ours)
        os.write(theirs, json.dumps(_told(work)).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        found = stream.read()
    os.waitpid(child, 0)
    told: dict[str, Any] = json.loads(found) if found else _ended()
    return told


def _ended() -> dict[str, Any]:
    message = "the wallet was not opened: what asked for its password has ended"
    return {"code": "interrupted", "message": message, "exit": INTERRUPTED}


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except PoolhandError as fault:
        return {"code": fault.code, "message": str(fault), "exit": fault.exit_code}
    except BaseException as fault:  # noqa: BLE001 - a trace here could hold the password
        if isinstance(fault, KeyboardInterrupt) or type(fault).__name__ == "Abort":
            return _ended()
        message = f"the wallet was not opened: {type(fault).__name__}"
        return {"code": "signer-failed", "message": message, "exit": Refused.exit_code}


def _warm_up(wallet: Wallet) -> None:
    """Sign once what is worth nothing, so that all is loaded before files are given up."""
    from poolhand.domain.messages import Nonce, WorkerLogin, pool_domain
    from poolhand.domain.transaction import UnsignedTransaction
    from poolhand.domain.units import Gas, UnixSeconds, Wei
    from poolhand.wire.signer_api import SIGNER_LINE, MessageSigned, TransactionSigned, asking

    nowhere, nonce = Address(bytes(20)), Nonce(bytes(32))
    login = WorkerLogin(pool_domain(0, nowhere), nowhere, "", nonce, nonce, UnixSeconds(0))
    signature = wallet.sign_message(login)
    SIGNER_LINE.decode(SIGNER_LINE.encode(asking(login)))
    SIGNER_LINE.encode(MessageSigned(signature))
    nothing = UnsignedTransaction(0, 0, nowhere, Wei(0), b"", Gas(0), Wei(0), Wei(0))
    SIGNER_LINE.encode(TransactionSigned(*wallet.sign_transaction(nothing)))


if __name__ == "__main__":
    sys.exit(main())
