"""``poolhand worker doctor`` as it is typed: its page, its JSON, its exit code."""

from __future__ import annotations

import io
import json

import pytest

from poolhand.cli.doctor import settings_found
from poolhand.cli.doctor_page import doctor_page
from poolhand.cli.main import run
from poolhand.cli.terminal import Console
from poolhand.devnet.info import DevnetInfo
from poolhand.domain.doctor.findings import Check, Examination, failed, passed, unknown, warned
from poolhand.keys.keystore import create_wallet
from poolhand.keys.lock import WalletLock
from poolhand.settings.doctor import DOCTOR_OPTIONS, doctor_settings

LONG = "a long sentence of many words " * 6


def page(*findings, width=80):
    out = io.StringIO()
    Console(file=out, width=width).print(doctor_page(Examination(findings)))
    return out.getvalue()


def test_each_check_has_one_line_of_80_columns_and_then_its_fix():
    shown = page(
        passed(Check.CPUS, LONG), warned(Check.GPU, LONG, "mend it"),
        unknown(Check.TEE, "not looked at: fix 'x' first", ""), failed(Check.NODE, "dead", "wake"),
    )  # fmt: skip
    lines = shown.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[:2] for line in lines[:4]] == [
        ["pass", "cpus"], ["warn", "gpu"], ["unknown", "tee"], ["fail", "node"],
    ]  # fmt: skip
    assert lines[0].endswith("…")
    assert shown.index("fix: wake") < shown.index("fix: mend it")
    assert "tee (unknown)" not in shown
    assert lines[-1].startswith("1 check failed")
    assert "nothing failed" in page(passed(Check.CPUS, "4"))


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Be a person with a wallet, an empty home, no devnet, no engine and no chain."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "no-devnet"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("POOLHAND_ALLOWED_REGISTRIES", "127.0.0.1:1")
    for name in ("POOLHAND_CHAIN", "POOLHAND_RPC", "POOLHAND_HUB", "POOLHAND_WALLET"):
        monkeypatch.delenv(name, raising=False)
    return create_wallet(tmp_path / "keys", "right", cost=2)


def devnet(folder):
    info = DevnetInfo(
        "http://127.0.0.1:8545", 65535, "0x" + "22" * 20, "", {}, "0x" + "33" * 20,
        "http://127.0.0.1:13000", "", "", "", "127.0.0.1:5000", "", "",
    )  # fmt: skip
    folder.mkdir()
    (folder / "info.json").write_text(json.dumps(info.dump()))


def found_in(monkeypatch, flags, environ):
    given = {option.key.replace("-", "_"): None for option in DOCTOR_OPTIONS}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return doctor_settings(settings_found({**given, **flags, "config": None}), {})


def test_in_a_devnets_folder_its_chain_and_pool_are_meant(alone, monkeypatch, tmp_path):
    devnet(tmp_path / "no-devnet")
    monkeypatch.delenv("POOLHAND_ALLOWED_REGISTRIES")
    found = found_in(monkeypatch, {}, {})
    assert found.problems == ()
    assert (str(found.pool), found.pool_url) == ("0x" + "33" * 20, "http://127.0.0.1:13000")
    assert (found.registry, found.locks) == ("127.0.0.1:5000", tmp_path / "no-devnet" / "locks")
    other = found_in(monkeypatch, {"pool_url": "http://127.0.0.1:9"}, {})
    assert (str(other.pool), other.pool_url) == ("0x" + "33" * 20, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("flags", "environ", "url"),
    [
        ({}, {"POOLHAND_POOL_URL": "http://b"}, "http://b"),
        ({}, {"POOLHAND_POOL_URL": "http://b", "IEXEC_CORE_URL": "http://w"}, "http://w"),
        ({"pool_url": "http://f"}, {"IEXEC_CORE_URL": "http://w"}, "http://f"),
        ({"core_url": "http://c"}, {"POOLHAND_POOL_URL": "http://b"}, "http://c"),
    ],
)
def test_a_pools_url_is_the_workers_own_where_two_are_named_alike(
    alone, monkeypatch, flags, environ, url
):
    assert found_in(monkeypatch, flags, environ).pool_url == url


def checks(capsys, *words):
    capsys.readouterr()
    code = run(["worker", "doctor", "--json", *words])
    told = json.loads(capsys.readouterr().out)
    return code, told, {each["check"]: each for each in told["checks"]}


@pytest.mark.mistake("wrong-password")
@pytest.mark.mistake("wallet-in-use")
@pytest.mark.mistake("engine-stopped")
def test_it_needs_no_devnet_and_no_password_and_leaves_nothing(alone, capsys, tmp_path):
    typed = ("--keystore", str(alone.path.parent), "--pool-url", "http://127.0.0.1:1",
             "--status-port", "0", "--rpc", "http://127.0.0.1:1", "--hub", "0x" + "11" * 20)  # fmt: skip
    before = sorted(tmp_path.rglob("*"))
    code, told, found = checks(capsys, *typed)
    assert sorted(tmp_path.rglob("*")) == before
    assert (code, told["ok"], told["wallet"]) == (1, False, str(alone.address))
    assert list(found) == list(Check)
    assert [found[each]["outcome"] for each in ("wallet", "password", "wallet-free", "port")] == [
        "pass", "unknown", "pass", "pass",
    ]  # fmt: skip
    for each in ("settings", "engine", "node", "pool"):
        assert found[each]["outcome"] == "fail"
        assert found[each]["fix"]
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    with WalletLock(tmp_path / ".poolhand" / "locks", alone.address):
        _, _, found = checks(capsys, *typed, "--password-file", str(secret))
    assert [found[each]["outcome"] for each in ("password", "wallet-free")] == ["fail", "fail"]
    secret.write_text("right\n")
    _, _, found = checks(capsys, *typed, "--password-file", str(secret))
    assert found["password"]["outcome"] == "pass"
