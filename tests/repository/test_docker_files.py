"""The Dockerfile and the compose files keep their promises: users, digests, labels, no secrets."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from poolhand.domain.ids import Address
from poolhand.keys.keystore import import_wallet
from poolhand.scheduler.joining.docker_files import docker_archive, docker_files, environment
from poolhand.scheduler.joining.join_files import JoinPlace
from poolhand.scheduler.joining.join_page import NAME_COMMAND, START_COMMAND, WALLET_COMMAND
from poolhand.scheduler.joining.own_wheel import own_wheel
from poolhand.settings import market, pool, results, signer, worker
from poolhand.settings.chains import KNOWN_CHAINS

ROOT = Path(__file__).parents[2]
FILES = ROOT / "src/poolhand/scheduler/joining/files"
DOCKERFILE = (FILES / "Dockerfile").read_text(encoding="utf-8")
COMPOSED = {"worker": FILES / "compose.yaml", "pool": ROOT / "docker/pool.compose.yaml"}
STEPS = sorted((ROOT / "docs/how-to").glob("*.md"))
OPTIONS = {
    "worker": worker.WORKER_OPTIONS,
    "signer": signer.SIGNER_OPTIONS,
    "pool": pool.POOL_OPTIONS,
    "market": market.MARKET_OPTIONS,
    "results": results.RESULTS_OPTIONS,
}
SERVICES = [
    (file, name)
    for file, path in COMPOSED.items()
    for name in yaml.safe_load(path.read_text())["services"]
]
TITLES = ("title", "description", "vendor", "licenses", "version", "revision", "base.name")
SECRET = re.compile(r"secret|passw|wallet|keystore|\bkey\b", re.IGNORECASE)


def stages():
    """Return the lines of each stage by its name, with what it is built on."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    found, name = {}, ""
    for line in lines:
        if begun := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            name = begun[2]
            found[name] = (begun[1], [])
        elif name:
            found[name][1].append(line)
    return found


def whole(name):
    """Return all lines of a stage and of what it is built on, in order."""
    base, lines = stages()[name]
    return (whole(base) if base in stages() else []) + lines


def last(name, word):
    return [line.partition(" ")[2] for line in whole(name) if line.startswith(f"{word} ")][-1]


def services(file):
    return yaml.safe_load(COMPOSED[file].read_text(encoding="utf-8"))["services"]


def names_of(program):
    return {name for option in OPTIONS[program] for name in option.variables}


def test_every_image_is_built_on_one_base_that_its_digest_names():
    assert re.search(
        r"^ARG BASE=[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE
    )
    bases = {base for base, _ in stages().values()}
    assert bases == {"${BASE}", "build", "runtime", "service"}
    assert set(OPTIONS) <= set(stages())


@pytest.mark.parametrize("name", OPTIONS)
def test_an_image_runs_unprivileged_and_says_what_it_is(name):
    user = last(name, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "by numbers, none of them root's"
    labels = " ".join(line for line in whole(name) if line.startswith("LABEL"))
    assert [each for each in TITLES if f"org.opencontainers.image.{each}=" not in labels] == []
    assert f'title="poolhand-{name}"' in labels
    verb = "start" if name == "worker" else "serve"
    assert last(name, "CMD") == f'["{name}", "{verb}"]'


def test_signer_and_worker_are_two_users_who_share_a_group():
    users = {name: last(name, "USER").split(":") for name in ("worker", "signer")}
    assert users["worker"][0] != users["signer"][0]
    assert users["worker"][1] == users["signer"][1]
    assert f"POOLHAND_SIGNER_PEER={users['worker'][0]}" in " ".join(whole("signer"))
    owner = f"install -d -o {users['signer'][0]} -g {users['signer'][1]} -m 0750 /run/poolhand"
    assert owner in " ".join(whole("worker")), "the worker puts no other socket there"


def test_packages_are_checked_by_hash_and_what_installs_them_stays_behind():
    for files, lists in (("worker", ["requirements"]), ("pool", ["requirements", "pool"])):
        lines = whole(f"{files}-files")
        assert (
            re.findall(
                r"pip install --only-binary :all: --require-hashes -r (\w+)\.txt", str(lines)
            )
            == lists
        )
        assert lines[-1].endswith("pip uninstall --yes pip setuptools")
        assert DOCKERFILE.count("pip install") == 2
    for name in OPTIONS:
        copied = [line for line in whole(name) if line.startswith(("COPY", "ADD"))]
        files = "worker" if name in ("worker", "signer") else "pool"
        assert copied == [f"COPY --from={files}-files /opt/poolhand /opt/poolhand"]


def test_what_builds_the_workers_image_needs_nothing_of_the_services():
    """An engine without BuildKit makes every stage that stands before the one that is asked for."""
    names = list(stages())
    assert names.index("pool-files") > max(names.index("worker"), names.index("signer"))
    before = " ".join(
        line for name in names[: names.index("pool-files")] for line in stages()[name][1]
    )
    assert "pool.txt" not in before


def test_a_place_is_named_nowhere_but_for_the_base():
    assert not re.search(r"https?://(?!127\.0\.0\.1)", DOCKERFILE), "no place is named"


@pytest.mark.parametrize("name", OPTIONS)
def test_settings_of_an_image_have_names_that_its_program_knows(name):
    told = re.findall(r"\b((?:POOLHAND|IEXEC)_[A-Z_]+)=", " ".join(whole(name)))
    assert set(told) <= names_of(name)
    assert not [each for each in told if "PASSWORD" in each]


@pytest.mark.parametrize(("file", "name"), SERVICES)
def test_a_service_may_do_nothing_that_it_need_not(file, name):
    it = services(file)[name]
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices", "userns_mode"} & set(it)
    assert it["user"] == last(name, "USER")
    assert it["image"].startswith(f"poolhand/{name}:")
    for port in it.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "a proxy with TLS stands in front"


@pytest.mark.parametrize(("file", "name"), SERVICES)
def test_a_service_is_told_what_its_program_knows_and_no_secret(file, name):
    told = services(file)[name]["environment"]
    assert set(told) <= names_of(name) | names_of("signer" if file == "worker" else name)
    assert not [each for each in told if each.endswith("PASSWORD")]
    for value in told.values():
        assert re.fullmatch(r"\$\{[A-Z_]+(:-|:-[a-z]+|:\?[^}]+)\}|/run/secrets/[a-z.-]+", value)


def test_who_has_the_engine_has_no_wallet_and_who_has_the_wallet_has_no_engine_and_no_network():
    both = services("worker")
    worker_, signer_ = both["worker"], both["signer"]
    assert any("docker.sock" in each for each in worker_["volumes"])
    assert "secrets" not in worker_
    assert not SECRET.search(str(worker_["volumes"]) + str(list(worker_["environment"])))
    assert signer_["network_mode"] == "none"
    assert signer_["volumes"] == ["line:/run/poolhand"]
    assert "line:/run/poolhand:ro" in worker_["volumes"]
    assert signer_["secrets"] == ["wallet.json", "wallet-password"]
    held = {each for each in (yaml.safe_load(COMPOSED["worker"].read_text())["secrets"]).values()
            for each in each.values()}  # fmt: skip
    assert held == {"./secrets/wallet.json", "./secrets/wallet-password"}


def project_called(folder, keystore):
    """Return what the page's line writes beside the compose file for a wallet."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets/wallet.json").write_text(json.dumps(keystore))
    subprocess.run(("sh", "-eu", "-c", NAME_COMMAND), cwd=folder, check=True)
    name, value = (folder / ".env").read_text().removesuffix("\n").split("=")
    assert name == "COMPOSE_PROJECT_NAME"
    return value


def test_workers_on_one_engine_are_projects_of_their_own_called_by_their_wallets(tmp_path):
    called = set()
    for number, prefix in enumerate(("", "0x", "0X")):
        made = import_wallet(tmp_path / f"k{number}", f"{number + 1:064x}", "p", cost=1024)
        keystore = json.loads(made.path.read_text())
        address = str(made.address)
        for spelt in (address.removeprefix("0x"), address.removeprefix("0x").upper()):
            keystore["address"] = prefix + spelt
            name = project_called(tmp_path / prefix / spelt / "x", keystore)
            assert name == f"poolhand-{address[-12:].lower()}"
            assert re.fullmatch("[a-z0-9][a-z0-9_-]*", name), "as Compose wants it"
        called.add(name)
    assert len(called) == 3


def test_wallets_whose_files_tell_no_address_are_projects_of_their_own(tmp_path):
    """So ``cast wallet import`` writes them."""
    called = set()
    for number in (1, 2):
        made = import_wallet(tmp_path / f"k{number}", f"{number:064x}", "p", cost=1024)
        keystore = json.loads(made.path.read_text())
        del keystore["address"]
        name = project_called(tmp_path / f"x{number}", keystore)
        assert re.fullmatch("poolhand-[0-9a-f]{12}", name)
        assert name == project_called(tmp_path / f"again{number}", keystore)
        called.add(name)
    assert len(called) == 2


def test_without_a_wallet_no_project_is_called_after_it(tmp_path):
    done = subprocess.run(
        ("sh", "-c", NAME_COMMAND), cwd=tmp_path, check=False, capture_output=True
    )
    assert b"secrets/wallet.json" in done.stderr
    assert (tmp_path / ".env").read_text() == "COMPOSE_PROJECT_NAME=\n", "Compose asks for one"


def test_a_project_runs_what_was_built_for_it_and_no_strangers_image():
    """A name that projects share is moved by whoever builds next: A's key would be with B's code."""
    for name, it in services("worker").items():
        assert it["image"] == f"poolhand/{name}:${{COMPOSE_PROJECT_NAME}}"
        assert it["build"]["target"] == name
    for name, it in services("pool").items():
        assert re.fullmatch(rf"poolhand/{name}:\$\{{POOLHAND_VERSION:\?[^}}]+\}}", it["image"])
    for file, name in SERVICES:
        assert services(file)[name]["pull_policy"] == "never", "Compose asks a registry first"


def test_no_steps_and_no_build_name_an_image_that_projects_share():
    steps = [WALLET_COMMAND, START_COMMAND, *(path.read_text() for path in STEPS)]
    shared = re.compile(rf"poolhand/(?:{'|'.join(OPTIONS)})(?:$|[\s\"']|:latest)", re.MULTILINE)
    assert [found for text in steps for found in shared.findall(text)] == []
    assert '"latest"' not in (ROOT / "scripts/images.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("steps", [NAME_COMMAND, WALLET_COMMAND], ids=["name", "wallet"])
def test_the_how_to_and_the_page_have_the_same_steps(steps):
    told = (ROOT / "docs/how-to/run-a-worker-in-docker.md").read_text(encoding="utf-8")
    assert steps.replace("\\\n    ", "") in told


@pytest.mark.parametrize("file", COMPOSED)
def test_no_two_projects_have_one_name_unasked(file):
    told = yaml.safe_load(COMPOSED[file].read_text(encoding="utf-8"))
    assert told["name"].startswith("${COMPOSE_PROJECT_NAME:?")
    assert not [each for each in told["services"].values() if "container_name" in each]
    assert not [each for each in told["volumes"].values() if each], "they are called by the project"
    assert "networks" not in told


def test_the_signer_is_told_the_same_pool_and_chain_as_its_worker():
    both = services("worker")
    told = {name: both[name]["environment"] for name in both}
    shared = names_of("worker") & names_of("signer") & set(told["worker"])
    assert {name: told["signer"].get(name) for name in shared} == {
        name: told["worker"][name] for name in shared
    }
    assert {"IEXEC_CORE_URL", "POOL_ADDRESS", "POOLHAND_MOST_DEPOSIT"} <= shared


# --------------------------------------------------------------------------- what a pool gives

PLACE = JoinPlace(31337, Address(b"\1" * 20), Address(b"\2" * 20), "http://p.test/a'b", "http://n")


def test_the_archive_of_a_pool_has_all_that_a_build_needs_the_same_bytes_each_time():
    wheel = own_wheel()
    made = docker_archive(PLACE, wheel)
    assert made == docker_archive(PLACE, wheel)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(made))) as archive:
        found = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}
    wanted = {**docker_files(wheel), ".env": environment(PLACE).encode()}
    assert found == {f"poolhand-worker/{name}": content for name, content in wanted.items()}
    assert set(wanted) == {"Dockerfile", "compose.yaml", "requirements.txt", wheel.name, ".env"}


def test_the_settings_of_a_pool_are_names_that_the_compose_file_takes():
    arbitrum, native = KNOWN_CHAINS["arbitrum"], KNOWN_CHAINS["bellecour"]
    for chain, hub, node in (
        (31337, PLACE.hub, PLACE.rpc),
        (arbitrum.chain_id, arbitrum.hub, "https://node.example"),
        (arbitrum.chain_id, arbitrum.hub, "http://127.0.0.1:8545"),
        (arbitrum.chain_id, PLACE.hub, "https://node.example"),
        (native.chain_id, native.hub, "http://127.0.0.1:8545"),
    ):
        place = JoinPlace(chain, hub, PLACE.workerpool, PLACE.url, node)
        told = dict(line.split("=", 1) for line in environment(place).splitlines())
        assert told["IEXEC_CORE_URL"] == "http://p.test/a%27b"
        assert set(told) <= set(services("worker")["signer"]["environment"])
        is_public = hub == native.hub or (hub == arbitrum.hub and "example" in node)
        assert ("POOLHAND_CHAIN" in told) is is_public
        assert is_public or told["POOLHAND_HUB"] == str(hub)
