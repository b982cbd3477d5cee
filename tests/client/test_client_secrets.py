"""Secrets pushed from a program: which one is meant, and where they go."""

from __future__ import annotations

import pytest

from poolhand import AsyncClient, Client
from poolhand.client.secret_places import OneSecretMeant, secret_place
from poolhand.domain.errors import BadHex
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import BadSecretName, SecretKind, SecretPlace
from poolhand.requester.own_secrets import NoSecretsService, UnfitSecret

ME, OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20)


def test_one_secret_is_meant():
    assert secret_place("key", "", "", ME) == SecretPlace(SecretKind.REQUESTER, ME, "key")
    assert secret_place("", OTHER, "", ME) == SecretPlace(SecretKind.APP, OTHER)
    assert secret_place("", "", str(OTHER), ME) == SecretPlace(SecretKind.WEB3, OTHER)
    for name, app, dataset in (("", "", ""), ("key", OTHER, ""), ("", OTHER, OTHER)):
        with pytest.raises(OneSecretMeant):
            secret_place(name, app, dataset, ME)
    with pytest.raises(BadSecretName):
        secret_place("a b", "", "", ME)
    with pytest.raises(BadHex):
        secret_place("", "0x12", "", ME)


async def test_a_secret_that_is_none_is_sent_nowhere_and_one_needs_a_service(named):
    async with AsyncClient(**named) as client:
        with pytest.raises(UnfitSecret):
            await client.push_secret("", "key")
        with pytest.raises(NoSecretsService):
            await client.push_secret("value", "key")
        with pytest.raises(NoSecretsService):
            await client.has_secret(dataset=OTHER)


def test_the_same_without_asyncio(named):
    with Client(**named) as client:
        with pytest.raises(NoSecretsService):
            client.push_secret("value", app=str(OTHER))
        with pytest.raises(NoSecretsService):
            client.has_secret("key")
