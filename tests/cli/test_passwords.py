"""Passwords are asked for or read from a file, and nobody reads them off the screen."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest
from cli_world import CHEAP, PASSWORD

from poolhand.cli.main import run
from poolhand.cli.masking import masked, without_secrets
from poolhand.keys.keystore import import_wallet, open_wallet

KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
POOL = "0x" + "b3" * 20
ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'poolhand', *sys.argv[1:]])"
)
NOWHERE = ("--rpc", "http://127.0.0.1:1", "--hub", "0x" + "5f" * 20)


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *words, **environ):
        self.ours, theirs = pty.openpty()
        self.shown = b""
        self.program = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, **environ},
        )
        os.close(theirs)

    def until(self, text):
        while text.encode() not in self.shown:
            self._read()

    def types(self, text):
        os.write(self.ours, text.encode())

    def ends(self):
        try:
            while True:
                self._read()
        except OSError:  # the other end is closed
            pass
        os.close(self.ours)
        return self.program.wait()

    def _read(self):
        told = os.read(self.ours, 4096)
        if not told:
            raise OSError("the program has ended: " + self.shown.decode())
        self.shown += told


@pytest.fixture
def keystore(tmp_path, monkeypatch):
    for name in ("", "_PASSWORD", "_PASSWORD_FILE"):
        monkeypatch.delenv(f"POOLHAND_WALLET{name}", raising=False)
    monkeypatch.setenv("POOLHAND_KEYSTORE", str(tmp_path / "keys"))
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path))
    monkeypatch.setenv("POOLHAND_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "keys"


def wallet(keystore, key=KEY):
    return import_wallet(keystore, key, PASSWORD, cost=CHEAP)


def test_a_new_wallets_password_is_asked_for_twice_and_never_shown(keystore):
    terminal = Terminal("wallet", "create")
    terminal.until("a new password for it: ")
    terminal.types(PASSWORD + "\n")
    terminal.until("the same again: ")
    terminal.types(PASSWORD + "\n")
    assert terminal.ends() == 0
    assert PASSWORD.encode() not in terminal.shown
    (stored,) = keystore.iterdir()
    assert open_wallet(stored, keystore, PASSWORD)


@pytest.fixture
def stack():
    with ExitStack() as made:
        yield made


@contextmanager
def standard_input(text):
    """Let this process, and whatever it starts, read a text from descriptor 0."""
    before, (ours, theirs) = os.dup(0), os.pipe()
    os.write(theirs, text.encode())
    os.close(theirs)
    os.dup2(ours, 0)
    os.close(ours)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


PROGRAMS = {
    "worker": ("worker", "start", "--pool-address", POOL, *NOWHERE),
    "pool": ("pool", "serve", "--pool-address", POOL, *NOWHERE),
    "verb": ("account", "deposit", "1", *NOWHERE),
}


@pytest.mark.case("E1", "E21")
@pytest.mark.parametrize("words", PROGRAMS.values(), ids=PROGRAMS)
def test_ctrl_c_at_the_question_for_the_password_ends_at_once_with_130(keystore, words):
    stored = wallet(keystore)
    terminal = Terminal(*words)
    terminal.until(f"password of {stored.path.name}: ")
    terminal.types("\x03")
    assert terminal.ends() == 130
    assert b"interrupted" in terminal.shown


@pytest.mark.case("E1")
@pytest.mark.parametrize("words", PROGRAMS.values(), ids=PROGRAMS)
def test_without_a_terminal_the_ways_to_tell_the_password_are_named(keystore, words, capsys):
    wallet(keystore)
    assert run(words) == 2
    told = capsys.readouterr().err
    for way in ("--password-file", "POOLHAND_WALLET_PASSWORD_FILE", "POOLHAND_WALLET_PASSWORD"):
        assert way in told


@pytest.mark.case("E1")
@pytest.mark.parametrize("words", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("way", ["file", "variable of a file", "standard input"])
def test_a_password_is_read_from_a_file(keystore, words, way, monkeypatch, tmp_path, capsys, stack):
    wallet(keystore)
    file, more = tmp_path / "secret", ()
    file.write_bytes(PASSWORD.encode() + b"\r\n")
    if way == "file":
        more = ("--password-file", str(file))
    elif way == "standard input":
        more = ("--password-file", "-")
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
        stack.enter_context(standard_input(PASSWORD + "\n"))  # that of a worker's signer
    else:
        monkeypatch.setenv("POOLHAND_WALLET_PASSWORD_FILE", str(file))
    assert run([*words, *more]) == 4  # the wallet is open; nothing answers at the chain's address
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_a_flag_with_the_password_counts_more_than_a_file_in_the_environment(
    keystore, monkeypatch, tmp_path, capsys
):
    wallet(keystore)
    monkeypatch.setenv("POOLHAND_WALLET_PASSWORD_FILE", str(tmp_path / "absent"))
    words = PROGRAMS["worker"]
    assert run(words) == 2
    assert "cannot read the password file" in capsys.readouterr().err
    assert run([*words, "--wallet-password", PASSWORD]) == 4


def test_an_empty_password_file_is_told(keystore, tmp_path, capsys):
    wallet(keystore)
    file = tmp_path / "secret"
    file.write_text("\nsesame\n")
    assert run([*PROGRAMS["verb"], "--password-file", str(file)]) == 2
    assert "begins with an empty line" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ never echoed


@pytest.mark.case("E15")
@pytest.mark.parametrize(
    "words",
    [
        ("wallet", "import", KEY),
        ("wallet", "import", "0x" + KEY),
        ("wallet", "import", "--key-file", KEY),
        ("wallet", "show", "--wallet", KEY),
        ("account", "show", "--wallet", "0x" + KEY, *NOWHERE),
    ],
)
def test_a_key_on_the_command_line_is_refused_unseen_and_the_way_is_shown(keystore, words, capsys):
    assert run(words) == 2
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    assert "poolhand wallet import --key-file FILE" in told.err


@pytest.mark.case("E15")
@pytest.mark.parametrize(
    "words",
    [
        ("wallet", "create", KEY),
        ("wallet", "list", "0x" + KEY, "--json"),
        ("wallet", KEY),
        ("worker", "start", "--wallet-password=sesame7", "extra sesame7"),
    ],
)
def test_no_usage_error_repeats_a_secret(keystore, words, capsys):
    assert run(words) == 2
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    assert "sesame7" not in told.out + told.err


def test_what_is_masked_is_secret_and_nothing_else():
    typed = ["worker", "start", "--wallet-password", "a", "--name", "b", "--wallet-password=c"]
    assert masked(typed) == [
        "worker", "start", "--wallet-password", "***", "--name", "b", "--wallet-password=***",
    ]  # fmt: skip
    assert masked(["task", "show", KEY]) == ["task", "show", KEY]
    assert without_secrets("no c here", typed) == "no *** here"


# ------------------------------------------------------------------------------------ which wallet


@pytest.mark.case("E14")
@pytest.mark.parametrize("words", [("wallet", "show"), *PROGRAMS.values()])
def test_several_wallets_are_listed_with_the_way_to_name_one(keystore, words, capsys):
    both = [wallet(keystore), wallet(keystore, "11" * 32)]
    assert run(words) == 2
    told = capsys.readouterr().err
    for each in both:
        assert str(each.address) in told
        assert each.path.name in told
    assert "--wallet ADDRESS" in told


@pytest.mark.case("E13")
def test_the_only_wallet_is_shown_without_a_chain(keystore, capsys):
    stored = wallet(keystore)
    assert run(["wallet", "show", "--json"]) == 0
    assert str(stored.address) in capsys.readouterr().out


@pytest.mark.case("E13")
def test_no_wallet_at_all_says_how_to_make_one(keystore, capsys):
    assert run(["wallet", "show"]) == 2
    assert "poolhand wallet create" in capsys.readouterr().err
