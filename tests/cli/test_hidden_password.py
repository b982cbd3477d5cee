"""A worker that is told its password leaves it in neither its environment nor its words."""

from __future__ import annotations

import pytest
from cli_world import PASSWORD

from poolhand.cli.hiding import (
    IN_THE_PIPE,
    PIPE,
    VARIABLES,
    WALLET_FLAG,
    password_pipe,
    without_password,
)
from poolhand.cli.main import run

FIRST, SECOND = VARIABLES
WORDS = ["-m", "poolhand", "worker", "start", "--name", "a"]


@pytest.mark.parametrize(
    ("words", "told", "counts"),
    [
        ([], {}, ""),
        ([], {FIRST: "one"}, "one"),
        ([], {SECOND: "two"}, "two"),
        ([], {FIRST: "one", SECOND: "two"}, "one"),
        ([], {FIRST: "", SECOND: "two"}, "two"),
        ([WALLET_FLAG, "three"], {FIRST: "one", SECOND: "two"}, "three"),
        ([f"{WALLET_FLAG}=three"], {SECOND: "two"}, "three"),
        ([WALLET_FLAG, "three", f"{WALLET_FLAG}=four"], {}, "four"),
    ],
)
def test_the_password_that_counts_is_taken_out_everywhere(words, told, counts):
    password, kept, left = without_password([*WORDS, *words], {"HOME": "/h", **told})
    assert password == counts
    assert not {"one", "two", "three", "four"} & {*kept, *left.values(), *" ".join(kept).split("=")}
    assert kept[: len(WORDS)] == WORDS
    assert left["HOME"] == "/h"
    if counts:
        assert [*kept, *left.values()].count(IN_THE_PIPE) == 1
        again = without_password(kept, {**left, PIPE: "7"})
        assert again == ("", kept, {**left, PIPE: "7"}), "it is replaced once"
        assert password_pipe(IN_THE_PIPE, {**left, PIPE: "7"}) == 7


def test_only_what_this_program_was_given_is_a_pipe():
    assert password_pipe(IN_THE_PIPE, {}) is None
    assert password_pipe("sesame", {PIPE: "7"}) is None


def test_a_password_in_the_settings_file_is_refused_for_the_worker_reads_that(cli, capsys):
    file = cli.home / "settings.toml"
    file.write_text(f'wallet-password = "{PASSWORD}"\npool-address = "0x{"b3" * 20}"\n')
    nowhere = ("--rpc", "http://127.0.0.1:1", "--hub", "0x" + "5f" * 20)
    (stored,) = (cli.home / "keys").iterdir()
    words = ("--config", str(file), "--wallet", str(stored))
    assert run(["worker", "start", *words, *nowhere]) == 2
    told = capsys.readouterr().err
    assert str(file) in told
    assert "password-file" in told
    assert PASSWORD not in told
