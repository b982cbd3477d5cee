"""No secret passes, wherever and however it is written, and what is none is left alone."""

from __future__ import annotations

import json
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolhand.domain.redaction import Redaction, is_secret_name, secrets_in_url, without_credentials
from poolhand.keys.phrases import phrase_words

WORDS = sorted(phrase_words())
SPACES = st.sampled_from([" ", "\n", ", ", '", "', "\n 7. ", " - "])
ANY = st.text(st.characters(codec="utf-8", exclude_characters="*"), max_size=40)
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=6, max_size=40)
KEYS = st.binary(min_size=32, max_size=32).map(bytes.hex)
KEY_FORMS = st.sampled_from(
    [str, str.upper, lambda key: f"0x{key}", lambda key: f"0X{key.upper()}"]
)
PHRASES = st.lists(st.sampled_from(WORDS), min_size=12, max_size=24)
NONE = Redaction((), ())
PHRASED = Redaction((), WORDS)


@given(ANY, KEYS, KEY_FORMS, ANY)
def test_no_private_key_passes(before, key, form, after):
    told = NONE.text(f"{before}{form(key)}{after}").lower()
    assert key not in told
    assert key[2:62] not in told


@given(ANY, PHRASES, SPACES, ANY)
def test_no_recovery_phrase_passes_in_any_language(before, words, between, after):
    told = unicodedata.normalize("NFC", PHRASED.text(f"{before} {between.join(words)} {after}"))
    kept = [word for word in words if len(word) > 2 and unicodedata.normalize("NFC", word) in told]
    around = before + after
    assert [word for word in kept if word not in around and word not in "***"] == []


@given(ANY, PASSWORDS, ANY)
@example('"', 'pass"\\w\nörd', '"')
def test_no_known_secret_passes_in_any_spelling(before, secret, after):
    redaction = Redaction((secret,), ())
    for written in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1],
                    repr(secret)[1:-1], quote(secret), quote(secret, safe="")):  # fmt: skip
        told = redaction.text(f"{before}{written}{after}")
        assert secret not in told
        assert written not in told
        assert not redaction.holds(told)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@node.example/rpc",
        "dial wss://user:hunter2@node.example failed",
        "https://node.example/?key=hunter2",
        "https://node.example/v3/hunter2hunter2hunter2hunter2",
        "postgresql://user:hun ter2@db/pool",
        "IEXEC_WORKER_WALLET_PASSWORD=hunter2",
        "Authorization: Bearer hunter2",
        '{"wallet-password": "hunter2", "b": 1}',
        "token='hunter2'",
    ],
)
def test_logins_and_named_secrets_are_masked(text):
    told = NONE.text(text)
    assert "hunter2" not in told
    assert "ter2" not in told
    assert "***" in told


def test_what_is_no_secret_is_left_alone():
    text = (
        "2026-11-29 worker 0x4F1C3a7B9D2e8F60514233241506f7e8D9CaBBCD of https://pool.example/v1 "
        "has 0.5 RLC free: send it at least 3 coins, then look at the status page again"
    )
    assert PHRASED.text(text) == text
    told = {"a": [1, None, True, "x"], "free_nrlc": 10**30}
    assert PHRASED.value(told) == told


def test_the_same_number_has_the_same_print_and_another_has_another():
    one, two = "ab" * 32, "cd" * 32
    assert NONE.text(f"0x{one}") == f"0x{NONE.text(one.upper())}"
    assert NONE.text(one) != NONE.text(two)
    assert NONE.text(":".join(one[i : i + 2] for i in range(0, 64, 2))) == NONE.text(one)


def test_names_numbers_and_lists_of_a_json_value_are_looked_at():
    redaction = Redaction(("12345678", "sesame!"), WORDS)
    told = redaction.value(
        {"sesame!": 1, "n": 12345678, "token": "short", "words": WORDS[:12], "more": ["sesame!"]}
    )
    assert told == {"***": 1, "n": "***", "token": "***", "words": "***", "more": ["***"]}


def test_parts_of_an_address_that_are_secrets_are_known():
    found = set(secrets_in_url("https://me:pw@node.example/v3/" + "k" * 20 + "?api=xyz&b=uvw"))
    assert found == {"me:pw", "me", "pw", "k" * 20, "xyz", "uvw"}
    assert (
        without_credentials("https://me:pw@node.example/a?b=c") == "https://***@node.example/a?***"
    )


def test_names_of_secrets_are_known():
    names = ("POOLHAND_WALLET_PASSWORD", "worker_token", "privateKey", "API_KEY")
    assert all(map(is_secret_name, names))
    assert not any(map(is_secret_name, ("name", "keystore", "status")))
