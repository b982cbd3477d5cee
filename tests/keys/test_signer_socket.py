"""A signer that runs apart: who is let in, once, by the kernel's word, and to what."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, Wei
from poolhand.keys.keystore import import_wallet
from poolhand.keys.own_signer import SignerGone, SignerRefused
from poolhand.keys.signer_socket import (
    NoSigner,
    SignerDoor,
    SignerTold,
    SocketUnusable,
    address_file,
    connect_signer,
    look_at_signer,
)
from poolhand.keys.wallet import Wallet

KEY = "3b" * 31 + "77"
PASSWORD = "noch ein Passwort, das es sonst nirgends gibt"
CHAIN, RLC = 31337, Address(bytes([7]) * 20)
ME = os.geteuid()
STRANGER = ME + 1
NOTHING = UnsignedTransaction(
    CHAIN, 0, Wallet.parse(KEY).address, Wei(0), b"", Gas(21_000), Wei(9), Wei(1)
)

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux tells who comes")


@contextmanager
def serving(folder, *, peer=ME):
    """Run a signer as its operator starts it; yields its process once it waits at its socket."""
    contract = "0x" + "5f" * 20
    stored = import_wallet(folder / "keys", KEY, PASSWORD, cost=1024)
    words = [
        *("signer", "serve", "--socket", str(folder / "line"), "--peer", str(peer), "--json"),
        *("--pool-address", contract, "--hub", contract, "--rpc", "http://127.0.0.1:1"),
        *("--wallet", str(stored.path), "--chain-id", str(CHAIN), "--gas-price-cap", "1gwei"),
    ]
    program = subprocess.Popen(
        [sys.executable, "-m", "poolhand", *words],
        env={**os.environ, "IEXEC_WORKER_WALLET_PASSWORD": PASSWORD},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ready = program.stdout.readline()
        assert ready, program.stderr.read()
        assert json.loads(ready) == {"url": f"unix://{folder / 'line'}"}
        yield program
    finally:
        program.kill()
        program.communicate()


def test_it_signs_by_its_own_settings_for_one_worker_and_ends_with_that(tmp_path):
    path = tmp_path / "line"
    with serving(tmp_path) as program:
        assert path.stat().st_mode & 0o777 == 0o660
        mine = Wallet.parse(KEY).address
        for _ in range(2):
            assert look_at_signer(path) == SignerTold(waits=True, wallet=mine), "it is not taken"
        own = connect_signer(path)
        assert own.address == Wallet.parse(KEY).address
        assert own.pid is None
        assert "no files, sockets or programs" in own.bounds
        with pytest.raises(SignerRefused, match="settings name chain"):
            own.meet(CHAIN + 1, RLC)
        own.meet(CHAIN, RLC)
        assert own.sign_transaction(NOTHING) == Wallet.parse(KEY).sign_transaction(NOTHING)
        with pytest.raises(SignerRefused, match=r"\(price\)"):
            own.sign_transaction(UnsignedTransaction(
                CHAIN, 0, own.address, Wei(0), b"", Gas(21_000), Wei(10**9 + 1), Wei(1)
            ))  # fmt: skip
        assert not path.exists(), "nobody else can come"
        assert look_at_signer(path) == SignerTold(waits=False, wallet=mine)
        with pytest.raises(NoSigner, match="poolhand signer serve"):
            connect_signer(path, seconds=0)
        program.send_signal(signal.SIGTERM)
        assert own.sign_transaction(NOTHING), "it ends with its worker and with nothing less"
        own.close()
        assert program.wait(timeout=30) == 0


@pytest.mark.skipif(ME != 0, reason="a signer is hidden from its own user")
def test_its_password_is_in_neither_its_words_nor_its_environment(tmp_path):
    with serving(tmp_path) as program:
        own = connect_signer(tmp_path / "line")
        for name in ("environ", "cmdline"):
            assert PASSWORD.encode() not in Path(f"/proc/{program.pid}/{name}").read_bytes()
        own.close()


def test_a_worker_is_told_that_its_signer_has_ended(tmp_path):
    with serving(tmp_path) as program:
        own = connect_signer(tmp_path / "line")
        program.kill()
        with pytest.raises(SignerGone, match=r"has closed the line: start the program again"):
            own.meet(CHAIN, RLC)
        own.close()


def test_another_user_is_sent_away_unheard_and_the_worker_is_still_let_in(tmp_path):
    path = tmp_path / "line"
    with serving(tmp_path, peer=STRANGER) as program:
        with pytest.raises(NoSigner, match=f"--peer {ME}"):
            connect_signer(path)
        assert program.poll() is None
        assert path.exists()
        if ME == 0:
            tmp_path.chmod(0o711)
            for folder in tmp_path.parents[:3]:
                folder.chmod(0o711)
            path.chmod(0o666)
            assert _connects_as(STRANGER, path)


def _connects_as(user, path):
    """Tell whether another user is answered at a socket."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(user, user, user)
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(path))
                os.write(theirs, line.recv(1) or b"-")
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        found = stream.read()
    os.waitpid(child, 0)
    return found not in (b"", b"-")


# ----------------------------------------------------------------------------------- the door


async def test_who_comes_second_is_not_even_accepted(tmp_path):
    path = tmp_path / "line"
    with SignerDoor.opened(path, ME, RLC) as door, socket.socket(socket.AF_UNIX) as first:
        taking = asyncio.create_task(door.taken())
        first.connect(str(path))
        line = await taking
        with socket.socket(socket.AF_UNIX) as second, pytest.raises(FileNotFoundError):
            second.connect(str(path))
        line.close()


async def test_whoever_waits_in_the_queue_behind_the_worker_is_cut_off(tmp_path):
    path = tmp_path / "line"
    first, second = (socket.socket(socket.AF_UNIX) for _ in range(2))
    with first, second, SignerDoor.opened(path, ME, RLC) as door:
        first.connect(str(path))
        second.connect(str(path))
        line = await door.taken()
        second.settimeout(10)
        with pytest.raises(ConnectionResetError):
            second.recv(1)
        line.close()


def test_a_socket_left_by_a_killed_signer_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "line"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with SignerDoor.opened(path, ME, RLC):
        with pytest.raises(SocketUnusable, match="another signer waits"):
            SignerDoor.opened(path, ME, RLC).__enter__()
        assert path.exists()
    assert not path.exists()


@pytest.mark.parametrize("name", ["a-file", "no/folder", "x" * 200])
def test_a_path_that_can_be_no_socket_is_refused_by_name(tmp_path, name):
    (tmp_path / "a-file").write_text("kept")
    with pytest.raises(SocketUnusable, match="--socket"):
        SignerDoor.opened(tmp_path / name, ME, RLC).__enter__()
    assert (tmp_path / "a-file").read_text() == "kept"


def test_a_signer_that_was_killed_while_it_waited_does_not_wait(tmp_path):
    path = tmp_path / "line"
    mine = Wallet.parse(KEY).address
    with serving(tmp_path) as program:
        assert look_at_signer(path) == SignerTold(waits=True, wallet=mine)
        program.kill()
        program.wait()
        assert path.is_socket(), "the kernel leaves it"
        assert look_at_signer(path) == SignerTold(waits=False, wallet=mine)


def test_a_link_beside_the_socket_leads_the_signer_to_nothing(tmp_path):
    path, keystore = tmp_path / "line", tmp_path / "UTC--keystore"
    keystore.write_text("the only copy")
    address_file(path).symlink_to(keystore)
    with SignerDoor.opened(path, ME, RLC):
        assert keystore.read_text() == "the only copy"
        assert not address_file(path).is_symlink()
        assert look_at_signer(path) == SignerTold(waits=True, wallet=RLC)
    assert keystore.read_text() == "the only copy"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        (keystore.name, address_file(path).name)
    )
    address_file(path).unlink()
    address_file(path).symlink_to(keystore)
    assert look_at_signer(path) == SignerTold(waits=False, wallet=None), "nor whoever looks"


def test_what_a_signer_of_another_user_left_stops_nobody(tmp_path):
    path = tmp_path / "line"
    address_file(path).write_text("old\n")
    address_file(path).chmod(0o400)
    with SignerDoor.opened(path, ME, RLC):
        assert look_at_signer(path) == SignerTold(waits=True, wallet=RLC)
        assert address_file(path).stat().st_mode & 0o777 == 0o640


def test_a_signer_that_cannot_tell_whose_wallet_it_has_waits_all_the_same(tmp_path):
    path = tmp_path / "line"
    (address_file(path) / "in-the-way").mkdir(parents=True)
    with SignerDoor.opened(path, ME, RLC), socket.socket(socket.AF_UNIX) as line:
        assert look_at_signer(path) == SignerTold(waits=None, wallet=None)
        line.connect(str(path))
    assert [each.name for each in tmp_path.iterdir()] == [address_file(path).name]


@pytest.mark.skipif(ME != 0, reason="only root leaves a file as another user")
def test_the_word_of_another_users_signer_is_not_taken_for_this_ones(tmp_path):
    path = tmp_path / "line"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        address_file(path).write_text(f"{RLC}\n")
        os.chown(address_file(path), STRANGER, -1)
        assert look_at_signer(path) == SignerTold(waits=None, wallet=None)


def test_of_no_signer_and_of_an_older_one_no_address_is_known(tmp_path):
    path = tmp_path / "line"
    assert look_at_signer(path) == SignerTold(waits=False, wallet=None)
    for junk in (b"", b"0x12", b"\xff" * 64):
        address_file(path).write_bytes(junk)
        assert look_at_signer(path).wallet is None
