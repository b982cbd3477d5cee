"""Files that requesters leave for workers: whose they are, how many, and for how long."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hub_world import RLC
from results_world import URL, Scene, refused

from poolhand.domain.messages import InputUpload, hub_domain
from poolhand.domain.params import DealParams
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.results import input_shelf
from poolhand.results.input_deals import BLOCKS_BESIDES, InputDeals
from poolhand.results.unbought_inputs import KEPT_AMONG_EQUALS, LeftInput
from poolhand.transport.input_client import InputNotLeft, InputStation
from poolhand.transport.results_client import ResultsDown
from poolhand.wire.results_api import input_path

WALLET, OTHER = (Wallet.from_key(bytes([number] * 32)) for number in (7, 8))


@pytest.fixture
async def scene(tmp_path):
    made = Scene(tmp_path / "results", max_inputs=100_000)
    yield made
    await made.http.aclose()


def station(scene, wallet=WALLET):
    return InputStation(scene.http, URL, wallet, scene.chain.facts, scene.clock)


def names(scene):
    return sorted(each.name for each in scene.settings.folder.glob("inputs/*/*"))


async def test_a_file_is_left_fetched_and_taken_away(scene):
    where = await station(scene).leave(b"for workers")
    assert where == URL + input_path(WALLET.address, sha256(b"for workers").digest())
    assert await station(scene).leave(b"for workers") == where
    answer = await scene.http.get(where)
    assert (answer.status_code, answer.content) == (200, b"for workers")
    assert answer.headers["content-disposition"].startswith("attachment")
    scene.start()
    assert (await scene.http.get(where)).content == b"for workers"
    for _ in range(2):
        await station(scene).release(sha256(b"for workers").digest())
        refused(await scene.http.get(where), 404, "no-such-input")
    assert names(scene) == []


async def test_nobody_takes_away_what_is_anothers(scene):
    where = await station(scene).leave(b"mine")
    await station(scene, OTHER).leave(b"mine")
    await station(scene, OTHER).release(sha256(b"mine").digest())
    assert (await scene.http.get(where)).status_code == 200
    path, signature = where, "0x" + OTHER.sign_message(said(scene, b"mine")).hex()
    asked = {"expiry": str(scene.clock.now() + 60)}
    answer = await scene.http.delete(path, params=asked, headers={"Poolhand-Signature": signature})
    assert "is signed by" in refused(answer, 403, "not-the-inputs-owner")
    assert (await scene.http.get(where)).status_code == 200


def said(scene, content, **changed):
    facts = scene.chain.facts
    terms = {
        "domain": hub_domain(facts.chain_id, facts.hub), "owner": WALLET.address,
        "file": sha256(content).digest(), "size": len(content),
        "expiry": UnixSeconds(scene.clock.now() + 60), **changed,
    }  # fmt: skip
    return InputUpload(**terms)


@pytest.mark.parametrize(
    ("sent", "changed", "status", "code"),
    [
        (b"other", {}, 409, "input-differs"), (b"fil", {}, 409, "input-differs"),
        (b"file and more", {}, 409, "input-differs"),
        (b"file", {"expiry": UnixSeconds(0)}, 403, "not-the-inputs-owner"),
        (b"file", {"size": 65 * 1024**2}, 400, "invalid-request"),
        (b"", {"size": 0}, 400, "invalid-request"),
    ],
)  # fmt: skip
async def test_what_is_not_as_it_was_signed_is_not_kept(scene, sent, changed, status, code):
    told = said(scene, b"file", **changed)
    answer = await scene.http.put(
        URL + input_path(WALLET.address, told.file),
        params={"size": str(told.size), "expiry": str(told.expiry)},
        headers={"Poolhand-Signature": "0x" + WALLET.sign_message(told).hex()},
        content=sent,
    )
    refused(answer, status, code)
    assert names(scene) == []


async def test_room_is_bounded_for_each_and_for_all(scene, monkeypatch):
    monkeypatch.setattr(input_shelf, "MOST_OF_REQUESTER", 50_000)
    await station(scene).leave(b"a" * 40_000)
    with pytest.raises(ResultsDown, match=f"requester {WALLET.address} come to more than 50000"):
        await station(scene).leave(b"b" * 9_999 + b"c" * 2)
    await station(scene, OTHER).leave(b"a" * 50_000)
    third = Wallet.from_key(bytes([9] * 32))
    with pytest.raises(ResultsDown, match="POOLHAND_MAX_INPUTS"):
        await station(scene, third).leave(b"a" * 10_001)
    for number in range(2):  # a name is counted, too
        await station(scene, third).leave(b"%d" % number)
    with pytest.raises(ResultsDown, match="POOLHAND_MAX_INPUTS"):
        await station(scene, third).leave(b"2")
    scene.start()
    with pytest.raises(ResultsDown, match="POOLHAND_MAX_INPUTS"):
        await station(scene, third).leave(b"2")
    await station(scene, OTHER).release(sha256(b"a" * 50_000).digest())
    await station(scene, third).leave(b"2")


def rich(scene, number, rlc):
    """Return a wallet with so much RLC in the hub."""
    wallet = Wallet.from_key(bytes([number] * 32))
    scene.chain.fund(wallet.address, stake=rlc * RLC)
    return wallet


def digests(*contents):
    return sorted(sha256(each).hexdigest() for each in contents)


async def test_wallets_that_never_buy_make_way_for_who_has_more_at_stake(scene):
    for number in range(20, 30):
        await station(scene, Wallet.from_key(bytes([number] * 32))).leave(b"%d" % number * 5_000)
    buyer = rich(scene, 9, 1)
    await station(scene, buyer).leave(b"b" * 25_000)
    left = [b"%d" % number * 5_000 for number in range(23, 30)]  # the oldest went
    assert names(scene) == digests(*left, b"b" * 25_000)
    await station(scene, buyer).leave(b"c" * 75_000)  # its own file makes no way
    assert names(scene) == digests(b"b" * 25_000, b"c" * 75_000)
    with pytest.raises(ResultsDown, match="with as much at stake"):
        await station(scene, buyer).leave(b"d")


async def test_many_wallets_with_one_stake_have_no_more_room_than_one(scene):
    rich(scene, 9, 1), rich(scene, 10, 4)
    for number in (9, 10):
        await station(scene, Wallet.from_key(bytes([number] * 32))).leave(b"%d" % number * 25_000)
    with pytest.raises(ResultsDown, match="at stake"):  # 3 RLC over 80,000 bytes are less
        await station(scene, rich(scene, 11, 3)).leave(b"a" * 80_000)
    assert digests(b"9" * 25_000)[0] in names(scene)
    await station(scene, rich(scene, 12, 3)).leave(b"a" * 50_000)
    assert digests(b"9" * 25_000)[0] not in names(scene)
    assert digests(b"10" * 25_000)[0] in names(scene)


async def test_among_equals_a_file_stays_for_as_long_as_buying_takes(scene):
    await station(scene).leave(b"old" * 30_000)
    with pytest.raises(ResultsDown, match="at stake"):
        await station(scene, OTHER).leave(b"new" * 30_000)
    scene.clock.advance(KEPT_AMONG_EQUALS)
    with pytest.raises(ResultsDown, match="at stake"):  # it may be about to buy with both
        await station(scene).leave(b"mine" * 20_000)
    await station(scene, OTHER).leave(b"new" * 30_000)
    assert names(scene) == digests(b"new" * 30_000)


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_a_deal_names_makes_way_for_nobody(scene, restarts):
    await scene.open()
    requester = scene.world.requester
    bought = await station(scene, requester).leave(b"bought" * 10_000)
    await station(scene, requester).leave(b"unbought" * 4_000)
    await scene.market.deal(params=DealParams(input_files=(bought,)).dump())
    if restarts:
        scene.start()
    richer = station(scene, rich(scene, 9, 10**6))
    await richer.leave(b"c" * 30_000)
    assert names(scene) == digests(b"bought" * 10_000, b"c" * 30_000)
    with pytest.raises(ResultsDown, match="of deals"):
        await richer.leave(b"d" * 20_000)
    assert (await scene.http.get(bought)).status_code == 200


class CountingHub:
    """A hub that tells how many deals it was asked for."""

    def __init__(self, hub):
        self._hub, self.asked = hub, []

    def __getattr__(self, name):
        return getattr(self._hub, name)

    async def deals(self, names):
        self.asked += names
        return await self._hub.deals(names)


async def test_what_is_bought_of_a_pool_makes_no_way_whoever_pays(scene):
    await scene.open()
    keep, known = Seconds(3600), [LeftInput(WALLET.address, bytes([each] * 32)) for each in (7, 8)]
    deals = InputDeals(scene.chain.hub, keep, scene.market.pool)
    paths = [URL + input_path(each.owner, each.sha256) for each in known]  # another wallet pays
    found = []
    for path in paths:
        await scene.market.deal(params=DealParams(input_files=(path, URL + "/x")).dump())
        found.append(await deals.named(WALLET.address, known, Seconds(60)))
    assert found == [set(known[:1]), set(known)]
    assert await deals.named(OTHER.address, [LeftInput(OTHER.address, bytes(32))], keep) == set()
    of_payer = InputDeals(scene.chain.hub, keep)
    assert await of_payer.named(WALLET.address, known, Seconds(60)) == set()


async def test_a_deal_of_a_pool_is_read_once_however_many_files_are_looked_at(scene):
    await scene.open()
    hub, long = CountingHub(scene.chain.hub), Seconds(10 * BLOCKS_BESIDES)
    deals = InputDeals(hub, long, scene.market.pool)
    for blocks in (1, BLOCKS_BESIDES + 1, 1):
        await scene.market.deal()
        for owner in (WALLET.address, OTHER.address):
            await deals.named(owner, [], long)
        scene.chain.mine(1, blocks=blocks)
    assert (len(hub.asked), len(set(hub.asked))) == (3, 3)


async def test_what_was_bought_longer_ago_than_files_are_kept_is_forgotten(scene):
    await scene.open()
    known = LeftInput(WALLET.address, bytes([7] * 32))
    path = URL + input_path(known.owner, known.sha256)
    await scene.market.deal(params=DealParams(input_files=(path,)).dump())
    deals = InputDeals(scene.chain.hub, Seconds(60), scene.market.pool)
    assert await deals.named(WALLET.address, [known], Seconds(60)) == {known}
    scene.chain.mine(1, blocks=BLOCKS_BESIDES + 200)
    assert await deals.named(WALLET.address, [known], Seconds(60)) == set()


async def test_while_the_chain_is_silent_nothing_makes_way(scene):
    await station(scene).leave(b"a" * 90_000)
    buyer = rich(scene, 9, 5)
    scene.chain.outage = True
    with pytest.raises(ResultsDown, match="at stake"):
        await station(scene, buyer).leave(b"b" * 90_000)
    assert names(scene) == digests(b"a" * 90_000)


async def test_a_service_may_take_none(tmp_path):
    scene = Scene(tmp_path / "results", max_inputs=0)
    with pytest.raises(ResultsDown, match="more than 0 bytes"):
        await station(scene).leave(b"a")
    await scene.http.aclose()


async def test_what_nobody_takes_away_goes_in_the_end(tmp_path):
    import os

    scene = Scene(tmp_path / "results")
    old, new = [await station(scene).leave(each) for each in (b"old", b"new")]
    now = scene.clock.now()
    for path in scene.settings.folder.glob("inputs/*/*"):
        brought = now - scene.settings.keep_inputs - (path.name == old.rpartition("/")[2])
        os.utime(path, (brought, brought))
    await scene.intake.tidy_up()
    assert [(await scene.http.get(each)).status_code for each in (old, new)] == [404, 200]
    await scene.http.aclose()


async def test_what_a_crash_cut_off_goes_at_the_next_start(scene):
    await station(scene).leave(b"whole")
    (whole,) = scene.settings.folder.glob("inputs/*/*")
    whole.with_name(whole.name + ".ab.part").write_bytes(b"who")
    (whole.parent / "notes").write_bytes(b"not ours")
    scene.start()
    assert names(scene) == sorted([whole.name, "notes"])
    assert (await scene.http.get(await station(scene).leave(b"whole"))).content == b"whole"


async def test_a_service_without_such_a_route_is_told(scene):
    with pytest.raises(InputNotLeft, match="Not Found"):
        await InputStation(
            scene.http, URL + "/elsewhere", WALLET, scene.chain.facts, scene.clock
        ).leave(b"a")
