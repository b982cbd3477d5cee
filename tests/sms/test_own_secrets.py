"""A requester's side: secrets pushed and found, and nothing bought that would lack one."""

from __future__ import annotations

import httpx
import pytest
from sms_world import URL

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.params import DealParams
from poolhand.domain.sms_secret import BadSecretName, SecretKind, SecretPlace
from poolhand.domain.tag import Tag
from poolhand.requester.named_urls import UrlRule
from poolhand.requester.own_secrets import (
    NoSecretsService,
    OwnSecrets,
    SecretMissing,
    UnfitSecret,
)
from poolhand.requester.wish import BadWish, Wish
from poolhand.transport.addresses import resolve
from poolhand.transport.secrets_client import SecretNotTaken, SecretsDown

RULE = UrlRule(resolve, ())


@pytest.fixture
def own(scene) -> OwnSecrets:
    return OwnSecrets(RULE, scene.http, URL, None)


async def test_secrets_of_every_kind_are_pushed_and_found(scene, own):
    for place, wallet in scene.places().values():
        assert not await own.has(place)
        assert await own.push(place, "válue", wallet) == URL
        assert await own.has(place)
        with pytest.raises(SecretNotTaken, match="one already"):
            await own.push(place, "válue", wallet)
    place, wallet = scene.places()[SecretKind.WEB2]
    await own.push(place, "another", wallet, change=True)
    assert (await scene.keepers[0].store.value(place)).value == b"another"


async def test_what_is_refused_says_who_must_act(scene, own):
    dataset, owner = scene.places()[SecretKind.WEB3]
    with pytest.raises(SecretNotTaken, match="whoever owns dataset"):
        await own.push(dataset, "v", scene.world.requester)
    token, _ = scene.places()[SecretKind.WEB2]
    with pytest.raises(SecretNotTaken, match="without --change"):
        await own.push(token, "v", scene.world.requester, change=True)
    for unfit in ("", "x" * 4097):
        with pytest.raises(UnfitSecret, match="4096"):
            await own.push(dataset, unfit, owner)
    with pytest.raises(BadSecretName):
        await own.push(SecretPlace(SecretKind.REQUESTER, owner.address, "a b"), "v", owner)


async def test_a_service_that_fails_is_told_from_one_that_refuses():
    for status in (500, 503, 429):
        transport = httpx.MockTransport(lambda _, status=status: httpx.Response(status))
        async with httpx.AsyncClient(transport=transport) as http:
            with pytest.raises(SecretsDown, match=str(status)):
                await OwnSecrets(RULE, http, URL, None).has(
                    SecretPlace(SecretKind.APP, ZERO_ADDRESS)
                )
    async with httpx.AsyncClient() as http:
        with pytest.raises(NoSecretsService, match="--sms-url"):
            await OwnSecrets(RULE, http, None, None).has(SecretPlace(SecretKind.APP, ZERO_ADDRESS))


async def test_a_confidential_task_is_not_bought_without_its_datasets_key(scene, own):
    place, owner = scene.places()[SecretKind.WEB3]
    confidential = Tag.of(("tee", "tdx"))
    wish = Wish(scene.market.app, dataset=place.owner, tag=confidential)
    with pytest.raises(SecretMissing, match="push-secret"):
        await own.demand(wish, ZERO_ADDRESS)
    await own.demand(
        Wish(scene.market.app, dataset=place.owner), ZERO_ADDRESS
    )  # an open one needs none
    await own.demand(Wish(scene.market.app, tag=confidential), ZERO_ADDRESS)
    await own.push(place, "a key", owner)
    await own.demand(wish, ZERO_ADDRESS)


async def test_a_confidential_task_is_not_bought_without_the_secrets_that_it_names(scene, own):
    place, owner = scene.places()[SecretKind.REQUESTER]
    wish = Wish(scene.market.app, secrets=((2, place.name),), tag=Tag.of(("tee", "tdx")))
    with pytest.raises(SecretMissing, match=f"secret push {place.name}"):
        await own.demand(wish, owner.address)
    await own.push(place, "a token", owner)
    await own.demand(wish, owner.address)
    with pytest.raises(SecretMissing):  # it is somebody else's
        await own.demand(wish, ZERO_ADDRESS)


def test_a_wish_names_secrets_of_confidential_tasks_alone_by_numbers_and_is_another_with_them():
    app, tdx = Address(b"a" * 20), Tag.of(("tee", "tdx"))
    named = Wish(app, tag=tdx, secrets=((1, "api-key"),))
    assert DealParams.parse(named.params).secrets == {"1": "api-key"}
    assert named.fingerprint != Wish(app, tag=tdx).fingerprint
    with pytest.raises(BadWish, match="confidential tasks alone"):
        Wish(app, secrets=((1, "api-key"),))
    for number in (0, 10_000):
        with pytest.raises(BadWish, match="from 1 to 9999"):
            Wish(app, tag=tdx, secrets=((number, "api-key"),))
    with pytest.raises(BadSecretName):
        Wish(app, tag=tdx, secrets=((1, "no name"),))
