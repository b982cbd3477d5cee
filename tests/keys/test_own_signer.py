"""A signer in a process of its own: what it signs, what it gives up, and what its end means."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from chain_fixtures import WALLETS
from poolhand.chain.keeper import Pen
from poolhand.chain.ledger import Ledger
from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.messages import Nonce, PoolProof, WorkerLogin, pool_domain
from poolhand.domain.signatures import check_authorization
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, NanoRlc, UnixSeconds, Wei
from poolhand.keys.keystore import import_wallet
from poolhand.keys.own_signer import NoSuchSignature, OwnSigner, SignerGone, SignerRefused
from poolhand.keys.signer_line import SignerLine
from poolhand.keys.signer_service import SignerService
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import SystemClock
from poolhand.wire.signer_api import (
    MAX_SIGNER_FRAME,
    SIGNER_LINE,
    NotSigned,
    SignTransaction,
    UnlockWallet,
)

KEY = "5a" * 31 + "3c"
PASSWORD = "a password of nobody"
CHEAP = 1024
CHAIN, HUB, RLC, POOL = 31337, *(Address(bytes([number]) * 20) for number in (1, 2, 3))
URL, NONCE = "http://pool.example", Nonce(bytes(32))
NOTHING = UnsignedTransaction(
    CHAIN, 4, Wallet.parse(KEY).address, Wei(0), b"", Gas(21_000), Wei(9), Wei(1)
)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory):
    return import_wallet(tmp_path_factory.mktemp("keys"), KEY, PASSWORD, cost=CHEAP).path


def opening(keystore, **other):
    asked = UnlockWallet(
        str(keystore), PASSWORD, None, "", HUB, POOL, URL, False, Wei(10), NanoRlc(5), CHAIN
    )
    return replace(asked, **other)


@pytest.fixture(scope="module")
def shared(keystore):
    made = OwnSigner.start(opening(keystore))
    made.meet(CHAIN, RLC)
    yield made
    made.close()


@pytest.fixture
def own(keystore):
    made = OwnSigner.start(opening(keystore))
    made.meet(CHAIN, RLC)
    yield made
    made.close()


def login(url=URL):
    domain, expiry = pool_domain(CHAIN, POOL), UnixSeconds(SystemClock().now() + 60)
    return WorkerLogin(domain, Wallet.parse(KEY).address, url, NONCE, NONCE, expiry)


def test_it_signs_as_the_wallet_itself_does(shared):
    wallet = Wallet.parse(KEY)
    assert shared.address == wallet.address
    assert shared.sign_message(made := login()) == wallet.sign_message(made)
    for built in (NOTHING, replace(NOTHING, priority_fee=None)):
        assert shared.sign_transaction(built) == wallet.sign_transaction(built)


def test_it_signs_for_sessions_of_its_own_wallet_alone(shared):
    wallet, task_id, enclave = Wallet.parse(KEY), TaskId(bytes([1]) * 32), POOL
    signed = shared.sign_session(task_id, enclave)
    assert signed == wallet.sign_session(task_id, enclave)
    check_authorization(signed, wallet.address, wallet.address, task_id, enclave)
    with pytest.raises(SignerRefused, match="enclave"):
        shared.sign_session(task_id, ZERO_ADDRESS)


def test_what_is_outside_its_policy_it_refuses_by_name_and_goes_on(shared):
    with pytest.raises(SignerRefused, match=r"\(price\)") as caught:
        shared.sign_transaction(replace(NOTHING, max_fee=Wei(11)))
    assert caught.value.code == "outside-policy"
    with pytest.raises(SignerRefused, match=r"\(pool\)"):
        shared.sign_message(login("http://evil.example"))
    assert shared.sign_transaction(NOTHING)


def test_there_is_no_way_to_ask_for_what_no_worker_signs(shared):
    proof = PoolProof(pool_domain(CHAIN, POOL), POOL, NONCE, NONCE, UnixSeconds(0))
    foreign = replace(login(), domain=Domain("iExecODB", "5.0.0", CHAIN, POOL))
    for message in (proof, foreign):
        with pytest.raises(NoSuchSignature):
            shared.sign_message(message)
    with pytest.raises(NoSuchSignature):
        shared.sign_authorization(POOL, TaskId(bytes(32)), ZERO_ADDRESS)
    with pytest.raises(NoSuchSignature):
        shared.sign_order(pool_domain(CHAIN, POOL), proof)


def test_deposits_are_counted_over_its_life(own):
    rlc_call = bytes.fromhex("cae9ca51") + HUB.rjust(32, b"\0")

    def deposit(nonce, amount):
        tail = amount.to_bytes(32, "big") + (96).to_bytes(32, "big") + bytes(32)
        own.sign_transaction(replace(NOTHING, nonce=nonce, to=RLC, data=rlc_call + tail))

    deposit(1, 3)
    deposit(1, 3)
    deposit(2, 2)
    with pytest.raises(SignerRefused, match=r"\(deposit\)"):
        deposit(3, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "another"}, "wrong-password"),
        ({"wallet": "/nowhere/at/all"}, "wallet-not-found"),
        ({"password": None}, "password-missing"),
        ({"password": None, "password_file": "/nowhere/at/all"}, "password-unreadable"),
    ],
)
def test_why_the_wallet_was_not_opened_is_told(keystore, change, code, monkeypatch):
    with pytest.raises(SignerRefused) as caught:
        OwnSigner.start(opening(keystore, **change))
    assert (caught.value.code, caught.value.exit_code) == (code, 2)


def test_a_password_comes_through_a_pipe_as_well(keystore):
    ours, theirs = os.pipe()
    os.write(theirs, PASSWORD.encode())
    os.close(theirs)
    made = OwnSigner.start(opening(keystore, password=None, password_pipe=ours), (ours,))
    os.close(ours)
    assert made.address == Wallet.parse(KEY).address
    made.close()


# --------------------------------------------------------------------------- what it has given up


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def test_it_has_no_files_no_network_no_rights_and_can_get_none(shared):
    told, folder = status_of(shared.pid), Path("/proc", str(shared.pid))
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert "no files, sockets or programs" in shared.bounds
    net = folder / "ns" / "net"
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):  # hidden from its own user
            net.readlink()
    else:
        assert set(told["Uid"].split()) == {"65534"}
        assert int(told["CapEff"], 16) == 0
        opened = {int(fd.name): str(fd.readlink()) for fd in (folder / "fd").iterdir()}
        assert [opened.pop(stream) for stream in (0, 1, 2)] == ["/dev/null"] * 3
        assert [kind.partition(":")[0] for kind in opened.values()] == ["socket"], "the line alone"
        if "network namespace of its own" in shared.bounds:
            assert net.readlink() != Path("/proc/self/ns/net").readlink()


def test_it_is_small(shared):
    """25 MB were measured; 30 were allowed."""
    assert int(status_of(shared.pid)["VmRSS"].split()[0]) < 30 * 1024


# ------------------------------------------------------------------------------------- its end


async def test_its_death_is_told_at_once_and_to_whoever_asks(own):
    watching = asyncio.create_task(own.ended())
    await asyncio.sleep(0)
    os.kill(own.pid, signal.SIGKILL)
    with pytest.raises(SignerGone, match="by signal 9"):
        async with asyncio.timeout(60):
            await watching
    with pytest.raises(SignerGone, match="start the program again"):
        own.sign_transaction(NOTHING)


def test_it_ends_with_the_program_and_with_nothing_less(own):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(own.pid, number)
    assert own.sign_transaction(NOTHING)
    own.close()
    assert not Path("/proc", str(own.pid)).exists()


class DyingLine(SignerLine):
    """The line to a signer that is killed before it reads a request, or after it has answered."""

    def __init__(self, line, pid, *, before):
        super().__init__(line)
        self._pid, self._before = pid, before

    def send(self, message):
        if self._before:
            os.kill(self._pid, signal.SIGKILL)
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        super().send(message)

    def receive(self):
        answer = super().receive()
        if not self._before:
            os.kill(self._pid, signal.SIGKILL)
        return answer


@pytest.mark.parametrize("before", [True, False], ids=["before it read", "after it answered"])
async def test_killed_around_an_answer_nothing_is_journaled_that_was_not_signed(keystore, before):
    """What was not answered is not in the journal; what is asked again comes out the same bytes."""
    journal, own = MemoryJournal(), OwnSigner.start(opening(keystore))
    own.meet(CHAIN, RLC)
    own._line = DyingLine(own._line._line, own.pid, before=before)
    pen = Pen(own, Ledger(journal, own.address, CHAIN))
    first = None
    try:
        first = pen.sign("reveal:1", NOTHING)
    except SignerGone:
        assert before
    own.close()
    found = Ledger(journal, own.address, CHAIN).read()
    assert list(found) == ([] if before else ["reveal:1"])
    again = OwnSigner.start(opening(keystore))
    again.meet(CHAIN, RLC)
    second = Pen(again, Ledger(journal, again.address, CHAIN)).sign("reveal:1", NOTHING)
    again.close()
    assert first is None or first.raw == second.raw


# ---------------------------------------------------------------------------------- the line


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0",
        (MAX_SIGNER_FRAME + 1).to_bytes(4, "big") + b"x",
        b"\0\0\0\x09short",
        b"\0\0\0\x02{}",
        b'\0\0\0\x0a["No", {}]',
        b"\0\0\0\x0f" + b'["Agreed", []] ',
        b"\0\0\0\x03\xff\xff\xff",
    ],
)
def test_what_is_no_message_ends_the_line(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(Malformed):
            SignerLine(theirs).receive()


def test_a_signer_at_work_opens_no_other_wallet():
    service = SignerService(WALLETS[0], opening("x").policy(WALLETS[0].address))
    told = service.answer(opening("x"))
    assert isinstance(told, NotSigned)
    assert PASSWORD not in repr(opening("x"))


def test_numbers_out_of_range_are_no_request():
    for member in ('"value":-1', f'"value":{2**256}', '"value":true', '"value":1.0'):
        rest = '"nonce":0,"data":"0x","gas":1,"max_fee":1,"priority_fee":null'
        body = f'{{"chain_id":1,"to":"0x{"11" * 20}",{rest},{member}}}'
        with pytest.raises(Malformed):
            SIGNER_LINE.decode(f'["SignTransaction",{body}]'.encode())
    assert SignTransaction(1, 0, POOL, Wei(0), b"", Gas(1), Wei(1), None).transaction.gas == 1
