"""Reading many deals: one that cannot be read is told and skipped, and costs no other."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable, ends_program
from poolhand.domain.ids import DealId
from poolhand.observe.traces import words_of
from poolhand.ports.chain import Hub


@dataclass(frozen=True, slots=True)
class SkippedDeal:
    """A deal that is on chain and cannot be read, and why."""

    deal_id: DealId
    words: str


@dataclass(slots=True)
class DealReader:
    """Reads deals, each once.

    Attributes:
        skipped: Those that could not be read, in order.
    """

    hub: Hub
    deals: dict[DealId, Deal] = field(default_factory=dict)
    _faults: dict[DealId, str] = field(default_factory=dict)

    @property
    def skipped(self) -> tuple[SkippedDeal, ...]:
        """Deals that could not be read."""
        return tuple(SkippedDeal(deal_id, words) for deal_id, words in self._faults.items())

    async def read(self, deal_id: DealId) -> Deal | None:
        """Return a deal; None where there is none, or it cannot be read.

        Raises:
            ChainUnreachable: No endpoint answers.
        """
        if deal_id in self.deals or deal_id in self._faults:
            return self.deals.get(deal_id)
        try:
            deal = await self.hub.deal(deal_id)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is this deal's alone
            self.skip(deal_id, fault)
            return None
        if deal is not None:
            self.deals[deal_id] = deal
        return deal

    def skip(self, deal_id: DealId, fault: Exception) -> None:
        """Note that a deal cannot be told of; raises what concerns the whole program."""
        if ends_program(fault):
            raise fault
        self.deals.pop(deal_id, None)
        self._faults[deal_id] = words_of(fault)
