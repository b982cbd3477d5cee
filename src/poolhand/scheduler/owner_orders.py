"""What the pool's owner may order of the running pool: to deposit RLC of its wallet, to drain.

The pool holds the lock of that wallet, so that nonces are given by one program alone. Where orders
are taken, and the token they carry, stands in the lock, which the owner alone may read.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Body
from starlette.routing import BaseRoute

from poolhand.domain.deal import Account
from poolhand.domain.errors import NothingToDeposit
from poolhand.domain.onchain import Deposit, Receipt
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import TransactionSender
from poolhand.scheduler.api.drain import DrainTeller
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.owner_door import NotTheOwner
from poolhand.transport.asgi import service_router
from poolhand.transport.bearer import bearer_guard, behind_token
from poolhand.wire.pool_drain import DrainOrder, DrainStanding

OWNER_ORDER_NAME: Final = r"^[A-Za-z0-9_-]{8,64}$"
"""Of an order that must not be carried out twice."""
MOST_RLC_ORDERED: Final = 2**63 - 1
"""More than all the RLC there is (nRLC)."""
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwnerDeposits:
    """Deposits for the pool's owner; the gas of tasks that are on chain is left alone."""

    sender: TransactionSender
    gas_budget: GasBudget
    collateral: Collateral

    async def deposit(self, name: str, amount: NanoRlc) -> tuple[Receipt, Account | None]:
        """Deposit once for each name and amount, and wait until it is mined.

        Raises:
            NothingToDeposit: An amount of 0.
            BalanceTooLow: The wallet has less RLC than that outside the hub.
            OutOfGas: It cannot pay, or not with what tasks on chain may cost left over.
            ChainUnreachable: No endpoint answers; whether it was mined is unknown.
            Displaced: Another program uses the wallet; nothing was deposited.
        """
        if amount <= 0:
            raise NothingToDeposit
        purpose = f"deposit:{name}:{amount}"
        receipt = await self.sender.send(purpose, Deposit(amount), self.gas_budget.reserve)
        log.info("stake_deposited", nrlc=amount, tx=str(receipt.tx_hash), block=receipt.block)
        await self.collateral.look()
        return receipt, self.collateral.account


def deposit_routes(deposits: OwnerDeposits, token: str) -> tuple[BaseRoute, ...]:
    """Return the endpoint that moves money, behind the token: for whoever runs the pool alone.

    It is no dependency of theirs: FastAPI reads a body, whosever it is, before it asks for those.
    """
    router = service_router(include_in_schema=False)

    @router.post("/v1/deposit")
    async def deposit(
        nrlc: Annotated[int, Body(strict=True, ge=0, le=MOST_RLC_ORDERED)],
        name: Annotated[str, Body(pattern=OWNER_ORDER_NAME)],
    ) -> dict[str, Any]:
        """Turn RLC into stake, once for each name; answers when it is mined."""
        receipt, account = await deposits.deposit(name, NanoRlc(nrlc))
        return {
            "stake_nrlc": account.stake if account else None,
            "locked_nrlc": account.locked if account else None,
            "transaction": {
                "tx": str(receipt.tx_hash),
                "block": receipt.block,
                "gas": receipt.gas_used,
                "gas_price_wei": receipt.gas_price,
            },
        }

    return behind_token(router.routes, bearer_guard(token, NotTheOwner), ())


def drain_order_routes(drains: DrainTeller) -> APIRouter:
    """Return the endpoint by which the owner has its pool drain, or sell again."""
    router = service_router(include_in_schema=False)

    @router.post("/v1/drain")
    async def drain(order: DrainOrder) -> DrainStanding:
        """Sell nothing new and finish what is open, or sell again; answers once it is durable."""
        return await drains.ask(order)

    return router


def local_url(listener: socket.socket) -> str:
    """Return where this machine's programs reach a listener."""
    host, port = listener.getsockname()[:2]
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
