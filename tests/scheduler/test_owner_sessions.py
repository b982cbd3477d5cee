"""The pool's owner signs in: with its own wallet, once for each challenge, and nobody else."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from eth_account import Account
from started_pool import Started

from poolhand.domain.errors import ChainUnreachable, Malformed
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce, OwnerSignIn, pool_domain
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.one_time import CHALLENGE_LIFE, SignInRefused
from poolhand.scheduler.owner_sessions import (
    MOST_SESSIONS,
    OWNER_READ,
    SESSION_LIFE,
    SOLD,
    OwnerSessions,
)
from poolhand.transport.asgi import application
from poolhand.transport.attempts import AttemptRules, Attempts, TooManyAttempts
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.wire.json_models import read_model
from poolhand.wire.owner_sign_in import SignInChallenge, typed_sign_in

OWNER, BUYER, STRANGER = (Wallet.from_key(bytes([number] * 32)) for number in (1, 2, 3))
DOMAIN = pool_domain(31337, Address(bytes([8] * 20)))
URL = "http://pool.example:13000"


class World:
    """The sessions of a pool, whose chain is a name in a variable."""

    def __init__(self, seed=1) -> None:
        self.clock, self.owner, self.reads = ManualClock(), OWNER.address, 0
        self.is_away, self.is_held, self.asked = False, None, asyncio.Event()
        self.sessions = OwnerSessions(
            DOMAIN, URL, OWNER.address, self.read, self.clock, SeededEntropy(seed)
        )

    async def read(self):
        self.reads += 1
        self.asked.set()
        if self.is_held is not None:
            await self.is_held.wait()
        if self.is_away:
            raise ChainUnreachable("no node answers")
        return self.owner

    async def signs(self, wallet=OWNER, made=None):
        made = made or await self.sessions.challenge()
        return await self.sessions.sign_in(made.nonce, made.expiry, wallet.sign_message(made))


@pytest.fixture
def world():
    return World()


async def test_the_owner_is_let_in_for_half_a_day_and_no_longer(world):
    token = await world.signs()
    assert await world.sessions.holds(token)
    world.clock.advance(SESSION_LIFE - 1)
    assert await world.sessions.holds(token)
    world.clock.advance(1)
    assert not await world.sessions.holds(token)
    assert len(world.sessions) == 0


async def test_nobody_else_is_let_in_however_often_it_tries(world):
    for _ in range(5):
        with pytest.raises(SignInRefused, match="belongs to"):
            await world.signs(STRANGER)
    assert world.reads == 0, "the chain is not asked for every stranger"


async def test_a_challenge_is_good_for_one_signature(world):
    made = await world.sessions.challenge()
    await world.signs(made=made)
    with pytest.raises(SignInRefused, match="was used"):
        await world.signs(made=made)
    made = await world.sessions.challenge()
    with pytest.raises(SignInRefused, match="belongs to"):
        await world.signs(STRANGER, made)
    with pytest.raises(SignInRefused, match="was used"):
        await world.signs(made=made)


async def test_a_challenge_is_over_after_five_minutes(world):
    made = await world.sessions.challenge()
    world.clock.advance(CHALLENGE_LIFE)
    await world.signs(made=made)
    made = await world.sessions.challenge()
    world.clock.advance(CHALLENGE_LIFE + 1)
    with pytest.raises(SignInRefused, match="is over"):
        await world.signs(made=made)


async def test_a_challenge_that_the_pool_did_not_give_is_refused(world):
    made = await world.sessions.challenge()
    later = UnixSeconds(made.expiry + 10**6)
    forged = OwnerSignIn(DOMAIN, OWNER.address, URL, made.nonce, later)
    for each in (forged, OwnerSignIn(DOMAIN, OWNER.address, URL, Nonce(bytes(32)), made.expiry)):
        with pytest.raises(SignInRefused, match="not one of this pool's"):
            await world.signs(made=each)
    other = World(seed=2)
    with pytest.raises(SignInRefused, match="not one of this pool's"):
        await other.signs(made=made)


@pytest.mark.parametrize(
    "signed",
    [
        OwnerSignIn(DOMAIN, OWNER.address, "http://evil.example", Nonce(bytes(32)), UnixSeconds(0)),
        OwnerSignIn(
            pool_domain(1, DOMAIN.contract), OWNER.address, URL, Nonce(bytes(32)), UnixSeconds(0)
        ),
        OwnerSignIn(
            pool_domain(31337, Address(bytes(20))),
            OWNER.address,
            URL,
            Nonce(bytes(32)),
            UnixSeconds(0),
        ),
    ],
    ids=["another address", "another chain", "another pool"],
)
async def test_what_was_signed_for_another_pool_opens_nothing_here(world, signed):
    made = await world.sessions.challenge()
    there = type(signed)(signed.domain, signed.owner, signed.url, made.nonce, made.expiry)
    with pytest.raises(SignInRefused, match="belongs to"):
        await world.sessions.sign_in(made.nonce, made.expiry, OWNER.sign_message(there))


async def test_a_signature_that_is_none_is_refused_and_uses_the_challenge_up(world):
    made = await world.sessions.challenge()
    with pytest.raises(SignInRefused, match="is none"):
        await world.sessions.sign_in(made.nonce, made.expiry, bytes(65))
    with pytest.raises(SignInRefused, match="was used"):
        await world.signs(made=made)


async def test_whoever_sold_the_pool_is_out_and_whoever_bought_it_gets_in(world):
    token = await world.signs()
    world.owner = BUYER.address
    assert await world.sessions.holds(token), "the chain is asked once a minute"
    world.clock.advance(OWNER_READ)
    assert not await world.sessions.holds(token)
    assert await world.sessions.holds(await world.signs(BUYER))
    world.owner = OWNER.address
    world.clock.advance(SOLD)
    with pytest.raises(SignInRefused):
        await world.signs(STRANGER)
    await world.signs(OWNER)


async def test_whoever_sold_the_pool_opens_no_session_though_nobody_has_asked_since(world):
    world.owner = BUYER.address
    world.clock.advance(SOLD)
    with pytest.raises(SignInRefused, match="belongs to"):
        await world.signs(OWNER)


async def test_a_challenge_names_whoever_bought_the_pool_and_asks_the_chain_once_a_minute(world):
    world.owner = BUYER.address
    assert (await world.sessions.challenge()).owner == OWNER.address
    world.clock.advance(OWNER_READ)
    for _ in range(3):
        assert (await world.sessions.challenge()).owner == BUYER.address
    assert world.reads == 1


async def test_while_the_chain_is_asked_nobody_slips_through_who_has_sold_the_pool(world):
    token = await world.signs()
    world.owner, world.is_held = BUYER.address, asyncio.Event()
    world.clock.advance(OWNER_READ)
    asked = [asyncio.ensure_future(world.sessions.holds(token)) for _ in range(2)]
    await world.asked.wait()
    world.is_held.set()
    assert await asyncio.gather(*asked) == [False, False]
    assert world.reads == 1


async def test_while_the_chain_is_away_the_owner_stays(world):
    token = await world.signs()
    world.is_away = True
    world.clock.advance(OWNER_READ)
    assert await world.sessions.holds(token)
    assert await world.sessions.holds(token)
    assert world.reads == 1


async def test_sessions_are_few_and_the_oldest_goes(world):
    tokens = [await world.signs() for _ in range(MOST_SESSIONS + 1)]
    assert [await world.sessions.holds(each) for each in tokens] == [False, *[True] * MOST_SESSIONS]
    world.sessions.close(tokens[-1])
    world.sessions.close("nonsense")
    assert not await world.sessions.holds(tokens[-1])


async def test_a_browsers_wallet_signs_the_very_same(world):
    made = await world.sessions.challenge()
    typed = json.loads(json.dumps(typed_sign_in(made)))
    signed = Account.sign_typed_data(bytes([1] * 32), full_message=typed)
    assert bytes(signed.signature) == OWNER.sign_message(made)


@pytest.mark.parametrize("lie", [{"chain_id": -1}, {"chain_id": 2**256}, {"expiry": 2**256}])
async def test_a_pool_that_has_nonsense_signed_is_told_what_is_wrong_with_it(world, lie):
    made = await world.sessions.challenge()
    told = SignInChallenge(
        owner=made.owner, workerpool=DOMAIN.contract, chain_id=DOMAIN.chain_id, url=made.url,
        nonce=f"0x{made.nonce.hex()}", expiry=made.expiry, typed_data=typed_sign_in(made),
    ).model_dump(mode="json")  # fmt: skip
    assert read_model(SignInChallenge, told, "the pool").expiry == made.expiry
    with pytest.raises(Malformed, match=f"the pool answered .* {next(iter(lie))}"):
        read_model(SignInChallenge, {**told, **lie}, "the pool")


# ----------------------------------------------------------------------------------- how often


def test_one_address_tries_ten_times_a_minute_and_others_are_not_held_up():
    clock = ManualClock()
    attempts = Attempts("signing in", clock, AttemptRules(per_address=10, in_all=25))
    for _ in range(10):
        attempts.take("a")
    with pytest.raises(TooManyAttempts, match="signing in"):
        attempts.take("a")
    for _ in range(10):
        attempts.take("b")
    for _ in range(5):
        attempts.take("c")
    with pytest.raises(TooManyAttempts):
        attempts.take("d")
    clock.advance(60)
    attempts.take("a")


def test_behind_a_proxy_one_caller_does_not_use_up_what_others_may_try():
    attempts = Attempts("signing in", ManualClock(), AttemptRules(per_address=10, in_all=25))
    for _ in range(25):
        attempts.take("127.0.0.1")
    with pytest.raises(TooManyAttempts):
        attempts.take("127.0.0.1")


# ----------------------------------------------------------------------------------- over HTTP


async def asks(http, url, path, **more):
    kind = "POST" if "json" in more else "GET"
    return await http.request(kind, url + path, **more)


def proof(told, wallet):
    domain = pool_domain(told["chain_id"], Address.parse(told["workerpool"]))
    made = OwnerSignIn(
        domain,
        Address.parse(told["owner"]),
        told["url"],
        Nonce.parse(told["nonce"]),
        told["expiry"],
    )
    signature = f"0x{wallet.sign_message(made).hex()}"
    return {"nonce": told["nonce"], "expiry": told["expiry"], "signature": signature}


@pytest.fixture
async def served(tmp_path):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        yield started, http, started.urls[-1]


async def test_a_session_sees_and_decides_and_is_over_when_its_owner_leaves(served):
    started, http, url = served
    told = (await asks(http, url, "/v1/owner/sign-in")).json()
    assert told["owner"] == str(started.world.owner.address)
    session = await asks(http, url, "/v1/owner/sign-in", json=proof(told, started.world.owner))
    assert session.status_code == 200, session.text
    bearer = {"Authorization": f"Bearer {session.json()['token']}"}
    for path in ("/v1/owner/dashboard", "/v1/owner/workers", "/owner/parts"):
        assert (await http.get(url + path, headers=bearer)).status_code == 200, path
    answer = await asks(http, url, "/v1/drain", json={"drains": True}, headers=bearer)
    assert answer.json()["draining"] is True
    answer = await asks(
        http, url, "/v1/deposit", json={"nrlc": 1, "name": "order-001"}, headers=bearer
    )
    assert answer.status_code == 401, "money is moved on the pool's machine alone"
    await asks(http, url, "/v1/owner/sign-out", json={}, headers=bearer)
    assert (await http.get(f"{url}/owner/parts", headers=bearer)).status_code == 401


async def test_a_stranger_gets_no_session_and_is_soon_asked_to_wait(pool):
    world, codes = await pool(), []
    app = application("pool", world.scheduler.owner_api(URL, "ab" * 32))
    afar = httpx.ASGITransport(app, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=afar) as http:
        for _ in range(6):
            answer = await asks(http, URL, "/v1/owner/sign-in")
            if answer.status_code == 200:
                proved = proof(answer.json(), STRANGER)
                answer = await asks(http, URL, "/v1/owner/sign-in", json=proved)
            codes.append((answer.status_code, answer.json()["code"]))
    assert codes[0] == (401, "sign-in-refused")
    assert codes[-1] == (429, "too-many-attempts")


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": ""},
    ],
)
async def test_another_sites_page_asks_for_nothing(served, header):
    _, http, url = served
    for path in ("/v1/owner/sign-in", "/v1/owner/dashboard", "/owner/parts"):
        answer = await http.get(url + path, headers=header)
        assert answer.status_code in (400, 403), (path, answer.text)


@pytest.mark.parametrize("header", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
async def test_another_sites_page_asks_for_nothing_of_a_pool_that_listens_to_the_world(
    pool, header
):
    """No guard of names stands before it, and the browser has the owner's token."""
    world, token = await pool(), "ab" * 32
    app = application("pool", world.scheduler.owner_api(URL, token))
    asked = {"Authorization": f"Bearer {token}", **header}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        for path in ("/v1/owner/sign-in", "/v1/owner/dashboard", "/owner/parts"):
            answer = await http.get(URL + path, headers=asked)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign-host"), path
        for path, body in (("/v1/owner/sign-in", {}), ("/v1/drain", {"drains": True})):
            answer = await http.post(URL + path, headers=asked, json=body)
            assert answer.status_code in (400, 403), path
        assert not world.scheduler._drain.wish.drains


async def test_the_page_itself_tells_nothing_and_loads_nothing_from_elsewhere(served):
    started, http, url = served
    page = await http.get(f"{url}/owner")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert str(started.world.owner.address) not in page.text
    for name in ("owner.js", "owner.css", "live.css", "colours.css", "poolhand.svg"):
        assert f"/owner/static/{name}" in page.text
        assert (await http.get(f"{url}/owner/static/{name}")).status_code == 200
    assert (await http.get(f"{url}/owner/static/none.js")).status_code == 404
    assert (await http.get(f"{url}/owner/parts")).status_code == 401
