"""What a worker installs is the part of our own lock that it needs, and small."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from test_installation import closure
from workerlock import LOCK, extra_lock, worker_lock

import poolhand

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKER = """
    aiodocker aiohappyeyeballs aiohttp aiosignal annotated-doc annotated-types anyio attrs base58
    bitarray certifi ckzg click coincurve cytoolz eth-abi eth-account eth-hash eth-keyfile eth-keys
    eth-rlp eth-typing eth-utils fastapi frozenlist h11 hexbytes httpcore httpx idna linkify-it-py
    markdown-it-py mdit-py-plugins
    mdurl multidict opentelemetry-api packaging parsimonious platformdirs prometheus-client propcache psutil py-ecc
    pycryptodome pydantic pydantic-core pygments regex rich rlp segno shellingham starlette structlog
    textual toolz typer typing-extensions typing-inspection uvicorn websockets yarl
"""
"""All that a worker installs. One more has to be worth it: docs/dependencies.md says why."""
MOST_MB = 120
SOURCES_LEFT_OUT, TESTS_LEFT_OUT = ".c", "SelfTest"
"""Ending and folder of files that the join script takes away once all is installed."""


def pinned() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_lock_of_a_worker_is_the_part_of_ours_that_it_needs():
    """A test holds it fresh: `make lock` writes both."""
    assert LOCK.read_text(encoding="utf-8") == worker_lock()
    assert closure(PROJECT["dependencies"]) <= pinned()


def test_a_worker_installs_these_packages_and_no_others():
    assert pinned() == set(WORKER.split())


def test_what_a_worker_installs_takes_less_room_than_its_goal():
    """`make bench ONLY=join` measures a real environment, with Python's own part of it."""
    script = Path(poolhand.__file__).parent / "scheduler/joining/files/join.sh"
    left_out = f"-name '*{SOURCES_LEFT_OUT}' -o -path '*/{TESTS_LEFT_OUT}/*'"
    assert left_out in script.read_text(encoding="utf-8")
    files = [
        Path(found.locate_file(file))
        for found in map(distribution, sorted(pinned()))
        for file in found.files or ()
        if file.suffix != SOURCES_LEFT_OUT and TESTS_LEFT_OUT not in file.parts
    ]
    package = [each for each in Path(poolhand.__file__).parent.rglob("*") if each.is_file()]
    taken = sum(each.stat().st_blocks * 512 for each in (*files, *package) if each.exists())
    assert taken < MOST_MB * 10**6


def test_it_names_versions_and_hashes_and_no_address():
    for pin in re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").strip()):
        assert re.fullmatch(
            r"[a-z0-9-]+==[0-9a-z.+!]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+", pin
        ), pin[:80]


def test_what_an_extra_needs_beside_it_is_listed_with_hashes_and_nothing_twice():
    of_worker, of_pool = worker_lock(), extra_lock("pool")
    names = [
        set(re.findall(r"^([a-z0-9-]+)==", each, re.MULTILINE)) for each in (of_worker, of_pool)
    ]
    assert {"sqlalchemy", "alembic", "mako", "jinja2", "markupsafe", "psycopg"} <= names[1]
    assert not names[0] & names[1]
    assert closure(PROJECT["optional-dependencies"]["pool"]) <= names[0] | names[1]
