"""How a password seals a key: ours and another reader of keystores agree, whoever wrote them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json
from hypothesis import given
from hypothesis import strategies as st

from poolhand.keys.encryption import NotSealed, open_sealed, seal_key
from poolhand.keys.errors import KeystoreUnreadable
from poolhand.keys.reading import check_cost

KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
CHEAP = 2


@given(
    st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big")),
    st.binary(max_size=64),
    st.sampled_from(["scrypt", "pbkdf2"]),
)
def test_whoever_sealed_a_key_either_of_two_readers_opens_it(key, password, kdf):
    ours, others = seal_key(key, password, 2), create_keyfile_json(key, password, 3, kdf, 2)
    assert open_sealed(others, password) == key == open_sealed(ours, password)
    assert decode_keyfile_json(ours, password) == key
    assert open_sealed(ours, password + b"!") is open_sealed(others, password + b"!") is None


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("crypto", None, "it has no crypto"),
        ("crypto.mac", 7, "its mac is no hexadecimal number"),
        ("crypto.ciphertext", "0xz", "its ciphertext is no hexadecimal number"),
        ("crypto.kdf", "argon2", "its key derivation is 'argon2', not scrypt or pbkdf2"),
        ("crypto.kdfparams", [], "its kdfparams is no object"),
        ("crypto.kdfparams.salt", None, "it has no salt"),
        ("crypto.kdfparams.n", 3, "scrypt refuses its parameters"),
        ("crypto.kdfparams.r", "8", "its r is no whole number above 0"),
        ("crypto.kdfparams.p", 0, "its p is no whole number above 0"),
    ],
)
def test_what_is_not_sealed_as_it_must_be_is_told(path, value, why):
    content = seal_key(bytes.fromhex(KEY), b"p", CHEAP)
    *above, last = path.split(".")
    here = content
    for name in above:
        here = here[name]
    here[last] = value
    if value is None:
        del here[last]
    with pytest.raises(NotSealed, match=re.escape(why)):
        open_sealed(content, b"p")


def test_a_pbkdf2_of_another_hash_opens_nothing():
    content = create_keyfile_json(bytes.fromhex(KEY), b"p", 3, "pbkdf2", CHEAP)
    content["crypto"]["kdfparams"]["prf"] = "hmac-sha512"
    with pytest.raises(NotSealed, match="its PBKDF2 is by 'hmac-sha512', not hmac-sha256"):
        open_sealed(content, b"p")


def test_an_absurd_cost_is_found_in_capitals_and_before_a_harmless_one():
    """What is looked at before a file is opened is what opening it would pay."""
    crypto = seal_key(bytes.fromhex(KEY), b"p", CHEAP)["crypto"]
    parameters = crypto["kdfparams"]
    for hidden in (
        crypto | {"kdfparams": {"N": 2**30, **parameters}},
        {"kdfParams": parameters | {"n": 2**30}, **crypto},
    ):
        with pytest.raises(KeystoreUnreadable, match="takes too much to open it"):
            check_cost(Path("wallet.json"), {"Crypto": hidden})
