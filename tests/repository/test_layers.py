"""The layers of ARCHITECTURE.md, as far as import-linter does not hold them already."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from sources import PACKAGE, ROOT, nodes, trees

from poolhand.domain.replicate import machine as replicates
from poolhand.domain.task import machine as tasks

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
IMPORTERS = {
    "aiodocker": {"containers"},
    "aiohttp": {"chain", "containers", "devnet"},
    "alembic": {"store"},
    "eth_account": {"keys", "devnet"},
    "psycopg": {"store"},
    "sqlalchemy": {"store"},
    "sqlite3": {"store"},
    "typer": {"cli"},
    "websockets": {"chain", "transport"},
}
"""Libraries that speak to a part of the world, and the packages that may import them."""
READ_THE_ENVIRONMENT = {
    "containers/mounts.py": "PATH, for the kernel's own programs",
    "containers/kubernetes/proxy.py": "passed on to the program that joins worker and cluster",
    "containers/slurm/client.py": "passed on to the cluster's own programs",
    "containers/slurm/runner.py": "PATH, for runc",
    "containers/slurm/skopeo.py": "passed on to skopeo",
    "devnet/children.py": "passed on to a program of the devnet",
    "devnet/dockerd.py": "PATH, and passed on to the devnet's engine",
    "devnet/engine.py": "PATH, for an engine to start",
    "devnet/faults/disks.py": "PATH, for the kernel's own programs",
    "devnet/faults/grounds.py": "where an engine is that the faults stand in front of",
    "devnet/function_app/main.py": "what a worker tells an app, in its container",
    "devnet/info.py": "the devnet's home, which every verb looks into",
    "keys/own_signer.py": "passed on to the signer, without secrets",
    "observe/machine_use.py": "DISPLAY, whether X11 can be asked",
    "observe/time_zone.py": "TZ",
    "transport/running_fetcher.py": "passed on to the fetcher, without secrets",
    "web/trusted.py": "the system's variables for certificates",
    "worker/doctor/main.py": "passed on to a program that the doctor tries",
    "worker/tee/post_compute.py": "what a session tells it, in its container",
    "worker/tee/pre_compute.py": "what a session tells it, in its container",
    "worker/tee/tee_launcher.py": "what a worker tells it, in its container",
}
"""What reads the environment besides the command line and the settings, and what for."""
PUT_TOGETHER = re.compile(
    r"poolhand\.(scheduler|worker|results|market|sms)\.(main|composition|assembly)\b"
)


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module imports, anywhere in it."""
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def of(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for file, tree in trees(PACKAGE):
        if file.partition("/")[0] in packages:
            yield file, tree


def test_only_its_adapter_imports_a_library_that_touches_the_world():
    found = defaultdict(set)
    for file, tree in trees(PACKAGE):
        for name in imported(tree):
            found[name.partition(".")[0]].add(file.partition("/")[0])
    assert {name: found[name] for name in IMPORTERS if found[name] - IMPORTERS[name]} == {}
    assert {name for name in IMPORTERS if not found[name]} <= {"sqlite3"}


def layers() -> list[list[str]]:
    """Return the layers that import-linter holds, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            return [re.findall(r"\w+", layer) for layer in contract["layers"]]
    raise AssertionError("there is no contract of layers")


def test_the_table_of_the_layers_is_what_the_linter_holds():
    """A row may hold two layers, as the one of programs does; the order is the same."""
    rows = [
        re.findall(r"`(\w+)`", line.split("|")[2])
        for line in ARCHITECTURE.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| (programs|devnet|apps|adapters|settings|contracts|domain) \|", line)
    ]
    drawn = [name for row in rows for name in row]
    held = [name for layer in layers() for name in layer]
    assert len(rows) == 7
    assert drawn == held


def test_contributing_draws_the_same_layers():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (?:cli|    >) .*$", text, re.MULTILINE)
    held = [name for layer in layers() for name in layer if name != "__main__"]
    assert re.findall(r"\w+", " ".join(drawn)) == held


def waits_or_touches(tree: ast.Module) -> bool:
    """Whether a module waits for something, opens a file or prints."""
    return any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print", "input")
        )
        for node in nodes(tree)
    )


def test_domain_and_wire_wait_for_nothing_and_touch_nothing():
    assert [file for file, tree in of("domain", "wire") if waits_or_touches(tree)] == []


@pytest.mark.parametrize("line", ["async def f(): ...", "open('a')", "print(1)"])
def test_a_module_that_waits_or_touches_is_found(line):
    assert waits_or_touches(ast.parse(line))


def reads_the_environment(tree: ast.Module) -> bool:
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in ("environ", "getenv")
            and ast.unparse(node.value) == "os"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(each.name in ("environ", "getenv") for each in node.names)
        )
        for node in nodes(tree)
    )


def test_settings_are_read_from_the_environment_by_clients_and_settings_alone():
    found = {file for file, tree in trees(PACKAGE) if reads_the_environment(tree)}
    others = {file for file in found if file.partition("/")[0] not in ("cli", "client", "settings")}
    assert others == READ_THE_ENVIRONMENT.keys()


def test_the_devnet_makes_no_program_in_its_own_process():
    """Programs speak by wires; of an adversary, the command line makes the worker."""
    made = [
        (file, name)
        for file, tree in of("devnet")
        for name in imported(tree)
        if PUT_TOGETHER.match(name)
    ]
    assert made == []


@pytest.mark.parametrize(
    ("machine", "begin"), [(replicates, "accept"), (tasks, "receive")], ids=["replicate", "task"]
)
def test_both_machines_have_the_same_form(machine, begin):
    """Begun by an event, moved by ``step``; all that is to be done follows from the state."""
    named: Callable[[str], bool] = lambda name: callable(getattr(machine, name, None))  # noqa: E731
    assert all(map(named, (begin, "step", "outstanding", "replay")))
    assert {begin, "step", "outstanding", "replay"} <= set(machine.__all__)


DECIDED_IN = re.compile(r"`([\w/]+\.py)` `(\w+)`")


def test_what_decides_a_behaviour_stands_where_the_page_says():
    told = DECIDED_IN.findall(ARCHITECTURE.read_text(encoding="utf-8"))
    known = {
        (file, node.name if isinstance(node, ast.ClassDef | ast.FunctionDef) else node.target.id)
        for file, tree in trees(PACKAGE)
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        or (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name))
    }
    assert len(told) > 20
    assert set(told) - known == set()


CODE_NAME = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)(?:\([a-z ]*\))?`")
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "STYLE.md", "GLOSSARY.md")
NOT_OURS = {"Protocol"}
"""Names of a library."""


@pytest.mark.parametrize("page", PAGES)
def test_a_class_that_a_page_names_is_there(page):
    named = set(CODE_NAME.findall((ROOT / page).read_text(encoding="utf-8")))
    known = {
        node.name
        for _, tree in trees(PACKAGE)
        for node in nodes(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert named - known - NOT_OURS == set()
    assert named or page != "ARCHITECTURE.md"
