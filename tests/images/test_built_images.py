"""The images as they were built: what they are, and a worker and its signer who earn by them.

For another processor than the engine's they run by the emulator that `scripts/emulator.py` sees to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from built import BUILT, COMMAND_SECONDS, HOST, SOCKET, TAG
from composed import composed, docker, down, has_compose, inspected, log_of, up, words_of_service
from e2e_world import WEB, wait_until
from emulator import MACHINES
from test_key_elsewhere import KEY, PASSWORD, memory_of, secrets_in, words_of

from poolhand import __version__
from poolhand.keys.keystore import import_wallet

LOADED = {
    "worker": "poolhand.worker.main",
    "signer": "poolhand.cli.signer_program",
    "pool": "poolhand.scheduler.main psycopg",
    "market": "poolhand.market.main psycopg",
    "results": "poolhand.results.main",
}
"""What a program of an image loads, and with it the compiled packages that it needs."""
IMAGES = tuple(LOADED)
SERVICES = ("signer", "worker")
MOST = 400_000_000
"""Bytes of an image: Debian and its Python take 150 MB of them."""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_what_it_says(name):
    found = inspected(f"poolhand/{name}:{TAG}")
    assert f"{found['Os']}/{found['Architecture']}" == BUILT.platform
    assert TAG.endswith(f"-{found['Architecture']}"), "another processor's are called otherwise"
    assert found["Size"] < MOST
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"poolhand-{name}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", labels["org.opencontainers.image.base.digest"])
    assert not re.search(r"https?://(?!127\.0\.0\.1)", json.dumps(found["Config"])), (
        "no host is named"
    )
    run = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")
    assert docker(*run, found["Id"], "--version") == f"poolhand {__version__}"
    look = "import os, json; print(json.dumps([os.geteuid(), os.getegid()]))"
    python = ("--entrypoint", "python", found["Id"], "-c", look)
    assert json.loads(docker(*run, *python)) == [10002 if name == "signer" else 10001, 10001]


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_compiled_in_an_image_is_for_its_processor(name):
    load = f"import {', '.join(LOADED[name].split())}, platform; print(platform.machine())"
    image = f"poolhand/{name}:{TAG}"
    run = ("run", "--rm", "--network", "none", "--read-only", "--entrypoint", "python", image)
    assert docker(*run, "-c", load) == MACHINES[BUILT.platform]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_a_bill_of_what_is_in_it(name):
    told = json.loads((BUILT.folder / f"{name}.cdx.json").read_text(encoding="utf-8"))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    assert told["metadata"]["component"]["bom-ref"] == inspected(f"poolhand/{name}:{TAG}")["Id"]
    refs = [each["bom-ref"] for each in told["components"]]
    assert len(set(refs)) == len(refs)
    assert f"pkg:pypi/poolhand@{__version__}" in refs
    assert any(each.startswith("pkg:deb/debian/libc6@") for each in refs)
    assert not [each for each in refs if re.match(r"pkg:pypi/(pip|setuptools|pytest)@", each)]
    pinned = re.findall(
        r"^([a-z0-9-]+)==(\S+)", (BUILT.context / "requirements.txt").read_text(), re.MULTILINE
    )
    missing = {f"pkg:pypi/{package}@{version}" for package, version in pinned} - set(refs)
    assert not {each for each in missing if "win32" not in each and "tzdata" not in each}


def test_whoever_owns_the_folder_makes_a_wallet_there_by_the_signers_image(tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    owner = 12345
    for each in (tmp_path, tmp_path / "password"):
        os.chown(each, owner, owner)
    run = ("run", "--rm", "--network", "none", "--user", f"{owner}:{owner}")
    words = ("wallet", "create", "--password-file", "/wallet/password", "--json")
    signer = f"poolhand/signer:{TAG}"
    told = json.loads(docker(*run, "--volume", f"{tmp_path}:/wallet", signer, *words))
    (made,) = tmp_path.glob("UTC--*")
    assert made.stat().st_uid == owner
    assert made.name.endswith(told["address"].removeprefix("0x"))


@contextmanager
def started(network, folder):
    """Start both services of the compose file; yields the names of their containers."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    stored = import_wallet(folder / "keys", KEY, PASSWORD, cost=1024)
    (secrets / "wallet.json").write_bytes(stored.path.read_bytes())
    (secrets / "wallet-password").write_text(PASSWORD + "\n")
    for each in secrets.iterdir():
        each.chmod(0o444)
    info = network.info
    told = {
        "IEXEC_CORE_URL": info.pool_url,
        "POOL_ADDRESS": info.workerpool,
        "POOLHAND_HUB": info.hub,
        "POOLHAND_CHAIN_ID": str(info.chain_id),
        "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": info.rpc_url,
        "POOLHAND_ALLOW_PRIVATE": "true",
        "IEXEC_WORKER_NAME": "in-docker",
        "COMPOSE_PROJECT_NAME": f"poolhand-{str(stored.address)[-12:].lower()}",
        "DOCKER_GID": str(Path(SOCKET).stat().st_gid),
    }
    start = _by_compose if has_compose() else _by_docker_run
    images = {each: f"poolhand/{each}:{told['COMPOSE_PROJECT_NAME']}" for each in SERVICES}
    for service, image in images.items():  # what Compose's build would call so
        docker("tag", f"poolhand/{service}:{TAG}", image)
    try:
        with start(told, folder) as names:
            try:
                yield stored.address, names["worker"], names["signer"]
            except AssertionError as fault:
                raise AssertionError("\n".join(map(log_of, names.values()))) from fault
    finally:
        docker("rmi", *images.values(), check=False)


@contextmanager
def _by_compose(told, folder):
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in told.items()))
    file = folder / "compose.yaml"
    shutil.copy(BUILT.context / "compose.yaml", file)
    socket = [f"{SOCKET}:/var/run/docker.sock"]
    try:
        up(file, {"services": {"worker": {**HOST, "volumes": socket}}})
        yield {each: f"{told['COMPOSE_PROJECT_NAME']}-{each}-1" for each in SERVICES}
    finally:
        down(file)


@contextmanager
def _by_docker_run(told, folder):
    file = composed(BUILT.context / "compose.yaml", told)
    worker = file["services"]["worker"]
    worker["network_mode"] = HOST["network_mode"]
    worker["environment"] |= HOST["environment"]
    worker["volumes"] = [
        each.replace("/var/run/docker.sock:", f"{SOCKET}:") for each in worker["volumes"]
    ]
    names = {service: f"{file['name']}-{service}" for service in SERVICES}
    volumes = [f"{file['name']}_{each}" for each in file["volumes"]]
    try:
        for service, name in names.items():
            docker("run", "--detach", "--name", name, *words_of_service(file, service, folder))
        yield names
    finally:
        docker("rm", "--force", *names.values(), check=False)
        docker("volume", "rm", *volumes, check=False)


def test_a_worker_in_docker_earns_and_has_neither_key_nor_password(network, tmp_path):
    with started(network, tmp_path) as (wallet, worker, signer):
        network.ok("devnet", "faucet", str(wallet))
        workers = f"{network.info.pool_url}/v1/workers"
        wait_until(
            lambda: str(wallet) in [each["worker"] for each in WEB.get(workers).json()],
            COMMAND_SECONDS,
        )
        docker("exec", worker, "poolhand", "worker", "deposit", "10", "--json")
        _is_told_by_the_doctor(worker, wallet)
        network.ok("worker", "pause", "--name", "worker-1")
        bought = network.ok("run", network.image("fractal"), "--args", "--seed 5", seconds=600)
        (replicate,) = bought["tasks"][0]["replicates"]
        assert (replicate["worker"], replicate["status"]) == (str(wallet), "COMPLETED")
        _has_no_secret(worker)
        _has_nothing_but_the_key(signer)
        # it ends with its worker; Compose starts it anew, for the next one
        ending = subprocess.Popen(("docker", "wait", signer), stdout=subprocess.PIPE, text=True)
        docker("stop", "--time", "30", worker)
        assert inspected(worker)["State"]["ExitCode"] == 0
        assert ending.communicate(timeout=60)[0].strip() == "0"


def _is_told_by_the_doctor(worker, wallet):
    """The signer has the wallet: what can be known of it is told in the worker's container."""
    told = json.loads(docker("exec", worker, "poolhand", "worker", "doctor", "--json", check=False))
    checks = {each["check"]: each for each in told["checks"]}
    assert told["wallet"] == str(wallet)
    assert f"serves this worker; its wallet is {wallet}" in checks["wallet"]["found"]
    looked_at = ("wallet", "password", "wallet-free", "gas", "stake", "port", "engine-platform")
    assert {checks[each]["outcome"] for each in looked_at} == {"pass"}, checks


def _has_no_secret(worker):
    found = inspected(worker)
    assert {each["Destination"] for each in found["Mounts"]} == {
        *("/run/poolhand", "/data", "/var/run/docker.sock"),
    }
    pid = found["State"]["Pid"]
    everything = [json.dumps(found).encode(), *words_of(pid)]
    assert secrets_in(everything) == set()
    assert secrets_in(memory_of(pid)) == set()
    opened = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [path for path in opened if re.search("secret|wallet|keystore", path)]
    files = [path for path in Path(f"/proc/{pid}/root/data").rglob("*") if path.is_file()]
    assert len(files) > 2
    assert secrets_in(path.read_bytes() for path in files) == set()


def _has_nothing_but_the_key(signer):
    found = inspected(signer)
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert {each["Destination"] for each in found["Mounts"]} == {
        *("/run/poolhand", "/run/secrets/wallet.json", "/run/secrets/wallet-password"),
    }
    pid = found["State"]["Pid"]
    assert "password" not in secrets_in([json.dumps(found).encode(), *words_of(pid)])
    in_memory = secrets_in(memory_of(pid))
    assert "key" in in_memory, "the search works"
    assert "password" not in in_memory
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+10002\s", status, re.MULTILINE)
