"""Furnishing the devnet on which statuses are provoked: tight limits, an app, a short category."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from e2e_world import Network
from status_lab import DOWNLOAD, PULL, SHORT, Lab

from poolhand.appimage.composing import PublishedImage
from poolhand.containers.docker import DockerRuntime
from poolhand.devnet.abi import call_data
from poolhand.devnet.accounts import DEPLOYER, derive
from poolhand.devnet.artifacts import DEFAULT_CACHE, ensure
from poolhand.devnet.contracts import HUB_INTERFACE
from poolhand.devnet.images import publish
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.transactions import SetupStep, next_nonce, settle, sign
from poolhand.domain.ids import Address
from poolhand.domain.units import Seconds

SETTINGS: Final = {
    "POOLHAND_PRICES": "0=1,1=4,2=12,3=36,4=120,5=1",
    "POOLHAND_TASK_MEMORY": "96m",
    "POOLHAND_TASK_OUTPUT": "1m",
    "POOLHAND_TASK_INPUT": "64k",
    "POOLHAND_DOWNLOAD_TIMEOUT": str(DOWNLOAD),
    "IEXEC_WORKER_DOCKER_IMAGE_MIN_PULL_TIMEOUT": f"PT{PULL}S",
    "IEXEC_WORKER_DOCKER_IMAGE_MAX_PULL_TIMEOUT": f"PT{PULL}S",
    "IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": "4",
    "POOLHAND_MOST_DEPOSIT": "20000",
}
APP: Final = """
import json, os, sys, time
deed = sys.argv[1] if len(sys.argv) > 1 else ""
out = os.environ["IEXEC_OUT"]
if deed == "exits":
    print("the input makes no sense", file=sys.stderr)
    raise SystemExit(3)
if deed == "eats":
    kept = b"x" * (1 << 31)
if deed == "floods":
    open(f"{out}/flood", "wb").write(bytes(4 << 20))
while deed == "sleeps" or (deed == "gate" and not os.path.exists("/iexec_in/open")):
    time.sleep(0.05)
if deed != "silent":
    open(f"{out}/result.txt", "w").write("the same everywhere")
    path = {"deterministic-output-path": "/iexec_out/result.txt"}
    open(f"{out}/computed.json", "w").write(json.dumps(path))
"""


def make_lab(network: Network, folder: Path) -> Lab:
    """Furnish a running devnet: the app, its image on this machine, a short category."""
    (folder / "main.py").write_text(APP)
    image = asyncio.run(_furnish(network, folder))
    lab = Lab(network, image)
    (lab.app,) = lab.register(lab.app_of(image.reference, image.digest))
    return lab


async def _furnish(network: Network, folder: Path) -> PublishedImage:
    image = await publish(folder, "poolhand/lab:1.0", network.info.registry)
    async with DockerRuntime.open(os.environ.get("DOCKER_HOST")) as runtime:
        await runtime.pull(image.reference, image.digest, Seconds(120))
    interface = (await asyncio.to_thread(ensure, DEFAULT_CACHE)).contract(HUB_INTERFACE)
    data = call_data(interface, "createCategory", "brief", "for tests", SHORT)
    step = SetupStep("createCategory", Address.parse(network.info.hub), data)
    owner = derive(DEPLOYER)
    async with NodeRpc(network.info.rpc_url) as rpc:
        nonce = await next_nonce(rpc, owner)
        await settle(rpc, [step], sign(owner, [step], nonce, network.info.chain_id))
    return image
