"""Every command, walked: help with an example, --json, a documented exit code, no stack trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from poolhand import __version__
from poolhand.cli.exits import EXITS
from poolhand.cli.main import NOUNS, run
from poolhand.cli.programs import spelled_out
from poolhand.cli.reference import commands, reference
from poolhand.domain.errors import PoolhandError
from poolhand.settings.load import flag

COMMANDS = dict(commands())
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_verb_has_help_with_an_example_and_json(words, capsys):
    assert run([*words.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example" in told
    assert f"poolhand {words}" in " ".join(told.split())
    assert "--json" in told


@pytest.mark.parametrize("words", COMMANDS)
def test_an_unknown_option_is_a_usage_error_of_every_verb(words, capsys):
    assert run([*words.split(), "--no-such-option"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert "Traceback" not in told.err


def test_the_issues_verbs_are_there():
    wanted = (
        "wallet create,wallet import,wallet show,wallet list,account show,account deposit,"
        "account withdraw,account stakes,account claim,deal claim,app deploy,app show,dataset deploy,dataset show,pool create,pool show,"
        "run,deal show,task show,task watch,task download,task claim,statuses,order show,order check"
    )
    assert set(wanted.split(",")) <= COMMANDS.keys()


def test_every_exit_code_of_the_error_tree_is_documented(capsys):
    kinds = [PoolhandError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.exit_code in EXITS
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    for code, meaning in EXITS.items():
        assert f"{code}  {meaning}" in told
    for noun, (_, meaning) in NOUNS.items():
        if noun in {words.split()[0] for words in COMMANDS}:
            assert meaning in told


def test_the_page_is_what_the_commands_say():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"


@pytest.mark.case("E22")
def test_the_page_has_the_common_options():
    page = PAGE.read_text(encoding="utf-8")
    common = page.partition("## Common options")[2].partition("\n## ")[0]
    for name in ("--chain", "--rpc", "--hub", "--wallet", "--as", "--password-file", "--json"):
        assert f"- `{name}" in common


@pytest.mark.case("E19")
def test_a_switch_may_stand_alone_or_have_a_word():
    switches = {"--gpu", "--allow-private"}
    assert spelled_out(["--gpu"], switches) == ["--gpu", "true"]
    assert spelled_out(["--gpu", "--name", "w"], switches) == ["--gpu", "true", "--name", "w"]
    assert spelled_out(["--gpu", "No", "--name"], switches) == ["--gpu", "No", "--name"]
    assert spelled_out(["--gpu", "--allow-private", "0"], switches) == [
        "--gpu", "true", "--allow-private", "0",
    ]  # fmt: skip


@pytest.mark.case("E19")
@pytest.mark.parametrize("words", [("--gpu",), ("--gpu", "yes"), ("--gpu=1",)])
def test_a_switch_of_a_program_is_understood_however_it_is_typed(words, capsys):
    pool = "0x" + "b3" * 20
    ran = run(["worker", "start", "--pool-address", pool, *words, "--show-config", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (ran, told["gpu"]["origin"]) == (0, "flag --gpu")
    assert flag(told["gpu"]["value"])


def test_the_version_is_told(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"poolhand {__version__}\n"


def test_help_loads_neither_web3_nor_rich():
    code = (
        "import sys\nfrom poolhand.cli.main import run\nrun(['--help'])\n"
        "heavy = {'web3', 'rich.console', 'httpx', 'fastapi', 'eth_account'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_program_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "poolhand", "statuses", "NO_SUCH", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert '"code": "unknown-status"' in done.stdout
    assert done.stderr == ""
