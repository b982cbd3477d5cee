"""Workers of a fleet by the compose file that `fleet up` writes: they compute, earn and give back."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from built import COMMAND_SECONDS, HOST, SOCKET, TAG
from composed import composed, docker, down, has_compose, inspected, log_of, up, words_of_service
from e2e_world import WEB, wait_until

from poolhand.cli.fleet.folder import FleetFolder

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]
STAKE = 2 * 10**9
"""nRLC that each is given."""
ENGINE = [f"{SOCKET}:/var/run/docker.sock"]


@contextmanager
def started(file):
    """Start all that a compose file has; yields the names of its containers by service."""
    told = {"POOLHAND_VERSION": TAG, "DOCKER_GID": str(Path(SOCKET).stat().st_gid)}
    (file.parent / ".env").write_text("".join(f"{key}={value}\n" for key, value in told.items()))
    start = _by_compose if has_compose() else _by_docker_run
    with start(file, composed(file, told)) as names:
        try:
            yield names
        except AssertionError as fault:
            raise AssertionError("\n".join(map(log_of, names.values()))) from fault


@contextmanager
def _by_compose(file, read):
    workers = [each for each in read["services"] if each.startswith("worker-")]
    try:
        up(file, {"services": {each: {**HOST, "volumes": ENGINE} for each in workers}})
        yield {each: f"{read['name']}-{each}-1" for each in read["services"]}
    finally:
        down(file)


@contextmanager
def _by_docker_run(file, read):
    names = {each: f"{read['name']}-{each}" for each in read["services"]}
    volumes = [f"{read['name']}_{each}" for each in read["volumes"]]
    try:
        for service in sorted(names):  # signers come first
            it = read["services"][service]
            if service.startswith("worker-"):
                it["network_mode"] = HOST["network_mode"]
                it["environment"] = {**it["environment"], **HOST["environment"]}
                kept = [each for each in it["volumes"] if "docker.sock" not in each]
                it["volumes"] = [*kept, *ENGINE]
            words = words_of_service(read, service, file.parent)
            docker("run", "--detach", "--name", names[service], *words)
        yield names
    finally:
        docker("rm", "--force", *names.values(), check=False)
        docker("volume", "rm", *volumes, check=False)


def test_a_fleet_by_its_compose_file_computes_earns_and_gives_all_back(
    network, tmp_path, monkeypatch
):
    home, file = tmp_path / "home", tmp_path / "there" / "boxes.yaml"
    home.mkdir()
    monkeypatch.setenv("POOLHAND_JOIN_HOME", str(home / ".poolhand"))
    at_home = {"HOME": str(home), "POOLHAND_JOIN_HOME": str(home / ".poolhand")}
    named = ("--fleet", f"boxes-{network.info.pool_url.rpartition(':')[2]}")
    made = network.ok(
        *("fleet", "up", *named, "--pool", network.info.pool_url, "--workers", "2", "--yes"),
        *("--stake", "2", "--words-to", str(tmp_path / "phrase"), "--compose", str(file)),
        **at_home,
    )
    wallets = {each["wallet"] for each in made["workers"]}
    password = FleetFolder.of(named[1]).password.read_text()
    (file.parent / "boxes-secrets/password").write_text(password)  # brought as the text says
    with started(file) as names:
        workers = f"{network.info.pool_url}/v1/workers"
        wait_until(
            lambda: wallets <= {each["worker"] for each in WEB.get(workers).json()},
            COMMAND_SECONDS,
        )
        network.ok("worker", "pause", "--name", "worker-1")
        bought = network.ok("run", network.image("fractal"), "--args", "--seed 7", seconds=600)
        network.ok("worker", "resume", "--name", "worker-1")
        replicates = bought["tasks"][0]["replicates"]  # a slow one is replaced
        assert {each["worker"] for each in replicates} <= wallets
        assert "COMPLETED" in [each["status"] for each in replicates]
        for service, name in names.items():
            is_signer = service.startswith("signer-")
            found = inspected(name)
            assert found["HostConfig"]["ReadonlyRootfs"]
            assert (found["HostConfig"]["NetworkMode"] == "none") == is_signer
            assert any("secrets" in each["Source"] for each in found["Mounts"]) == is_signer
    to = "0x" + "d3" * 20
    words = ("fleet", "collect", *named, "--to", to, "--all", "--yes", "--elsewhere-stopped")
    collected = network.ok(*words, **at_home)
    assert not any(each["trouble"] for each in collected["workers"])
    assert collected["rlc_nrlc"] > 2 * STAKE
    assert network.ok("account", "show", to)["rlc_nrlc"] == collected["rlc_nrlc"]
