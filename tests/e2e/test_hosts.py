"""An app reaches the host that its order names and its worker's operator allows, and no other."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from e2e_world import wait_until, worker_with

from poolhand.containers.docker import DockerRuntime
from poolhand.devnet.images import publish
from poolhand.domain.ids import Address
from poolhand.domain.units import Seconds

NAME = "worker-2"
APP = """
import http.client, json, os, sys, urllib.parse

def asked(host):
    proxy = urllib.parse.urlsplit(os.environ["https_proxy"])
    line = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=60)
    name, port = host.split(":")
    line.set_tunnel(name, int(port))
    try:
        line.request("GET", "/")
        return line.getresponse().read().decode()
    except OSError as fault:
        return str(fault)

out = os.environ["IEXEC_OUT"]
json.dump({host: asked(host) for host in sys.argv[1:]}, open(f"{out}/result.json", "w"))
json.dump({"deterministic-output-path": "/iexec_out/result.json"}, open(f"{out}/computed.json", "w"))
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@contextmanager
def host_on_loopback():
    """Serve on this machine; yields the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


async def published(folder, registry):
    """Publish the app, and have the engine keep it; returns its name in orders, and there."""
    image = await publish(folder, "poolhand/asker:1.0", registry)
    async with DockerRuntime.open(os.environ.get("DOCKER_HOST")) as runtime:
        return image.reference, await runtime.pull(image.reference, image.digest, Seconds(120))


@pytest.mark.docker
def test_an_app_reaches_the_host_of_its_order_and_is_paid(network, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(APP)
    image, kept = asyncio.run(published(app, network.info.registry))
    with host_on_loopback() as port:
        there, other = f"there.example:{port}", f"other.example:{port}"
        hosts = {
            "POOLHAND_NETWORK_HOSTS": f"{there},{other}",
            "POOLHAND_NETWORK_IMAGE": kept,
            "POOLHAND_SANDBOX": "runc",
        }
        names = {"there.example": "127.0.0.1", "other.example": "127.0.0.1"}
        with worker_with(network, NAME, {"names": names}, **hosts):
            status = wait_until(lambda: _reached(network))
            assert status == {"allowed": [other, there], "reached": True, "problem": None}
            examined = network.cli("worker", "doctor", "--json", **hosts).json
            (found,) = [each for each in examined["checks"] if each["check"] == "hosts"]
            assert found["outcome"] == "pass", found
            earned = network.ok("account", "show", str(network.owners[NAME]))["stake_nrlc"]
            words = ("--host", there, "--args", f"{there} {other}")
            bought = network.ok(
                "run", image, *words, "--download", str(tmp_path / "got"), seconds=120
            )
    (task,) = bought["tasks"]
    (replicate,) = task["replicates"]
    assert (Address.parse(replicate["worker"]), replicate["status"]) == (
        network.owners[NAME],
        "COMPLETED",
    )
    with zipfile.ZipFile(task["result_path"]) as archive:
        told = json.loads(archive.read("result.json"))
    assert told == {there: "hello", other: "Tunnel connection failed: 403 Forbidden"}
    assert network.ok("account", "show", str(network.owners[NAME]))["stake_nrlc"] > earned


def _reached(network):
    told = network.ok("worker", "status", "--name", NAME)["hosts"]
    return told["reached"] and told
