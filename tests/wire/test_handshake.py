"""The handshake under attack: replays, relays, forgeries, and a scheduler that wants signatures."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolhand.domain.errors import BrokenPrecondition, Malformed
from poolhand.domain.ids import Address
from poolhand.domain.messages import LOGIN_LIFETIME, Nonce, WorkerLogin
from poolhand.domain.signatures import BadSignature
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import (
    MAX_SKEW,
    BadUrl,
    ClientHandshake,
    ClockSkewed,
    LoginExpired,
    PoolFacts,
    Rejected,
    ServerHandshake,
    Terms,
    VersionRefused,
    WrongPool,
    normal_url,
    socket_url,
)
from poolhand.wire.messages import Capabilities, Capacity, Hello, Reject
from poolhand.wire.session_terms import FIRST_SESSION_VERSION, SESSION_VERSION, SPOKEN

NOW = UnixSeconds(1_700_000_000)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OWNER, WORKER, STRANGER = (Wallet.from_key(bytes([number] * 32)) for number in (1, 2, 3))
FACTS = PoolFacts(
    31337, Address(bytes([7] * 20)), Address(bytes([8] * 20)), "http://pool.example:13000"
)
ABILITIES = Capabilities("w", "0", 2, 1, 10**9, (), False, Nonce(bytes([4] * 32)))
N1, N2, CHALLENGE = (Nonce(bytes([number] * 32)) for number in (11, 12, 13))
TERMS = Terms("http://r")


def client(facts: PoolFacts = FACTS, challenge: Nonce = CHALLENGE) -> ClientHandshake:
    return ClientHandshake(facts, WORKER.address, challenge)


def answer(side: ClientHandshake, hello: Hello, wallet: Wallet = WORKER, now: UnixSeconds = NOW):
    return side.login(wallet.sign_message(side.hello(hello, now)), ABILITIES, ())


def test_a_worker_and_its_pool_agree():
    theirs, mine = ServerHandshake(FACTS, N1), client()
    login = answer(mine, theirs.hello(NOW))
    seen, proof = theirs.login(decode(encode(login)), NOW)
    welcome = theirs.welcome(OWNER.sign_message(proof), TERMS)
    assert seen == login
    assert mine.welcome(welcome, OWNER.address, NOW).results_url == TERMS.results_url


# ------------------------------------------------------------------------------ against the pool


def test_a_recorded_login_opens_no_second_connection():
    login = answer(client(), ServerHandshake(FACTS, N1).hello(NOW))
    with pytest.raises(BadSignature):
        ServerHandshake(FACTS, N2).login(login, NOW)


def test_a_nonce_serves_one_login_good_or_bad():
    theirs = ServerHandshake(FACTS, N1)
    login = answer(client(), theirs.hello(NOW))
    with pytest.raises(BadSignature):
        theirs.login(replace(login, worker=STRANGER.address), NOW)
    with pytest.raises(Malformed, match="one login"):
        theirs.login(login, NOW)


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, chain_id=1),
        replace(FACTS, workerpool=Address(bytes([5] * 20))),
        replace(FACTS, url="http://evil.example"),
    ],
)
def test_a_login_relayed_from_another_pool_chain_or_url_is_refused(facts):
    """A pool that a worker also serves cannot log in elsewhere in the worker's name."""
    relayed = ServerHandshake(facts, N1).hello(NOW)
    login = answer(client(facts), relayed)
    with pytest.raises(BadSignature):
        ServerHandshake(FACTS, N1).login(login, NOW)


@pytest.mark.parametrize("seconds", [-1, LOGIN_LIFETIME + MAX_SKEW + 1, 10**6])
def test_a_login_that_is_stale_or_lives_too_long_is_refused(seconds):
    theirs = ServerHandshake(FACTS, N1)
    theirs.hello(NOW)
    expiry = UnixSeconds(NOW + seconds)
    said = WorkerLogin(FACTS.domain, WORKER.address, FACTS.url, N1, CHALLENGE, expiry)
    login = replace(
        answer(client(), ServerHandshake(FACTS, N1).hello(NOW)),
        expiry=expiry,
        signature=WORKER.sign_message(said),
    )
    with pytest.raises(LoginExpired):
        theirs.login(login, NOW)


def test_a_malleable_copy_of_a_signature_is_refused():
    theirs = ServerHandshake(FACTS, N1)
    login = answer(client(), theirs.hello(NOW))
    raw = login.signature
    flipped = ORDER - int.from_bytes(raw[32:64], "big")
    twin = raw[:32] + flipped.to_bytes(32, "big") + bytes([55 - raw[64]])
    with pytest.raises(BadSignature, match="malleable"):
        theirs.login(replace(login, signature=twin), NOW)


def test_nobody_logs_in_with_another_key():
    theirs = ServerHandshake(FACTS, N1)
    with pytest.raises(BadSignature):
        theirs.login(answer(client(), theirs.hello(NOW), STRANGER), NOW)


@given(st.binary(min_size=65, max_size=65))
def test_no_guessed_signature_opens_the_door(guess):
    theirs = ServerHandshake(FACTS, N1)
    login = replace(answer(client(), theirs.hello(NOW)), signature=guess)
    with pytest.raises(BadSignature):
        theirs.login(login, NOW)


def test_a_login_of_a_version_never_offered_is_refused():
    theirs = ServerHandshake(FACTS, N1)
    with pytest.raises(VersionRefused):
        theirs.login(replace(answer(client(), theirs.hello(NOW)), version=1), NOW)


def test_something_else_than_a_login_is_refused_and_no_welcome_is_made_before_one():
    theirs = ServerHandshake(FACTS, N1)
    with pytest.raises(Malformed):
        theirs.login(Capacity(None), NOW)
    with pytest.raises(BrokenPrecondition):
        theirs.welcome(bytes(65), TERMS)


# ---------------------------------------------------------------------------- against the worker


def test_who_does_not_hold_the_owners_key_is_not_the_pool():
    theirs, mine = ServerHandshake(FACTS, N1), client()
    _, proof = theirs.login(answer(mine, theirs.hello(NOW)), NOW)
    forged = theirs.welcome(STRANGER.sign_message(proof), TERMS)
    with pytest.raises(BadSignature, match="belongs to"):
        mine.welcome(forged, OWNER.address, NOW)


def test_a_recorded_proof_does_not_answer_a_new_challenge():
    theirs, mine = ServerHandshake(FACTS, N1), client()
    _, proof = theirs.login(answer(mine, theirs.hello(NOW)), NOW)
    recorded = theirs.welcome(OWNER.sign_message(proof), TERMS)
    later = client(challenge=Nonce(bytes([99] * 32)))
    answer(later, ServerHandshake(FACTS, N1).hello(NOW))
    with pytest.raises(BadSignature):
        later.welcome(recorded, OWNER.address, NOW)


def test_a_stale_proof_is_refused():
    theirs, mine = ServerHandshake(FACTS, N1), client()
    _, proof = theirs.login(answer(mine, theirs.hello(NOW)), NOW)
    welcome = theirs.welcome(OWNER.sign_message(proof), TERMS)
    with pytest.raises(LoginExpired):
        mine.welcome(welcome, OWNER.address, UnixSeconds(NOW + LOGIN_LIFETIME + 1))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"chain_id": 1}, "chain"),
        ({"hub": Address(bytes(20))}, "hub"),
        ({"workerpool": Address(bytes(20))}, "workerpool"),
        ({"url": "http://evil.example"}, "URL"),
    ],
)
def test_a_worker_signs_nothing_for_another_pool_than_its_own(change, what):
    hello = replace(ServerHandshake(FACTS, N1).hello(NOW), **change)
    with pytest.raises(WrongPool, match=what):
        client().hello(hello, NOW)


@pytest.mark.parametrize("seconds", [MAX_SKEW + 1, -MAX_SKEW - 1])
def test_clocks_that_differ_are_named(seconds):
    with pytest.raises(ClockSkewed, match="NTP"):
        client().hello(ServerHandshake(FACTS, N1).hello(UnixSeconds(NOW + seconds)), NOW)


def test_a_pool_of_the_future_is_named():
    hello = replace(ServerHandshake(FACTS, N1).hello(NOW), versions=(98, 99))
    with pytest.raises(VersionRefused, match="update"):
        client().hello(hello, NOW)


def test_sides_agree_on_the_newest_version_that_both_speak():
    hello = ServerHandshake(FACTS, N1).hello(NOW)
    assert hello.versions == SPOKEN
    for offered, agreed in (((1, 2), 2), ((2, 3), 3), ((4, 5), 5), (SPOKEN, SESSION_VERSION)):
        login = answer(client(), replace(hello, versions=offered))
        assert login.version == agreed
    seen, _ = ServerHandshake(FACTS, N1).login(answer(client(), replace(hello, versions=(2,))), NOW)
    assert seen.version == FIRST_SESSION_VERSION


def test_a_rejection_is_told_at_both_places():
    no = Reject("busy", "come back", None)
    with pytest.raises(Rejected, match="busy"):
        client().hello(no, NOW)
    mine = client()
    answer(mine, ServerHandshake(FACTS, N1).hello(NOW))
    with pytest.raises(Rejected, match="come back"):
        mine.welcome(no, OWNER.address, NOW)


def test_one_connection_gets_one_signature():
    mine, hello = client(), ServerHandshake(FACTS, N1).hello(NOW)
    answer(mine, hello)
    with pytest.raises(Malformed):
        mine.hello(replace(hello, nonce=N2), NOW)


@settings(deadline=None)
@given(
    st.builds(
        Hello,
        st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple),
        st.integers(0, 2**63 - 1) | st.just(FACTS.chain_id),
        st.binary(min_size=20, max_size=20).map(Address) | st.just(FACTS.hub),
        st.binary(min_size=20, max_size=20).map(Address) | st.just(FACTS.workerpool),
        st.text(max_size=40) | st.just(FACTS.url),
        st.binary(min_size=32, max_size=32).map(Nonce),
        st.integers(NOW - 99, NOW + 99).map(UnixSeconds),
    )
)
def test_whatever_a_scheduler_composes_only_the_nonce_gets_into_what_is_signed(hello):
    mine = client()
    try:
        said = mine.hello(hello, NOW)
    except (WrongPool, VersionRefused, ClockSkewed):
        return
    due = WorkerLogin(
        FACTS.domain,
        WORKER.address,
        FACTS.url,
        hello.nonce,
        CHALLENGE,
        UnixSeconds(NOW + LOGIN_LIFETIME),
    )
    assert said == due


def test_a_wallet_has_no_way_to_sign_bytes_or_foreign_types():
    class Login32:
        digest = bytes(32)

    for bait in (bytes(32), Login32(), "0x" + "00" * 32):
        with pytest.raises(BrokenPrecondition):
            WORKER.sign_message(bait)
    assert {field.name for field in fields(WorkerLogin)} == {
        "domain",
        "worker",
        "url",
        "nonce",
        "challenge",
        "expiry",
    }


# -------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://Pool.Example:13000/", "http://pool.example:13000"),
        ("https://a/b/", "https://a/b"),
        (" http://a ", "http://a"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("http://localhost:13000", "http://127.0.0.1:13000"),
        ("http://LocalHost", "http://127.0.0.1"),
        ("https://localhost.example:443/", "https://localhost.example"),
        ("http://a:80", "http://a"),
        ("https://a:80", "https://a:80"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
@pytest.mark.case("E4")
def test_a_url_has_one_form_that_is_signed(url, normal):
    assert normal_url(url) == normal == normal_url(normal)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pool",
        "ftp://a",
        "http://",
        "http://u:p@a",
        "http://a?x",
        "http://a#x",
        "http://[",
        "ws://a",
    ],
)
def test_a_url_that_is_no_pools_is_refused(url):
    with pytest.raises(BadUrl):
        normal_url(url)


def test_the_socket_is_secure_exactly_when_the_url_is():
    assert socket_url("https://a/p") == "wss://a/p/worker"
    assert socket_url("http://a") == "ws://a/worker"


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_refused(text):
    try:
        url = normal_url(text)
    except BadUrl:
        return
    assert normal_url(url) == url


def test_the_replicates_told_at_login_are_bounded():
    mine = client()
    said = mine.hello(ServerHandshake(FACTS, N1).hello(NOW), NOW)
    login = mine.login(WORKER.sign_message(said), ABILITIES, [object()] * 300)
    assert len(login.replicates) == 256
