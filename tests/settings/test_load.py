"""Settings: flags before environment before file before defaults; secrets never shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.settings.load import BadSetting, Option, load, size, whole
from poolhand.settings.pool import POOL_OPTIONS
from poolhand.settings.requester import REQUESTER_OPTIONS
from poolhand.settings.worker import WORKER_OPTIONS

OPTIONS = (
    Option("port", "APP_PORT", whole(0), "13000", "port to listen on"),
    Option("wallet", "APP_WALLET", Path, None, "keystore file"),
    Option("password", "APP_PASSWORD", str, "", "password", secret=True),
    Option("rpc", "APP_RPC", str, "", "endpoints"),
)


def found(flags=None, environ=None, file=None):
    return load(OPTIONS, {"wallet": "/w", **(flags or {})}, environ or {}, file)


def origins(settings):
    return {row.option.key: row.origin for row in settings.rows()}


def test_flags_come_first_then_environment_then_file_then_default(tmp_path):
    file = tmp_path / "app.toml"
    file.write_text("port = 3\n")
    everywhere = found({"port": "1"}, {"APP_PORT": "2"}, file)
    assert (everywhere["port"], origins(everywhere)["port"]) == (1, "flag --port")
    no_flag = found({}, {"APP_PORT": "2"}, file)
    assert (no_flag["port"], origins(no_flag)["port"]) == (2, "environment APP_PORT")
    only_file = found({}, {"APP_PORT": ""}, file)
    assert (only_file["port"], origins(only_file)["port"]) == (3, str(file))
    assert (found()["port"], origins(found())["port"]) == (13000, "default")


def test_a_secret_is_never_shown_not_even_when_it_is_bad():
    row = {each.option.key: each for each in found({"password": "sesame"}).rows()}["password"]
    assert row.value == "sesame"
    assert "sesame" not in row.shown
    picky = Option("password", "P", whole(), None, "password", secret=True)
    with pytest.raises(BadSetting) as fault:
        load([picky], {"password": "sesame"}, {})
    assert "sesame" not in str(fault.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:key@node.example/path?token=abc", "https://***@node.example/path?***"),
        ("wss://node.example,http://127.0.0.1:1", "wss://node.example,http://127.0.0.1:1"),
    ],
)
def test_credentials_in_an_endpoint_are_masked(url, shown):
    assert {r.option.key: r.shown for r in found({"rpc": url}).rows()}["rpc"] == shown


def test_what_is_missing_names_variable_and_flag():
    with pytest.raises(BadSetting, match=r"keystore file is missing: set APP_WALLET .* --wallet"):
        load(OPTIONS, {}, {})


@pytest.mark.parametrize("text", ["-1", "many", "1.5", ""])
def test_a_bad_number_names_setting_value_and_origin(text):
    if not text:
        assert found({}, {"APP_PORT": text})["port"] == 13000
        return
    with pytest.raises(BadSetting, match=rf"port \(flag --port\): '{text}' is not valid"):
        found({"port": text})


def test_a_file_with_an_unknown_key_or_broken_toml_is_refused(tmp_path):
    file = tmp_path / "app.toml"
    for content, told in (("prot = 1", "unknown setting 'prot'"), ("port =", "is not TOML")):
        file.write_text(content)
        with pytest.raises(BadSetting, match=told):
            found({}, {}, file)
    with pytest.raises(BadSetting, match="cannot read"):
        found({}, {}, tmp_path / "none.toml")


@given(st.integers(0, 10**6))
def test_sizes_have_units(number):
    assert size(f"{number}k") == size(f"{number} KiB".replace(" ", "")) == number * 1024
    assert size(f"{number}g") == number * 1024**3


@pytest.mark.parametrize(
    "typed", ["nonsense", "pool.example:443", "https://", "ftp://pool.example"]
)
@pytest.mark.parametrize(
    ("options", "key"),
    [(REQUESTER_OPTIONS, "pool-url"), (WORKER_OPTIONS, "core-url"), (POOL_OPTIONS, "results-url")],
)
def test_what_is_no_address_of_the_web_is_refused_where_it_is_typed(options, key, typed):
    option = next(each for each in options if each.key == key)
    with pytest.raises(BadSetting, match=rf"{key} .*https?://"):
        load((option,), {key: typed}, {}, None)
