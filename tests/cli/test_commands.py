"""Every command, walked: help with an example, --json, a documented exit code, no stack trace."""

from __future__ import annotations

import json
import os
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
from poolhand.keys.keystore import import_wallet
from poolhand.settings.load import flag

COMMANDS = commands()
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
@pytest.mark.parametrize("program", ["worker start", "pool serve", "results serve"])
def test_a_program_without_a_single_flag_reads_its_environment(program, capsys, monkeypatch):
    monkeypatch.setenv("POOL_ADDRESS", "0x" + "b3" * 20)
    monkeypatch.setenv("POOLHAND_CONFIRMATIONS", "zero")
    assert run(program.split()) == 2
    assert "POOLHAND_CONFIRMATIONS" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_settings_in_force_are_shown_whole_at_any_width(columns, capsys, monkeypatch):
    place = "a-registry-of-ours.with-a-long-name.example:5000,another-of-ours.example"
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("POOLHAND_ALLOWED_REGISTRIES", place)
    assert run(["worker", "start", "--pool-address", "0x" + "b3" * 20, "--show-config"]) == 0
    told = capsys.readouterr().out
    assert "POOLHAND_ALLOWED_REGISTRIES" in told
    assert place.partition(",")[0] in told


@pytest.mark.case("E19")
@pytest.mark.parametrize("words", [("--gpu",), ("--gpu", "yes"), ("--gpu=1",)])
def test_a_switch_of_a_program_is_understood_however_it_is_typed(words, capsys):
    pool = "0x" + "b3" * 20
    ran = run(["worker", "start", "--pool-address", pool, *words, "--show-config", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (ran, told["gpu"]["origin"]) == (0, "flag --gpu")
    assert flag(told["gpu"]["value"])


def test_what_was_changed_of_a_worker_while_it_ran_stands_among_its_settings(tmp_path, capsys):
    file = tmp_path / "w7" / "settings.toml"
    file.parent.mkdir()
    start = ["worker", "start", "--pool-address", "0x" + "b3" * 20, "--name", "w7"]
    shown = [*start, "--base-dir", str(tmp_path), "--schedule", "always", "--show-config", "--json"]
    file.write_text("schedule = 'weekend all day'\n")
    assert run(shown) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schedule"] == {"value": "weekend all day", "origin": "changed while it runs"}
    assert told["name"]["value"] == "w7"
    file.write_text("schedule = 'someday'\n")
    assert run(shown) == 2
    assert f"{file}: schedule" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"poolhand {__version__}\n"


SLOW = (
    "aiodocker sqlalchemy fastapi httpx aiohttp eth_account eth_keyfile eth_abi structlog psutil "
    "pydantic poolhand.requester poolhand.scheduler poolhand.worker poolhand.chain poolhand.domain.task"
)
"""Modules that take tens of milliseconds each, and that a person who waits for help pays for."""
ASK = """
import contextlib, io, json, sys
from poolhand.cli.main import run
slow, *commands = sys.argv[1:]
found = {}
for words in commands:
    with contextlib.redirect_stdout(io.StringIO()):
        assert run(words.split()) == 0, words
    loaded = [each for each in slow.split() if each in sys.modules]
    if loaded:
        found[words] = loaded
        break
print(json.dumps(found))
"""


def loaded_by(*commands, slow=SLOW, **environ):
    """Return the first of these commands that loads something slow, and what."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, slow, *commands],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environ},
    )
    return json.loads(done.stdout)


@pytest.mark.case("E26")
def test_help_of_every_verb_loads_nothing_slow():
    assert loaded_by("--help", *(f"{words} --help" for words in COMMANDS)) == {}


@pytest.mark.case("E26")
@pytest.mark.parametrize(
    "words",
    ["--help", "wallet send --help", "worker start --help", "pool serve --help", "run --help"],
)
def test_the_commonest_help_does_not_even_load_what_draws_tables_or_an_event_loop(words):
    assert loaded_by(words, slow=f"{SLOW} rich asyncio") == {}


@pytest.mark.case("E26")
def test_wallets_are_listed_and_shown_without_chain_loop_and_cryptography_of_files(tmp_path):
    folder = tmp_path / "keys"
    import_wallet(folder, "11" * 32, "sesame", cost=1024)
    home = {"POOLHAND_KEYSTORE": str(folder), "POOLHAND_HOME": str(tmp_path)}
    assert loaded_by("wallet list", "wallet show", slow=f"{SLOW} asyncio coincurve", **home) == {}


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


def test_a_worker_loads_no_database_no_network_of_its_own_and_no_framework_for_its_page():
    unused = (
        "sqlalchemy fastapi poolhand.store.sql poolhand.devnet poolhand.scheduler "
        "poolhand.requester"
    )
    asked = f"import sys, poolhand.worker.main as _; print([x for x in {unused.split()} if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
