"""The way to a cluster's API: ``kubectl proxy``, which knows every way to log in.

Client certificates, tokens, single sign-on and the clouds' own programs are kubectl's matter, and
so is the account of the pod in which a worker may run. What it opens is a socket in a private
folder, for this process alone.

Source: kubectl proxy --help (1.20): ``--unix-socket``; hosts that it accepts are this computer's.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import structlog

from poolhand.containers.kubernetes.api import API_TIMEOUT
from poolhand.domain.errors import RuntimeDown
from poolhand.web.trusted import trusted

LONGEST_PROXY_START: Final = 20.0
"""Seconds until its socket is there."""
PAUSE_BEFORE_NEW_PROXY: Final = 5.0
"""Seconds between the end of one and the start of the next."""
_PAUSE_BETWEEN_SOCKET_LOOKS: Final = 0.02
_OWN_VARIABLES: Final = ("IEXEC_", "POOLHAND_")
"""How those begin that hold the worker's secrets, among others: kubectl starts further programs."""

log = structlog.get_logger()


@asynccontextmanager
async def kubectl_proxy(context: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API that is logged in; kubectl is started again if it ends.

    Args:
        context: Of kubectl's configuration; empty: the current one, or that of this pod.

    Raises:
        RuntimeDown: kubectl is not installed, or ends at once.
    """
    with tempfile.TemporaryDirectory(prefix="poolhand-kubectl-") as folder:
        socket = Path(folder, "api")
        process = await _start(context, socket)
        keeping = asyncio.create_task(_keep(process, context, socket))
        transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=trusted())
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=API_TIMEOUT
            ) as http:
                yield http
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


async def _keep(process: asyncio.subprocess.Process, context: str, socket: Path) -> None:
    """Start it again whenever it ends, until cancelled; then end it."""
    try:
        while True:
            await process.wait()
            log.warning("kubectl_ended", code=process.returncode)
            await asyncio.sleep(PAUSE_BEFORE_NEW_PROXY)
            await asyncio.to_thread(socket.unlink, missing_ok=True)
            process = await _start(context, socket)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _start(context: str, socket: Path) -> asyncio.subprocess.Process:
    words = [f"--context={context}"] if context else []
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(_OWN_VARIABLES)
    }
    try:
        process = await asyncio.create_subprocess_exec(
            "kubectl", *words, "proxy", f"--unix-socket={socket}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
    except OSError as fault:
        raise RuntimeDown(
            f"kubectl cannot be run ({fault.strerror}): install it where the worker runs, so that "
            "`kubectl get pods` works there, then start the worker again"
        ) from fault
    until = time.monotonic() + LONGEST_PROXY_START
    while not await asyncio.to_thread(socket.exists):
        if process.returncode is not None or time.monotonic() > until:
            raise RuntimeDown(
                "kubectl proxy does not come up: see that `kubectl get pods` works for this user, "
                "then start the worker again"
            )
        await asyncio.sleep(_PAUSE_BETWEEN_SOCKET_LOOKS)
    return process
