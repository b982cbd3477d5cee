"""Verbs that go over many deals: one that cannot be read is told and left out, no other."""

from __future__ import annotations

import pytest

from network.world import SimulatedNetwork
from poolhand.chain.account_earnings import earnings_of
from poolhand.chain.deal_reader import DealReader
from poolhand.cli.lists import deals_report, listed_members
from poolhand.cli.stakes import stakes_members, stakes_report
from poolhand.domain.errors import ChainUnreachable
from poolhand.requester.listing import bought_by
from poolhand.requester.remembered import RememberedDeals
from poolhand.requester.stakes import stakes_of
from poolhand.store.errors import JournalFull


class Bad:
    """A hub that raises for one deal."""

    def __init__(self, hub, deal_id, fault):
        self._hub, self._deal_id, self._fault, self.asked = hub, deal_id, fault, 0

    def __getattr__(self, name):
        return getattr(self._hub, name)

    async def deal(self, deal_id):
        if deal_id == self._deal_id:
            self.asked += 1
            raise self._fault
        return await self._hub.deal(deal_id)


@pytest.fixture
async def market(tmp_path):
    world = SimulatedNetwork(tmp_path, 0)
    world.memory = RememberedDeals(tmp_path / "deals")
    world.bad, world.good = await world.deal(settle=False), await world.deal(settle=False)
    world.chain.mine()
    return world


def hub(market, fault=None):
    words = ValueError("params with \ud800 in them")
    return Bad(market.chain.hub, market.bad.deal_id, fault or words)


def shown(report):
    return "".join(str(getattr(each, "plain", each)) for each in report.renderables)


async def test_what_other_deals_lock_is_told(market):
    found = await stakes_of(hub(market), market.requester.address)
    assert {each.deal_id for each in found.stakes} == {market.good.deal_id}
    assert found.other == market.bad.price
    ((skipped),) = found.skipped
    assert skipped.deal_id == market.bad.deal_id
    assert skipped.words.isprintable()
    assert stakes_members(found)["skipped"][0]["deal_id"] == str(market.bad.deal_id)
    assert str(market.bad.deal_id) in shown(stakes_report(found))


async def test_other_deals_are_listed(market):
    found = await bought_by(hub(market), market.requester.address, market.memory, 10)
    assert [each.deal.deal_id for each in found.deals] == [market.good.deal_id]
    assert listed_members(found, "deals", (), 1)["skipped"][0]["deal_id"] == str(market.bad.deal_id)
    assert "cannot be read" in shown(deals_report(found, found.deals))


async def test_earnings_of_other_deals_are_told(market):
    found = await earnings_of(hub(market), market.owner.address)
    assert found.owner == market.owner.address


async def test_a_deal_that_cannot_be_read_is_asked_for_once(market):
    bad = hub(market)
    reader = DealReader(bad)
    for _ in range(3):
        assert await reader.read(market.bad.deal_id) is None
        assert await reader.read(market.good.deal_id) == market.good
    assert bad.asked == 1


@pytest.mark.parametrize("fault", [ChainUnreachable("away"), JournalFull("journal")])
async def test_an_endpoint_or_a_disk_that_fails_is_no_deals_fault(market, fault):
    with pytest.raises(type(fault)):
        await stakes_of(hub(market, fault), market.requester.address)
