"""A bare Debian 12, in namespaces of its own, joins by the line of the pool's page, and is paid."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from shlex import quote

import pytest
from built import BUILT, COMMAND_SECONDS
from composed import docker
from e2e_world import WEB
from typist import Newcomer, address_in

from images import debian

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]
IMAGE = f"poolhand/bare:bookworm-{BUILT.processor}"
NEEDED = ("python3", "python3-venv", "curl", "ca-certificates")
"""What the page asks for beside the engine, whose socket the computer is given."""
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


@contextmanager
def computer(name):
    """Start a computer that has packages at hand and nothing of ours."""
    debian(BUILT, IMAGE, "bare.tar", *NEEDED)
    given = ("--volume", f"{SOCKET}:/var/run/docker.sock", "--volume", f"{name}:/root",
             "--volume", f"{BUILT.context / 'packages'}:/packages:ro",
             "--env", "PIP_NO_INDEX=1", "--env", "PIP_FIND_LINKS=/packages")  # fmt: skip
    try:
        docker("run", "--detach", "--init", "--name", name, "--network", "host", *given, IMAGE,
               "sleep", "infinity")  # fmt: skip
        yield
    finally:
        docker("rm", "--force", name, check=False)
        docker("volume", "rm", name, check=False)


def test_the_line_of_the_page_leads_to_a_worker_that_is_all_set_and_paid(network, tmp_path):
    name, page = f"poolhand-bare-{os.getpid()}", WEB.get(f"{network.info.pool_url}/join").text
    line = unescape(re.search(r"<pre>(curl .*?)</pre>", page)[1])
    person = Newcomer(tmp_path / "person", seconds=COMMAND_SECONDS)

    def types(command):
        return person.types(f"docker exec -it {name} bash -c {quote('cd && ' + command)}")

    with computer(name):
        before_it = {Path(each) for each in types("find /root /tmp -type f").split()}
        assert "Your worker is all set." in types(line)
        wallet = address_in(types("cat .poolhand/joined/*/address"))
        before = network.ok("account", "show", wallet)["stake_nrlc"]
        network.ok("worker", "pause", "--name", "worker-1")
        try:
            bought = network.ok("run", network.image("fractal"), "--args", "--seed 6", seconds=600)
        finally:
            network.ok("worker", "resume", "--name", "worker-1")
        (replicate,) = bought["tasks"][0]["replicates"]
        assert (replicate["worker"], replicate["status"]) == (wallet, "COMPLETED")
        assert network.ok("account", "show", wallet)["stake_nrlc"] > before
        assert "Your worker is all set." in types(line)  # it is left alone
        types("sh join.sh --uninstall")
        left = {Path(each) for each in types("find /root /tmp -type f").split()} - before_it
        assert {each.name.partition("--")[0] for each in left} == {"UTC", "join.sh"}, left
