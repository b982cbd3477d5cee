"""Orders over the status page: for whoever can read the worker's folder, and nobody else.

The page listens on loopback only, but any program of this machine and any web page in its browser
can reach that. So an order carries a random token that stands in ``worker.json``, readable by the
operator alone; ``transport.guards`` refuses foreign names and origins besides.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request

from poolhand import __version__
from poolhand.domain.availability.moments import LONGEST_PAUSE_OF_WORK, BadTime
from poolhand.domain.errors import Refused
from poolhand.domain.text import checked
from poolhand.domain.units import NanoRlc, UnixSeconds, show_moment
from poolhand.transport.described import DescribedRoute, EndpointHandler, body_told
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.plain import read_body
from poolhand.wire.join_api import Sha256Text
from poolhand.wire.session_terms import MAX_SENTENCE
from poolhand.worker.control import Control
from poolhand.worker.deposit import MOST_RLC_DEPOSITED, Deposited, Depositor
from poolhand.worker.upgrading.upgrader import Upgrader

CONTROL_ORDER_NAME: Final = r"^[A-Za-z0-9_-]{8,64}$"
"""Of an order that must not be carried out twice."""


class NoOrderToken(Refused):
    """An order without the token."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "an order needs the token in worker.json: name the worker's folder with --base"
        )


class PauseOrder(BaseModel):
    """Why nothing new is to be taken, and for how long (seconds), or until when (Unix seconds).

    With neither the pause has no end.
    """

    reason: Annotated[str, Field(min_length=1, max_length=MAX_SENTENCE)]
    seconds: Annotated[int, Field(strict=True, gt=0, le=LONGEST_PAUSE_OF_WORK)] | None = None
    until: Annotated[int, Field(strict=True, ge=0)] | None = None

    def end(self, now: UnixSeconds) -> UnixSeconds | None:
        """Return when the pause ends by itself; None: it does not.

        Raises:
            BadTime: Both are told, or the end is over or more than a year away.
        """
        if self.seconds is not None and self.until is not None:
            raise BadTime("a pause has one end: tell its seconds, or until when, not both")
        if self.seconds is not None:
            return UnixSeconds(now + self.seconds)
        if self.until is None:
            return None
        if not now < self.until <= now + LONGEST_PAUSE_OF_WORK:
            raise BadTime(
                f"a pause until {show_moment(self.until)} is over, or ends in more than a year: "
                "name a moment within the next year, or no end at all"
            )
        return UnixSeconds(self.until)


class DepositOrder(BaseModel):
    """How much RLC (nRLC) is to become stake; an order of one name is carried out once."""

    nrlc: Annotated[int, Field(strict=True, ge=0, le=MOST_RLC_DEPOSITED)]
    name: Annotated[str, Field(pattern=CONTROL_ORDER_NAME)]


class UpgradeOrder(BaseModel):
    """Which version is to take over: by the hash of the list of what is installed (SHA-256)."""

    requirements_sha256: Sha256Text


def control_routes(
    control: Control, depositor: Depositor, upgrader: Upgrader
) -> tuple[DescribedRoute, ...]:
    """Return the endpoints that give orders; each answers with what has become of it.

    They ask for no token: ``transport.bearer`` does, before them.

    Args:
        control: Carries out what has to do with tasks.
        depositor: Carries out deposits.
        upgrader: Has other versions take over.
    """
    page = _ControlPage(control, depositor, upgrader)
    return (
        _order("/v1/pause", page.pause, PauseOrder),
        _order("/v1/resume", page.resume),
        _order("/v1/drain", page.drain),
        _order("/v1/stop", page.stop),
        _order("/v1/deposit", page.deposit, DepositOrder),
        _order("/v1/upgrade/look", page.look_for_upgrade),
        _order("/v1/upgrade", page.upgrade, UpgradeOrder),
    )


def _order(
    path: str, handler: EndpointHandler, form: type[BaseModel] | None = None
) -> DescribedRoute:
    def told() -> dict[str, Any]:
        extra = {} if form is None else body_told(form)
        return {
            "response_model": dict[str, Any],
            "responses": ENDPOINT_FAULT_ANSWERS,
            "openapi_extra": extra,
        }

    return DescribedRoute(path, handler, "POST", told)


class _ControlPage:
    """The handlers."""

    def __init__(self, control: Control, depositor: Depositor, upgrader: Upgrader) -> None:
        self._control, self._depositor, self._upgrader = control, depositor, upgrader

    async def pause(self, request: Request) -> JsonAnswer:
        """Take nothing new until resumed, or until its time is over; over restarts."""
        order = await read_body(request, PauseOrder)
        reason = checked(order.reason, "the reason", MAX_SENTENCE)
        self._control.pause(reason, order.end(self._control.now))
        return self._told()

    async def resume(self, _: Request) -> JsonAnswer:
        """Take tasks again; ends a drain, too."""
        self._control.resume()
        return self._told()

    async def drain(self, _: Request) -> JsonAnswer:
        """Finish what is held, then end."""
        self._control.drain()
        return self._told()

    async def stop(self, _: Request) -> JsonAnswer:
        """End at once."""
        self._control.stop()
        return self._told()

    async def deposit(self, request: Request) -> JsonAnswer:
        """Turn RLC into stake, once for each name; answers when it is mined."""
        order = await read_body(request, DepositOrder)
        return JsonAnswer(_show(await self._depositor.deposit(order.name, NanoRlc(order.nrlc))))

    async def look_for_upgrade(self, _: Request) -> JsonAnswer:
        """Ask the pool now which version it gives to workers."""
        await self._upgrader.look()
        return JsonAnswer({"version": __version__, "newer": self._upgrader.show()})

    async def upgrade(self, request: Request) -> JsonAnswer:
        """Install the version that is known to be newer, and have it take over between tasks."""
        order = await read_body(request, UpgradeOrder)
        self._upgrader.order(order.requirements_sha256)
        return JsonAnswer({"version": __version__, "newer": self._upgrader.show()})

    def _told(self) -> JsonAnswer:
        control = self._control
        return JsonAnswer(
            {
                "paused": control.pause_reason,
                "paused_until": control.paused_until,
                "draining": control.is_draining,
            }
        )


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
