"""Completion by the shell: words come back, and nothing else is typed into the prompt."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

POOLHAND = (sys.executable, "-m", "poolhand")


def completed(words, place, shell="bash"):
    asked = {
        "_POOLHAND_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(place),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from poolhand.cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **asked},
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.case("E20")
@pytest.mark.parametrize(
    ("words", "place", "wanted"),
    [
        ("poolhand wal", 1, ["wallet"]),
        ("poolhand wallet ch", 2, ["change-password"]),
        ("poolhand worker st", 2, ["start", "status", "stop"]),
        ("poolhand wallet send --ye", 3, ["--yes"]),
        ("poolhand nothing x", 2, []),
        ("poolhand worker start --nothing x", 4, []),
    ],
)
def test_the_shell_gets_words_and_no_error(words, place, wanted):
    assert completed(words, place).split() == wanted


@pytest.mark.case("E20")
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_words_with_what_they_mean(shell):
    told = completed("poolhand wal", 1, shell)
    assert "wallet" in told
    assert "export wallets" in told


@pytest.mark.case("E20")
def test_completion_is_installed_for_the_shell_that_asks(tmp_path):
    words = " ".join((*POOLHAND, "--install-completion"))
    done = subprocess.run(
        ["bash", "-c", f"{words}; exit $?"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert "_POOLHAND_COMPLETE=complete_bash" in written
