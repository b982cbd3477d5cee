"""The join script for Windows: it parses, and what it has the Linux of Windows run does what it says.

PowerShell itself runs nowhere here, nor does WSL: what is tried is all that is not Windows'.
"""

from __future__ import annotations

import re
import subprocess

import pytest
import tree_sitter_powershell
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Language, Parser

from poolhand.domain.ids import Address
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace, join_set, powershell_quoted
from poolhand.scheduler.joining.join_page import windows_command
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel

OWNER = Wallet.from_key(bytes([2] * 32))
MADE = join_set(
    JoinPlace(1, Address(b"\x01" * 20), Address(b"\x02" * 20), "https://pool.test/it's"),
    OWNER,
    OwnWheel(WHEEL_NAME, b"a wheel"),
    "",
)
SCRIPT = MADE.windows_script.decode("ascii")
POWERSHELL = Parser(Language(tree_sitter_powershell.language()))


def is_whole(text):
    return not POWERSHELL.parse(text.encode()).root_node.has_error


def lines_for_linux():
    """Return what is handed to a shell of the Linux, quotes undone."""
    found = re.findall(r"(?:Test-Linux|'sh', '-c',) '((?:[^']|'')*)'", SCRIPT)
    return [each.replace("''", "'") for each in found]


def line_with(word):
    (line,) = [each for each in lines_for_linux() if word in each]
    return line


@pytest.fixture
def linux(tmp_path):
    """Run a line in a shell with programs that answer as they are told."""

    def run(line, **programs):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, body in programs.items():
            (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/called\n{body}\n')
            (folder / name).chmod(0o755)
        called = tmp_path / "called"
        called.unlink(missing_ok=True)
        for tool in ("sh", "grep"):
            (folder / tool).unlink(missing_ok=True)
            (folder / tool).symlink_to(f"/bin/{tool}")
        done = subprocess.run(["/bin/sh", "-c", line], env={"PATH": str(folder)}, check=False,
                              capture_output=True)  # fmt: skip
        for name in programs:
            (folder / name).unlink()
        return done.returncode, called.read_text().splitlines() if called.exists() else []

    return run


def test_it_parses_as_powershell_and_half_of_it_runs_nothing():
    assert is_whole(SCRIPT)
    assert not re.search(r"@[A-Z0-9_]+@", SCRIPT)
    assert SCRIPT.rstrip().splitlines()[-1] == "Main"
    assert len(re.findall(r"^(?:Main|Install|Register|Invoke|Get)\b", SCRIPT, re.MULTILINE)) == 1
    assert not is_whole(SCRIPT.replace("function Main\n{", "function Main\n"))


def test_it_names_the_very_script_that_the_pool_gives():
    assert f"$ScriptSha256 = '{MADE.manifest.script.sha256}'" in SCRIPT
    line = windows_command(MADE.manifest)
    assert is_whole(line)
    assert MADE.manifest.windows_script.sha256 in line
    assert "'https://pool.test/it''s/join.ps1'" in line


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40))
def test_whatever_a_url_holds_is_one_word_of_powershell(rest):
    word = powershell_quoted(f"http://pool.test/{rest}")
    assert word.isascii()
    assert re.fullmatch(r"'(?:[^']|'')*'", word)


def test_no_word_for_linux_has_a_quote_that_old_powershell_loses():
    assert lines_for_linux()
    assert not [line for line in lines_for_linux() if '"' in line]
    for line in lines_for_linux():
        subprocess.run(["sh", "-n", "-c", line], check=True)


@pytest.mark.parametrize(
    ("kernel", "is_new"),
    [("5.15.153.1-microsoft-standard-WSL2", True), ("4.4.0-19041-Microsoft", False)],
)
def test_only_wsl_2_will_do(linux, kernel, is_new):
    code, _ = linux(line_with("uname"), uname=f"echo {kernel}")
    assert (code == 0) is is_new


def test_what_is_there_is_not_installed_again_and_what_is_missing_is(linux):
    check = line_with("ensurepip")
    assert linux(check, python3="exit 0", dockerd="")[0] == 0
    assert linux(check, python3="exit 1", dockerd="")[0] != 0
    assert linux(check, python3="exit 0")[0] != 0
    _, called = linux(line_with("apt-get"), **{"apt-get": "exit 0"})
    assert [each.split()[1] for each in called] == ["update", "install"]
    assert {"python3-venv", "docker.io"} <= set(called[1].split())


def test_docker_is_started_where_it_does_not_answer(linux):
    line = line_with("docker version")
    assert linux(line, docker="exit 0", service="exit 1") == (0, ["docker version"])
    assert linux(line, docker="exit 1", service="exit 0") == (
        0,
        ["docker version", "service docker start"],
    )
    assert linux(line, docker="exit 1", service="exit 1")[0] != 0


def test_at_log_in_it_joins_again_and_holds_the_linux_open(linux, tmp_path):
    (told,) = re.findall(r'\$line = "(.*)"', SCRIPT)
    joined = tmp_path / "Jo O'Neill" / "join.sh"
    joined.parent.mkdir()
    joined.write_text(f'echo joined "$@" >>{tmp_path}/called\n')
    quoted = "'" + str(joined).replace("'", "'\\''") + "'"  # as Register-Worker has it
    assert """"'" + $LinuxPath.Replace("'", "'\\''") + "'\"""" in SCRIPT
    code, called = linux(told.replace("$script", quoted), service="exit 1", sleep="exit 0")
    assert (code, called) == (0, ["service docker start", "joined --yes", "sleep infinity"])
