"""The join script, run by the shells that people have, against files served on the loopback.

The wheel is a small one, whose command writes down what the script handed over to it: what the
script does around it is all its own. That the pool's real wheel installs is tests/repository's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pexpect
import pytest

from poolhand.domain.ids import Address
from poolhand.scheduler.joining.join_files import JoinPlace, join_set
from poolhand.scheduler.joining.join_page import script_command
from small_releases import OWNER, front, small_wheel
from typed_lines import ran, typed_lines


class Visitor:
    """A person with a home of their own, who downloaded the script."""

    def __init__(self, home: Path, made, served):
        self.home, self.made, self.served = home / "home", made, served
        self.handed, self.script = home / "handed", home / "join.sh"
        self.home.mkdir()
        self.script.write_bytes(made.script)
        kept = {"PATH": os.environ["PATH"], "HANDED": str(self.handed)}
        self.environment = {**kept, "HOME": str(self.home), "PIP_CONFIG_FILE": os.devnull}

    def run(self, shell, *words, **changes):
        told = subprocess.run(
            [shell, str(self.script), *words],
            env={**self.environment, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # no terminal to ask at
        )
        return told.returncode, told.stderr

    @property
    def left(self):
        return sorted(each.name for each in self.home.rglob("*") if "cache" not in each.parts)


@pytest.fixture
def visitor(tmp_path):
    with front() as (served, url):
        place = JoinPlace(31337, Address(b"\x01" * 20), Address(b"\x02" * 20), url)
        made = join_set(place, OWNER, small_wheel(), lock="")
        served |= {
            made.manifest.wheel.path: made.wheel,
            made.manifest.requirements.path: made.requirements,
            made.manifest.script.path: made.script,
        }
        yield Visitor(tmp_path, made, served)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_it_installs_hands_over_does_so_again_and_leaves_nothing(visitor, shell):
    url = visitor.made.manifest.url
    code, told = visitor.run(shell, "--yes", "--name", "mine")
    assert code == 0, told
    plan, _, work = told.partition("downloading")
    assert visitor.made.manifest.wheel.sha256 in plan
    assert visitor.made.manifest.requirements.sha256 in plan
    assert "installing" in work
    assert list(visitor.home.glob(".local/share/poolhand/version-*/env/bin/python"))
    assert not list(visitor.home.glob(".local/share/poolhand/version-*/env/bin/pip*"))
    code, told = visitor.run(shell, "--yes")
    assert (code, "is installed already" in told, "downloading" in told) == (0, True, False)
    assert visitor.handed.read_text().splitlines() == [
        f"join {url} --yes --name mine",
        f"join {url} --yes",
    ]
    code, told = visitor.run(shell, "--uninstall")
    assert code == 0, told
    assert visitor.handed.read_text().splitlines()[-1] == f"join {url} --uninstall"
    assert not (visitor.home / ".local/share/poolhand").exists()


@pytest.mark.executes("docs/worker-guide.md", "curl", "sh join.sh")
def test_the_guides_lines_for_it_work_as_printed(visitor):
    url = visitor.made.manifest.url
    for line in typed_lines("docs/worker-guide.md", "By script"):
        typed = line.replace("https://pool.example", url)
        seen = pexpect.spawn("bash", ["-c", typed], cwd=visitor.home, env=visitor.environment)
        if seen.expect(["Go on", pexpect.EOF], timeout=100) == 0:
            seen.sendline("y")
            seen.expect(pexpect.EOF, timeout=100)
        seen.close()
        assert seen.exitstatus == 0, typed
        ran(line)
    assert visitor.handed.read_text().splitlines() == [f"join {url}", f"join {url} --uninstall"]
    assert not (visitor.home / ".local/share/poolhand").exists()


@pytest.mark.parametrize("which", ["wheel", "requirements"])
def test_a_file_that_was_changed_is_refused_in_one_sentence(visitor, which):
    path = getattr(visitor.made.manifest, which).path
    visitor.served[path] += b"\n"
    code, told = visitor.run("dash", "--yes")
    (sentence,) = [line for line in told.splitlines() if line.startswith("poolhand: ")]
    assert code != 0
    assert path in sentence
    assert "is not the file that this script was made for" in sentence
    assert "nothing was installed" in sentence
    assert not visitor.handed.exists()
    assert "current" not in visitor.left


def test_a_pool_that_is_away_is_told_in_one_sentence(visitor):
    visitor.served.clear()
    code, told = visitor.run("dash", "--yes")
    assert code != 0
    assert "was not downloaded (HTTP Error 404" in told
    assert "Traceback" not in told


def test_without_a_terminal_it_shows_its_plan_and_does_nothing(visitor):
    code, told = visitor.run("dash")
    assert code == 2
    assert told.splitlines()[-1].endswith("say --yes if it is meant")
    assert visitor.left == []


def test_a_computer_without_python_is_told_what_to_install(visitor, tmp_path):
    code, told = visitor.run("/bin/dash", "--yes", PATH=str(tmp_path))
    assert code == 2
    assert "apt install python3 python3-venv" in told
    assert visitor.left == []


def test_piped_into_a_shell_it_asks_at_the_terminal(visitor):
    line = f"cat {visitor.script} | dash"
    asked = pexpect.spawn("dash", ["-c", line], env=visitor.environment, timeout=60)
    asked.expect("Go on")
    asked.sendline("n")
    asked.expect("nothing was done")
    asked.expect(pexpect.EOF)
    assert visitor.left == []


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_half_a_script_does_nothing(visitor, share):
    visitor.script.write_bytes(visitor.made.script[: int(len(visitor.made.script) * share)])
    visitor.run("dash", "--yes")
    assert visitor.left == []


@pytest.mark.parametrize("is_changed", [False, True])
def test_the_line_of_the_page_runs_the_script_that_it_names_and_no_other(visitor, is_changed):
    visitor.script.write_bytes(visitor.made.script + (b"\n" if is_changed else b""))
    line = script_command(visitor.made.manifest)
    check = line.split(" && ", 1)[1]
    told = subprocess.run(
        ["dash", "-c", check],
        cwd=visitor.script.parent,
        env=visitor.environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        start_new_session=True,
    )
    assert ("This computer becomes a worker" in told.stderr) is not is_changed
    assert visitor.left == []
