"""A wish for more secrets than a program can be told is refused before anything is paid."""

from __future__ import annotations

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.tag import Tag
from poolhand.domain.tee.session import MOST_REQUESTER_SECRETS
from poolhand.requester.wish import BadWish, Wish

APP, TDX = Address(b"\x01" * 20), Tag.of(("tee", "tdx"))


def named(count):
    return tuple((number, "key") for number in range(1, count + 1))


def test_a_run_has_so_many_secrets_at_most():
    assert Wish(APP, tag=TDX, secrets=named(MOST_REQUESTER_SECRETS))
    with pytest.raises(BadWish, match="put several into one"):
        Wish(APP, tag=TDX, secrets=named(MOST_REQUESTER_SECRETS + 1))
