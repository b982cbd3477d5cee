"""What a fleet's page shows and does in tests: rows that are told, orders that are written down."""

from __future__ import annotations

from poolhand.cli.fleet.folder import FleetMember
from poolhand.cli.fleet.orders import OrderTold
from poolhand.cli.fleet.page import fleet_app
from poolhand.cli.fleet.rows import FleetRow, sums
from poolhand.domain.fleet_money import WalletHolds
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei

TOKEN = "a-token-of-the-test"
EVIL = "<script>alert(1)</script>"
NO_TASK = {"code": "no-task", "sentence": "no task waits", "acts": "nobody", "change": "wait"}
SKIPPED = {
    "code": "skipped-enough", "sentence": "1 task skipped by the pool", "acts": "scheduler",
    "change": "wait: others are at it",
}  # fmt: skip
NO_GAS = {
    "code": "gas",
    "sentence": EVIL,
    "acts": "operator of the worker",
    "change": "send coin to it",
}


def wallet(number):
    return Address(number.to_bytes(20))


def row(number, state, causes=(), *, known=True, held=0):
    """A worker of the fleet, as it was found."""
    member = FleetMember(number - 1, f"lab-{number:03d}", str(wallet(number)))
    holds = WalletHolds(
        wallet(number), Wei(10**17), NanoRlc(0), NanoRlc(5 * 10**9), NanoRlc(2 * 10**9)
    )
    status = {"replicates": [{}] * held, "slots": 2, "idle_causes": list(causes)}
    if not known:
        return FleetRow(member, state)
    return FleetRow(
        member,
        state,
        status,
        holds,
        NanoRlc(7),
        address=f"http://127.0.0.1:{6 + number}/#token=its",
    )


class FleetSeen:
    """A fleet as its page is told of it; ``given`` are the orders that reached it."""

    def __init__(self):
        self.given = []
        self.hung = False
        self.rows = [
            row(1, "computes", held=1),
            row(2, "no answer", known=False),
            row(3, "idle", [NO_TASK, SKIPPED]),
            row(4, "idle", [NO_GAS]),
        ]

    def app(self):
        orders = {"resume": self._order("resume"), "drain": self._order("drain")}
        return fleet_app(TOKEN, self.look, orders)

    async def look(self):
        told = [{**each.members(), "address": each.address} for each in self.rows]
        return {
            "fleet": "lab",
            "pool": "https://pool.test",
            "blocks": 100_000,
            "workers": told,
            "together": sums(self.rows),
        }

    def _order(self, verb):
        def give():
            self.given.append(verb)
            state = {"drain": "draining", "resume": "resumed"}[verb]
            second = OrderTold(self.rows[1].member, "no answer", "it hangs: wait")
            first = OrderTold(self.rows[0].member, state)
            return [first, second if self.hung else OrderTold(self.rows[1].member, state)]

        return give
