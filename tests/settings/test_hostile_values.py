"""Values that no operator means to give: each is refused with a sentence, none with a traceback."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.settings import pool, results, worker
from poolhand.settings.load import BadSetting, Option, fraction, load, size, words

RPC = (Option("rpc", "RPC", words, "", "endpoints"),)
SIZE = (Option("memory", "MEMORY", size, "1g", "memory"),)
PROGRAMS = (worker.WORKER_OPTIONS, pool.POOL_OPTIONS, results.RESULTS_OPTIONS)


@pytest.mark.parametrize("text", ["infg", "nang", "-1g", "-5", "g", "", "1.5.2m", "1e400k", "x"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(BadSetting, match="memory"):
        load(SIZE, {"memory": text}, {})


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "x", ""])
def test_a_fraction_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        fraction(text)


@pytest.mark.parametrize("text", ["http://[::1", "https://[bad]/x", "http://a@[::1"])
def test_a_broken_url_is_shown_without_what_might_be_its_secrets(text):
    (row,) = load(RPC, {"rpc": text}, {}).rows()
    assert "bad]" not in row.shown
    assert "a@" not in row.shown


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://user:pa55word@rpc.test/", "pa55word"),
        ("https://rpc.test/?apikey=5ecret5ecret5ecret", "5ecret5ecret5ecret"),
        ("https://rpc.test/#5ecret5ecret5ecret5ecret", "5ecret5ecret5ecret5ecret"),
        ("https://rpc.test/v3/0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("wss://rpc.test/v2/aB3_dE5-gH7jK9mN1pQ3sT5vX7zA9cE1", "aB3_dE5"),
    ],
)
def test_no_part_of_an_endpoint_that_may_be_a_key_is_shown(url, secret):
    (row,) = load(RPC, {"rpc": f"http://127.0.0.1:8545,{url}"}, {}).rows()
    assert secret not in row.shown
    assert row.shown.startswith("http://127.0.0.1:8545,")
    assert "rpc.test" in row.shown
    assert row.value[1] == url


@pytest.mark.parametrize("options", PROGRAMS)
@given(text=st.text(max_size=40))
def test_any_text_for_any_setting_is_read_or_refused(options, text):
    for option in options:
        given_ = {each.key: None for each in options} | {option.key: text}
        environ = {"POOL_ADDRESS": "0x" + "11" * 20, "IEXEC_WORKER_WALLET_PATH": "w",
                   "IEXEC_CORE_WALLET_PATH": "w", "POOLHAND_HUB": "0x" + "22" * 20}  # fmt: skip
        with suppress(BadSetting):
            load((option,), given_, environ)


@given(content=st.binary(max_size=60))
def test_any_file_is_read_or_refused(content, tmp_path_factory):
    file = Path(tmp_path_factory.getbasetemp()) / "settings.toml"
    file.write_bytes(content)
    with suppress(BadSetting):
        load(SIZE, {}, {}, file)


@pytest.mark.parametrize("options", PROGRAMS)
def test_no_two_settings_share_a_name(options):
    assert len({each.key for each in options}) == len(options)
    assert len({each.variable for each in options}) == len(options)
    assert all(each.meaning for each in options)
