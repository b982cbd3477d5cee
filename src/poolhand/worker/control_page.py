"""Orders over the status page: for whoever can read the worker's folder, and nobody else.

The page listens on loopback only, but any program of this machine and any web page in its browser
can reach that. So an order carries a random token that stands in ``worker.json``, readable by the
operator alone; ``transport.asgi`` refuses foreign names and origins besides.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends

from poolhand.domain.errors import Refused
from poolhand.domain.text import checked
from poolhand.domain.units import NanoRlc
from poolhand.transport.asgi import service_router
from poolhand.transport.bearer import bearer_guard
from poolhand.wire.messages import SENTENCE
from poolhand.worker.control import Control
from poolhand.worker.deposit import MOST, Deposited, Depositor

NAME: Final = r"^[A-Za-z0-9_-]{8,64}$"
"""Of an order that must not be carried out twice."""


class NoOrderToken(Refused):
    """An order without the token."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "an order needs the token in worker.json: name the worker's folder with --base"
        )


def control_routes(control: Control, depositor: Depositor, token: str) -> APIRouter:
    """Return the endpoints that give orders; each answers with what has become of it."""
    router = service_router(dependencies=[Depends(bearer_guard(token, NoOrderToken))])

    def told() -> dict[str, Any]:
        return {"paused": control.pause_reason, "draining": control.is_draining}

    @router.post("/v1/pause")
    async def pause(
        reason: Annotated[str, Body(embed=True, min_length=1, max_length=SENTENCE)],
    ) -> dict[str, Any]:
        """Take nothing new until resumed, over restarts."""
        control.pause(checked(reason, "the reason", SENTENCE))
        return told()

    @router.post("/v1/resume")
    async def resume() -> dict[str, Any]:
        """Take tasks again; ends a drain, too."""
        control.resume()
        return told()

    @router.post("/v1/drain")
    async def drain() -> dict[str, Any]:
        """Finish what is held, then end."""
        control.drain()
        return told()

    @router.post("/v1/stop")
    async def stop() -> dict[str, Any]:
        """End at once."""
        control.stop()
        return told()

    @router.post("/v1/deposit")
    async def deposit(
        nrlc: Annotated[int, Body(strict=True, ge=0, le=MOST)],
        name: Annotated[str, Body(pattern=NAME)],
    ) -> dict[str, Any]:
        """Turn RLC into stake, once for each name; answers when it is mined."""
        return _show(await depositor.deposit(name, NanoRlc(nrlc)))

    return router


def _show(deposited: Deposited) -> dict[str, Any]:
    """Show a deposit as ``poolhand account deposit --json`` does (nRLC, wei per gas)."""
    receipt, account = deposited.receipt, deposited.account
    return {
        "stake_nrlc": account.stake,
        "locked_nrlc": account.locked,
        "transaction": {
            "tx": str(receipt.tx_hash),
            "block": receipt.block,
            "gas": receipt.gas_used,
            "gas_price_wei": receipt.gas_price,
        },
    }
