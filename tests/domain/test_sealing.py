"""What is sealed to a key opens with it alone, and only for what it was bound to."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.tee.sealing import (
    NotSealedForUs,
    open_sealed,
    public_key_of,
    report_data,
    seal,
)

OURS, THEIRS, ONCE = (bytes([number]) * 32 for number in (1, 2, 3))
ABOUT = report_data("s", "app", public_key_of(OURS), "n")


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_what_is_sealed_opens(plain, ephemeral):
    sealed = seal(public_key_of(OURS), plain, ABOUT, ephemeral)
    assert open_sealed(OURS, sealed, ABOUT) == plain
    assert plain not in sealed or len(plain) < 4


@pytest.mark.parametrize("private", [THEIRS])
def test_another_key_opens_nothing(private):
    with pytest.raises(NotSealedForUs):
        open_sealed(private, seal(public_key_of(OURS), b"plain", ABOUT, ONCE), ABOUT)


@pytest.mark.parametrize(
    ("session", "service", "key", "nonce"),
    [
        ("t", "app", OURS, "n"),
        ("s", "post-compute", OURS, "n"),
        ("s", "app", THEIRS, "n"),
        ("s", "app", OURS, "m"),
        ("sa", "pp", OURS, "n"),
    ],
)
def test_it_is_bound_to_session_service_key_and_nonce(session, service, key, nonce):
    other = report_data(session, service, public_key_of(key), nonce)
    assert other != ABOUT
    assert len(other) == 64
    with pytest.raises(NotSealedForUs):
        open_sealed(OURS, seal(public_key_of(OURS), b"plain", ABOUT, ONCE), other)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_changed_bit_passes(place, bit):
    sealed = bytearray(seal(public_key_of(OURS), b"plain text", ABOUT, ONCE))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(NotSealedForUs):
        open_sealed(OURS, bytes(sealed), ABOUT)


def test_every_bit_of_the_senders_key_is_bound():
    sealed = bytearray(seal(public_key_of(OURS), b"plain text", ABOUT, ONCE))
    sealed[31] ^= 0x80
    with pytest.raises(NotSealedForUs):
        open_sealed(OURS, bytes(sealed), ABOUT)


@given(st.binary(max_size=120))
def test_rubbish_opens_to_nothing(sealed):
    with pytest.raises(NotSealedForUs):
        open_sealed(OURS, sealed, ABOUT)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), b"\x01" + bytes(31)])
def test_nothing_is_sealed_to_what_is_no_key(key):
    with pytest.raises(NotSealedForUs):
        seal(key, b"plain", ABOUT, os.urandom(32))
