"""Connecting to the right chain, and to a hub."""

from __future__ import annotations

import pytest
from aiohttp import web
from proxies import http_proxy

from poolhand.chain import connect
from poolhand.chain.errors import NoHub, WrongChain, WrongMode
from poolhand.chain.link import shown
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import SystemClock

pytestmark = pytest.mark.chain


async def test_facts_of_the_hub_are_read(anvil):
    async with connect(anvil.settings()) as chain:
        facts = chain.facts
        contracts = anvil.contracts
        assert (facts.chain_id, facts.hub, facts.rlc) == (31337, contracts.hub, contracts.rlc)
        assert facts.app_registry == contracts.registries["app"]
        assert facts.dataset_registry == contracts.registries["dataset"]
        assert facts.workerpool_registry == contracts.registries["workerpool"]
        assert facts.callback_gas == 200_000
        assert chain.hub.facts == facts


async def test_another_chain_is_refused(anvil):
    with pytest.raises(WrongChain) as caught:
        async with connect(anvil.settings(chain_id=42161)):
            pass
    assert (caught.value.wanted, caught.value.found) == (42161, 31337)


async def test_any_chain_will_do_when_none_is_named(anvil):
    async with connect(anvil.settings(chain_id=None)) as chain:
        assert chain.facts.chain_id == 31337


@pytest.mark.parametrize("place", ["nothing", "another contract"])
async def test_a_place_without_hub_is_refused(anvil, place):
    settings = anvil.settings()
    hub = Address(b"\x77" * 20) if place == "nothing" else anvil.contracts.registries["app"]
    with pytest.raises(NoHub):
        async with connect(type(settings)(settings.rpc_urls, hub)):
            pass


async def test_the_wrong_mode_is_refused(anvil):
    with pytest.raises(WrongMode):
        async with connect(anvil.settings(native=True)):
            pass


async def test_nobody_there_is_unreachable(anvil):
    nobody = "ws://127.0.0.1:1", "http://127.0.0.1:1"
    with pytest.raises(ChainUnreachable) as caught:
        async with connect(anvil.settings(*nobody)):
            pass
    assert "127.0.0.1:1" in str(caught.value)


async def test_who_waits_is_connected_when_an_endpoint_answers(anvil):
    class Passing:
        """A clock on which the endpoint is mended in the third pause."""

        async def sleep(self, _seconds):
            pauses.append(proxy.requests)
            if len(pauses) == 3:
                proxy.fault = None

    pauses = []
    retry = ChainRetry(Passing(), chain_outage("the test"))
    async with http_proxy(anvil.url) as proxy:
        proxy.fault = lambda: web.Response(status=503)
        with pytest.raises(ChainUnreachable):
            async with connect(anvil.settings(proxy.url)):
                pass
        async with connect(anvil.settings(proxy.url), retry) as chain:
            assert (await chain.hub.head()).number >= 1
    assert len(pauses) == 3


async def test_another_chain_is_refused_however_long_one_would_wait(anvil):
    retry = ChainRetry(SystemClock(), chain_outage("the test"))
    with pytest.raises(WrongChain):
        async with connect(anvil.settings(chain_id=42161), retry):
            pass


async def test_one_endpoint_that_answers_is_enough(anvil):
    async with connect(anvil.settings("ws://127.0.0.1:1", anvil.url)) as chain:
        assert (await chain.hub.head()).number >= 1


async def test_a_wallet_has_one_sender(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        assert chain.sender(wallet, journal) is chain.sender(wallet, journal)
        with pytest.raises(BrokenPrecondition):
            chain.sender(wallet, MemoryJournal())


def test_messages_do_not_show_the_keys_in_urls():
    assert shown("wss://me:pass@node.example:8443/v2/KEY?k=1") == "wss://node.example:8443"
