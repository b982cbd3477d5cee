"""The market put together, on a real chain or a fake one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import socket

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from poolhand.domain.market.challenges import Challenges
from poolhand.domain.market.publishing import BookLimits
from poolhand.domain.market.rates import RequestRates
from poolhand.domain.units import UnixSeconds
from poolhand.market.api.about import about_routes
from poolhand.market.api.accounts import account_routes
from poolhand.market.api.answers import install, refusal
from poolhand.market.api.asking import MarketParts
from poolhand.market.api.deals import deal_routes
from poolhand.market.api.edge import HeadRequests, RequestEdge, far_client
from poolhand.market.api.orders import order_routes
from poolhand.market.api.overview import overview_routes
from poolhand.market.api.pools import pool_routes
from poolhand.market.api.registry import registry_routes
from poolhand.market.api.tasks import task_routes
from poolhand.market.authorization import Authorization
from poolhand.market.follower import Follower
from poolhand.market.pages.frame import Frame, NewestBlock
from poolhand.market.pages.live import LivePages
from poolhand.market.pages.own_api import OwnApi
from poolhand.market.pages.serving import PageMaker, page_routes
from poolhand.market.pool_register import PoolRegister
from poolhand.market.publisher import Publisher
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Entropy
from poolhand.ports.market_chain import MarketChain, RegistryReader
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.address_rule import guarded_client, rule_for
from poolhand.transport.asgi import application, serve_on
from poolhand.transport.clock import SystemEntropy, passed
from poolhand.wire.market_json import iso_moment

MOST_CHALLENGES = 50_000
"""Challenges that are out at a time; the oldest make room."""


def milliseconds() -> int:
    """Return milliseconds since 1970, by the machine's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class MarketWorld:
    """What a market has of the world.

    Attributes:
        chain: To be followed.
        facts: Of its hub.
        registry: Asked what assets are called, and for accounts.
        now: Milliseconds since 1970.
        passed: Seconds since whenever, never set.
        trouble: Why the chain cannot be read at present; empty when it can.
    """

    chain: MarketChain
    facts: HubFacts
    registry: RegistryReader
    now: Callable[[], int] = milliseconds
    passed: Callable[[], float] = passed
    entropy: Entropy = field(default_factory=SystemEntropy)
    trouble: Callable[[], str] = lambda: ""


def pool_register(
    world: MarketWorld, database: MarketDatabase, settings: MarketSettings
) -> PoolRegister:
    """Build what knows the pools, and asks them how they are."""
    http = guarded_client(rule_for(allow_private=settings.allow_private))
    return PoolRegister(world.chain, world.facts, database, http, world.now)


def assemble(
    world: MarketWorld,
    database: MarketDatabase,
    settings: MarketSettings,
    register: PoolRegister | None = None,
) -> tuple[FastAPI, Follower]:
    """Build the service, and what keeps its book at the chain's newest block.

    ``register`` knows the pools; one is made where none is given.
    """
    facts = world.facts
    follower = Follower(world.chain, database, facts.chain_id, settings.first_block)
    parts = MarketParts(
        facts=facts,
        database=database,
        authorization=_authorization(world, settings),
        publisher=Publisher(
            world.chain, follower, BookLimits(settings.most_open, settings.room), world.now
        ),
        follower=follower,
        trouble=world.trouble,
        registry=world.registry,
    )
    register = register or pool_register(world, database, settings)
    routes = (
        pool_routes(parts, register), task_routes(parts, register.words),
        order_routes(parts), deal_routes(parts), about_routes(parts), overview_routes(parts),
        account_routes(parts), registry_routes(parts, world.now),
    )  # fmt: skip
    app = application("Poolhand market", routes, max_body=settings.max_body)
    install(app)
    _add_pages(app, facts, follower, settings.site_url)
    rates = RequestRates(settings.most_requests, settings.rate_window)
    app.add_middleware(HeadRequests)
    app.add_middleware(RequestEdge, rates=rates, now=world.passed, most=settings.max_body)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )
    return app, follower


async def serve_market(
    app: FastAPI, listener: socket, ready: Callable[[int], None] | None = None
) -> None:
    """Serve as ``serve_on``; what reaches no route is refused as the market's clients know it."""
    await serve_on(app, listener, ready, form=refusal)


def _add_pages(app: FastAPI, facts: HubFacts, follower: Follower, site_url: str) -> None:
    """Let an application show pages of what its own API answers, up to date with book and chain.

    ``site_url`` is of documentation that they link to, or empty.
    """

    def newest() -> NewestBlock:
        at = follower.at
        if at is None:
            return NewestBlock(None, "")
        return NewestBlock(at.number, iso_moment(at.timestamp * 1000))

    common = {"chain_id": facts.chain_id, "hub": str(facts.hub), "site_url": site_url}
    frame = Frame(common, newest)
    maker = PageMaker(OwnApi(app, facts.chain_id), frame)
    live = LivePages(maker.part, frame.pulse, asyncio.sleep)
    follower.moved.connect(live.moved)
    follower.written.connect(live.changed)
    app.router.routes.extend(page_routes(maker, live, far_client))


def _authorization(world: MarketWorld, settings: MarketSettings) -> Authorization:
    challenges = Challenges(world.facts.chain_id, settings.challenge_life, MOST_CHALLENGES)

    def now() -> UnixSeconds:
        return UnixSeconds(int(world.passed()))  # nobody sets this clock

    return Authorization(challenges, world.chain, world.entropy, now)
