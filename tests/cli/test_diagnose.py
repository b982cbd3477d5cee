"""``poolhand diagnose``: everything that helps is in the file, and no secret that was put anywhere."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.cli.main import run
from poolhand.cli.service_log import ServiceUnit, service_logs, units_of
from poolhand.cli.support_bundle import BundlePart, write_bundle
from poolhand.domain.redaction import Redaction
from poolhand.keys.phrases import phrase_words
from poolhand.store.file import FileJournal

WORDS = sorted(phrase_words())
KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
PHRASE = " ".join(WORDS[100:112])
PASSWORD = 'cörrect "horse\\ battery'
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="*"), max_size=20)


def contents(path) -> dict[str, str]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A worker's folder, settings and environment with secrets in every place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "no-devnet"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("POOLHAND_ALLOWED_REGISTRIES", "127.0.0.1:1")
    monkeypatch.setenv("IEXEC_WORKER_WALLET_PASSWORD", PASSWORD)
    monkeypatch.setenv("IEXEC_WORKER_DOCKER_REGISTRY_PASSWORD_1", "registry-pass")
    monkeypatch.setenv(
        "POOLHAND_RPC", f"http://user:url-login@127.0.0.1:1/v3/{'k' * 32}?key=url-key"
    )
    monkeypatch.setenv("POOLHAND_HUB", "0x" + "11" * 20)
    folder = tmp_path / "workers" / "worker"
    (folder / "faults").mkdir(parents=True)
    secrets = f"{KEY} {PHRASE} {PASSWORD} registry-pass url-login url-key {json.dumps(PASSWORD)}"
    (folder / "worker.log").write_text("old\n" * 100_000 + f"cannot open: {secrets}\n")
    (folder / "faults" / "trace").write_text(f"ValueError: {secrets}\n")
    (folder / "worker.json").write_text(
        json.dumps({"url": "http://127.0.0.1:1", "token": "t0ken!"})
    )
    journal = FileJournal(folder / "journal")
    journal.append("task/0x01", {"t": "Accepted", "detail": secrets})
    journal.append(f"tx/{KEY}", {"t": "Signed"})
    journal.close()
    more = tmp_path / "service.log"
    more.write_text(f"t0ken! http://me:other-login@x.example/ {secrets}\n")
    return tmp_path


def test_nothing_secret_of_a_worker_is_in_its_bundle(machine, capsys):
    path = machine / "bundle.zip"
    code = run(["diagnose", "--json", "--base-dir", str(machine / "workers"), "--to", str(path),
                "--log", str(machine / "service.log")])  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert (code, told["path"]) == (0, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = contents(path)
    assert [each["name"] for each in told["files"]] == list(found) == [
        "README.txt", "doctor.json", "versions.json", "settings.json", "status.json",
        "journal.json", "log-1.txt", "log-2.txt", "trace-1.txt",
    ]  # fmt: skip
    everything = "\n".join(found.values())
    for secret in (KEY, KEY.upper(), PHRASE, PASSWORD, json.dumps(PASSWORD)[1:-1], "registry-pass",
                   "url-login", "url-key", "other-login", "t0ken!", "k" * 32):  # fmt: skip
        assert secret not in everything
    assert "cannot open" in found["log-2.txt"]
    assert len(found["log-2.txt"]) < 300_000
    assert json.loads(found["journal.json"])["records_by_event"] == {"Accepted": 1, "Signed": 1}
    assert json.loads(found["doctor.json"])["ok"] is False
    assert json.loads(found["settings.json"])["hub"]["origin"] == "environment POOLHAND_HUB"


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A *simulated* journalctl, which says what it was asked, and secrets."""
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ "$1" = --user ] && { echo no journal of a user >&2; exit 1; }\n'
        f"echo \"asked: $@\"; echo 'cannot open: {KEY} url-login'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_what_a_service_said_is_taken_from_its_journal_without_secrets(machine, journal, capsys):
    path = machine / "bundle.zip"
    words = ["diagnose", "--base-dir", str(machine / "workers"), "--to", str(path)]
    assert run(words) == 0
    found = contents(path)
    assert "--unit poolhand-worker-*.service --lines 2000" in found["service-1.txt"]
    assert "cannot open: " in found["service-1.txt"]
    assert KEY not in found["service-1.txt"]
    assert "url-login" not in found["service-1.txt"]
    assert "service-2.txt" not in found
    assert "service-1.txt: what `journalctl --unit" in found["README.txt"]
    journal.unlink()
    assert run(words) == 0
    assert [name for name in contents(path) if name.startswith("service")] == []


def test_why_the_journal_of_a_service_that_runs_is_not_read_is_told(journal):
    runs = ServiceUnit("poolhand-w-1.service", is_user=True)
    ((asked, said),) = service_logs((runs, replace(runs, is_known=False)))
    assert asked.startswith("journalctl --user --unit poolhand-w-1.service ")
    as_whom = "give the same command as the user whose service it is\n"
    assert said == f"cannot be read: no journal of a user; {as_whom}"


@pytest.mark.parametrize("is_user", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_a_service_whose_journal_shows_this_user_nothing_is_told(journal, is_user, there):
    journal.write_text("#!/bin/sh\nexit 0\n")  # as journalctl ends that is quiet about it
    if not there:
        journal.unlink()
    runs = ServiceUnit("poolhand-w-1.service", is_user)
    ((_, said),) = service_logs((runs, replace(runs, is_known=False)))
    assert said.startswith("cannot be read: ")
    assert f"as {'the user whose' if is_user else 'root'}" in said


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/poolhand-a-1.service\n", ServiceUnit("poolhand-a-1.service", False)),
        (
            "0::/user.slice/user-7.slice/user@7.service/app.slice/poolhand-a-1.service\n",
            ServiceUnit("poolhand-a-1.service", True),
        ),
        (
            "12:pids:/x\n1:name=systemd:/system.slice/my-poolhand.service\n",
            ServiceUnit("my-poolhand.service", False),
        ),
        ("0::/system.slice/ssh.service\n", None),
        ("0::/user.slice/user-7.slice/user@7.service/app.slice/vte-1.scope\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_a_service_is_known_by_the_control_group_of_its_process(cgroups, unit):
    pattern = "poolhand-w-*.service"
    usual = tuple(ServiceUnit(pattern, is_user, is_known=False) for is_user in (False, True))
    assert units_of("w", cgroups) == (usual if unit is None else (unit,))


def test_a_place_that_cannot_be_written_is_named(machine, capsys):
    code = run(["diagnose", "--to", str(machine / "none" / "x.zip")])
    assert code == 2
    assert "name another file with --to" in capsys.readouterr().err


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_secret_is_in_a_bundle_wherever_it_was_put(tmp_path, data):
    key = data.draw(st.binary(min_size=32, max_size=32)).hex()
    phrase = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=12, max_size=24)))
    password = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=6))
    login = data.draw(st.from_regex(r"[a-z0-9]{6,12}:[A-Za-z0-9]{12,24}", fullmatch=True))
    secrets = (key, phrase, password, f"https://{login}@node.example/")
    around = st.tuples(PLAIN, st.sampled_from(secrets), PLAIN).map(" ".join)
    some = st.lists(around, max_size=2) | st.dictionaries(around, around, max_size=2)
    texts = st.dictionaries(around, around | some, max_size=3)
    parts = (
        BundlePart("doctor.json", "found", data.draw(texts)),
        BundlePart("log-1.txt", "a log", "\n".join(data.draw(st.lists(around, max_size=4)))),
        BundlePart("trace-1.txt", "a fault", json.dumps(data.draw(texts))),
    )
    path = tmp_path / "bundle.zip"
    write_bundle(path, parts, Redaction((password,), WORDS))
    for name, text in contents(path).items():
        told = io.StringIO(text).read()
        assert key not in told, name
        assert phrase not in told, name
        assert password not in told or password in "".join(_own(parts)), name
        assert login not in told, name
        assert login.partition(":")[2] not in told, name
        if name.endswith(".json"):
            json.loads(text)


def _own(parts):
    """Yield words of ours that stand in every bundle: a password that is one of them is none."""
    yield from (each.name + each.what for each in parts)
