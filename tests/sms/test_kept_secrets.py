"""Secrets as they lie: sealed, in their own place, under keys that lie elsewhere.

One file, for each looks at the same database, at rest and while its keys change.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import count

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sms_world import SmsScene, tables

from many import examples
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.settings.sms import MasterKeySource, SecretsAddress
from poolhand.sms.keeping import (
    MasterKeyThere,
    make_master_key,
    open_secrets,
    restored,
    rotate_keys,
    take_backup,
    told_audit,
)
from poolhand.sms.master_key import (
    MasterKeyBesideSecrets,
    MasterKeyOutOfReach,
    UnfitMasterKey,
    read_master_key,
)
from poolhand.store.sms.copies import BackupBroken, SecretsThere
from poolhand.store.sms.database import SecretsDatabase
from poolhand.store.sms.errors import (
    NoRoomForSecrets,
    NoSecretsYet,
    NoSuchSecret,
    SealBroken,
    SecretsLocked,
    SecretsOfAnotherChain,
    SecretThere,
    WrongMasterKey,
)
from poolhand.store.sms.rotation import MasterKeyUsed, rotate
from poolhand.store.sms.schema import SECRETS_BOOK
from poolhand.store.sms.sealing import MasterKey
from poolhand.store.sms.secrets import KeptSecret, SecretStore
from postgres_fixtures import postgres, postgres_server  # noqa: F401 - fixtures

HUB, CHAIN = Address(b"\x01" * 20), 31337
OLD, NEW = MasterKey(b"\x0a" * 32), MasterKey(b"\x0b" * 32)
OWNER = Address(b"\x02" * 20)
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def url(request, tmp_path) -> str:
    """A database in which no service has been."""
    if request.param == "sqlite":
        shutil.copyfile(tables(), tmp_path / "sms.db")
        return f"sqlite:///{tmp_path / 'sms.db'}"
    found: str = request.getfixturevalue("postgres")
    return found


def opened(url: str, master: MasterKey = OLD, *, holds: bool = True) -> SecretsDatabase:
    moments = count(1)
    database = SecretsDatabase(url, master, lambda: next(moments), holds=holds)
    try:
        database.claim(CHAIN, HUB)
    except BaseException:
        database.close()
        raise
    return database


def store(database: SecretsDatabase, name: str = "tdx", most: int = 10_000) -> SecretStore:
    return SecretStore(database, name, CHAIN, most)


def place(number: int) -> SecretPlace:
    return SecretPlace(SecretKind.WEB2, OWNER, f"n{number}")


def kept(value: str) -> KeptSecret:
    return KeptSecret(value.encode(), b"\x01" * 65)


async def values(url: str, master: MasterKey) -> dict[str, bytes]:
    """Open all secrets, as a service does that starts now."""
    with closing(opened(url, master)) as database:
        secrets = store(database)
        found = {n: await secrets.value(place(n)) for n in range(30)}
        return {f"n{n}": each.value for n, each in found.items() if each is not None}


async def filled(url: str, number: int = 7) -> dict[str, bytes]:
    with closing(opened(url)) as database:
        for n in range(number):
            await store(database).add(place(n), kept(f"value {n}"), "me")
    return {f"n{n}": f"value {n}".encode() for n in range(number)}


async def test_what_is_kept_is_opened_after_a_restart(url):
    wanted = await filled(url)
    assert await values(url, OLD) == wanted
    with closing(opened(url)) as database:
        secrets = store(database, most=7)
        with pytest.raises(SecretThere):
            await secrets.add(place(1), kept("another"), "me")
        with pytest.raises(NoRoomForSecrets):
            await secrets.add(place(20), kept("another"), "me")
        with pytest.raises(NoSuchSecret):
            await secrets.change(place(20), lambda there: there, "me")
        await secrets.change(place(1), lambda _: kept("changed"), "me")
    assert await values(url, OLD) == wanted | {"n1": b"changed"}


async def test_another_key_or_chain_opens_nothing_and_changes_nothing(url):
    await filled(url)
    for wrong in (NEW, MasterKey(b"\x0c" * 32)):
        with pytest.raises(WrongMasterKey, match=OLD.name):
            opened(url, wrong)
    database = SecretsDatabase(url, OLD, lambda: 1)
    with closing(database), pytest.raises(SecretsOfAnotherChain):
        database.claim(CHAIN + 1, HUB)
    with closing(opened(url)), pytest.raises(SecretsLocked):
        opened(url)
    assert len(await values(url, OLD)) == 7


async def test_a_row_in_anothers_place_does_not_open(tmp_path):
    shutil.copyfile(tables(), tmp_path / "sms.db")
    url = f"sqlite:///{tmp_path / 'sms.db'}"
    await filled(url, 2)
    with closing(sqlite3.connect(tmp_path / "sms.db")) as file:
        file.execute("UPDATE secrets SET box = (SELECT box FROM secrets WHERE name='n0')")
        file.commit()
    with closing(opened(url)) as database:
        assert (await store(database).value(place(0))).value == b"value 0"
        with pytest.raises(SealBroken):
            await store(database).value(place(1))
    with closing(opened(url)) as database:
        file = SecretStore(database, "tdx", CHAIN + 1, 9)
        with pytest.raises(SealBroken):
            await file.value(place(0))


async def test_the_audit_log_is_only_added_to(url):
    await filled(url, 2)
    with closing(opened(url)) as database:
        await store(database).change(place(1), lambda _: kept("x"), "203.0.113.7")
    verbs = ("UPDATE audit SET act = 'x'", "DELETE FROM audit")
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            for verb in verbs:
                with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                    file.execute(verb)
            rows = file.execute("SELECT act, name, caller FROM audit ORDER BY n").fetchall()
    else:
        with psycopg.connect(url) as server:
            rows = server.execute("SELECT act, name, caller FROM audit ORDER BY n").fetchall()
            for verb in verbs:
                with pytest.raises(psycopg.errors.RaiseException, match="only added to"):
                    server.execute(verb)
                server.rollback()
    assert [tuple(each) for each in rows] == [
        ("added", "n0", "me"), ("added", "n1", "me"), ("changed", "n1", "203.0.113.7"),
    ]  # fmt: skip


class Died(Exception):
    """The program was ended here."""


def dies_after(number: int):
    left = count(number, -1)

    def between(_step: str) -> None:
        if next(left) == 0:
            raise Died

    return between


@pytest.mark.parametrize("new", [None, NEW], ids=["same-master", "new-master"])
async def test_a_rotation_that_dies_anywhere_is_finished_and_all_opens_meanwhile(url, new):
    wanted, died = await filled(url), 0
    for step in count():
        with closing(opened(url, holds=False)) as database:
            try:
                report = rotate(database, CHAIN, new, dies_after(step), 3)
            except Died:
                died += 1
            else:
                break
        assert await values(url, OLD) == wanted  # the old master key goes on to open all
    assert died == 3
    assert report.master == (new or OLD).name
    assert await values(url, new or OLD) == wanted
    with closing(opened(url, new or OLD, holds=False)) as database, database.at_once() as at:
        keys = at.exec_driver_sql("SELECT count(*) FROM data_keys").scalar()
        wrappings = at.exec_driver_sql("SELECT count(*) FROM wrappings").scalar()
    assert (keys, wrappings) == (1, 1)
    if new is not None:
        with pytest.raises(WrongMasterKey, match=NEW.name):
            opened(url, OLD)
        with closing(opened(url, NEW, holds=False)) as database, pytest.raises(MasterKeyUsed):
            rotate(database, CHAIN, OLD)


async def test_the_service_goes_on_while_keys_are_rotated(url):
    await filled(url)
    number = count(7)
    with closing(opened(url)) as serving:
        secrets, loop = store(serving), asyncio.get_running_loop()

        def between(_step: str) -> None:
            """The service writes and reads between any two steps."""
            n = next(number)
            added = secrets.add(place(n), kept(f"value {n}"), "me")
            asyncio.run_coroutine_threadsafe(added, loop).result()
            found = asyncio.run_coroutine_threadsafe(secrets.value(place(0)), loop).result()
            assert found is not None
            assert found.value == b"value 0"

        with closing(SecretsDatabase(url, OLD, lambda: 1, holds=False)) as beside:
            beside.open_as_it_is()
            report = await asyncio.to_thread(rotate, beside, CHAIN, NEW, between)
        assert report.dropped >= 1
    written = next(number)
    assert await values(url, NEW) == {f"n{n}": f"value {n}".encode() for n in range(written)}


def address(folder, name: str = "sms") -> SecretsAddress:
    key = folder / "keys" / "master.key"
    if not key.exists():
        make_master_key(key)
    return SecretsAddress(
        folder / name, f"sqlite:///{folder / name / 'sms.db'}", MasterKeySource(key)
    )


async def test_a_backup_is_restored_under_its_key_alone(tmp_path):
    at, file = address(tmp_path), tmp_path / "copy.bak"
    with pytest.raises(NoSecretsYet):
        take_backup(file, at)
    with closing(open_secrets(at)) as database:
        database.claim(CHAIN, HUB)
        await store(database).add(place(1), kept("planted value"), "me")
        assert take_backup(file, at) == 1  # while the service runs
    with pytest.raises(MasterKeyThere):
        take_backup(file, at)
    other = address(tmp_path, "other")
    make_master_key(tmp_path / "keys" / "wrong.key")
    wrong = MasterKeySource(tmp_path / "keys" / "wrong.key")
    with pytest.raises(WrongMasterKey):
        restored(file, SecretsAddress(other.folder, other.database, wrong))
    with closing(open_secrets(other)) as empty, pytest.raises(NoSecretsYet):
        empty.open_as_it_is()
    lines = file.read_text().splitlines()
    for damaged in (lines[:-1], [lines[0], *lines[2:]], [lines[0], *reversed(lines[1:])],
                    lines[:1], ["{}"], []):  # fmt: skip
        broken = tmp_path / "broken.bak"
        broken.write_text("\n".join(damaged))
        with pytest.raises(BackupBroken):
            restored(broken, other)
    assert restored(file, other) == 1
    with closing(open_secrets(other)) as database:
        database.claim(CHAIN, HUB)
        assert (await store(database).value(place(1))).value == b"planted value"
        await store(database).add(place(2), kept("more"), "me")
    with pytest.raises(SecretsThere):
        restored(file, other)
    assert [each["act"] for each in told_audit(9, other)][::-1] == [
        "added", "restored", "added",
    ]  # fmt: skip


@pytest.mark.postgres
async def test_a_backup_of_one_database_is_restored_into_another(tmp_path, postgres):  # noqa: F811
    at, file = address(tmp_path), tmp_path / "copy.bak"
    with closing(open_secrets(at)) as database:
        database.claim(CHAIN, HUB)
        await store(database).add(place(1), kept("v"), "me")
    take_backup(file, at)
    server = SecretsAddress(tmp_path / "server", postgres, at.master)
    assert restored(file, server) == 1
    rotate_keys(server, None)
    with closing(open_secrets(server)) as database:
        database.claim(CHAIN, HUB)
        assert (await store(database).value(place(1))).value == b"v"


PLANTED = ("planted-secret-5f1d", "planted-app-77aa")


async def test_no_planted_secret_lies_anywhere(tmp_path, caplog, capfd):
    """Database, WAL, backup, log, audit, and what is there while and after keys are rotated."""
    made = SmsScene(tmp_path)
    async with made.open():
        for value, kind in zip(PLANTED, (SecretKind.WEB2, SecretKind.APP), strict=True):
            where, wallet = made.places()[kind]
            assert (await made.push(where, value, wallet)).status_code == 204
            assert (await made.push(where, value, made.wallets[5])).status_code == 401
        where, wallet = made.places()[SecretKind.WEB2]
        await made.push(where, "planted-secret-second", wallet, "PUT")
        take_backup(tmp_path / "copy.bak", made.address)
        lie = Counter(each.name for each in made.address.folder.iterdir())
        assert "sms.db-wal" in lie  # it is looked into while it is there
        told = "".join([str(told_audit(99, made.address)), caplog.text, *capfd.readouterr()])
        find_none(tmp_path, told)
        rotate_keys(made.address, None)
        find_none(tmp_path, "")
    find_none(tmp_path, "")


def find_none(folder, told: str) -> None:
    master = (folder / "elsewhere" / "master.key").read_text().strip()
    wanted = [
        "planted-",
        b"planted-".hex(),
        master,
        base64.b64encode(b"planted-secret").decode(),
    ]
    wanted += [base64.b64encode(bytes.fromhex(master)).decode()]
    for each in folder.rglob("*"):
        if each.is_file() and each.name != "master.key":
            content = each.read_bytes()
            assert bytes.fromhex(master) not in content, each
            assert not [word for word in wanted if word.encode() in content], each
    assert not [word for word in wanted if word in told]


def test_the_master_key_lies_elsewhere(tmp_path):
    at = address(tmp_path)
    at.folder.mkdir()
    inside = at.folder / "deep" / "master.key"
    make_master_key(inside)
    link = tmp_path / "keys" / "link.key"
    link.symlink_to(inside)
    way_out = at.folder / "link.key"
    way_out.symlink_to(tmp_path / "keys" / "master.key")
    for file in (inside, link, way_out):
        with pytest.raises(MasterKeyBesideSecrets, match="move it elsewhere"):
            open_secrets(SecretsAddress(at.folder, at.database, MasterKeySource(file)))


def test_a_master_key_is_read_from_a_file_a_text_or_a_command(tmp_path):
    file = tmp_path / "master.key"
    name = make_master_key(file)
    assert file.stat().st_mode & 0o077 == 0
    sources = (
        MasterKeySource(file),
        MasterKeySource(text=file.read_text()),
        MasterKeySource(command=f"cat '{file}'"),
    )
    assert {read_master_key(each, ()).name for each in sources} == {name}
    assert file.read_text().strip() not in repr([*sources, read_master_key(sources[0], ())])
    (tmp_path / "short").write_text("1234")
    for unfit in (MasterKeySource(tmp_path / "short"), MasterKeySource(text="z" * 64)):
        with pytest.raises(UnfitMasterKey):
            read_master_key(unfit, ())
    for lost in (MasterKeySource(tmp_path / "none"), MasterKeySource(command="false"),
                 MasterKeySource(command="'")):  # fmt: skip
        with pytest.raises(MasterKeyOutOfReach):
            read_master_key(lost, ())


class KeptSecretsMachine(RuleBasedStateMachine):
    """Any order of setting, changing, rotating, restarting and restoring loses and mixes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tables().parent / f"machine-{next(_NUMBERS)}"
        self.folder.mkdir()
        self.url = f"sqlite:///{self.folder / 'sms.db'}"
        shutil.copyfile(tables(), self.folder / "sms.db")
        self.master, self.known = OLD, {}
        self.numbers = count(20)
        self.loop = asyncio.new_event_loop()
        self.database = opened(self.url)

    @rule(n=st.integers(0, 4), name=st.sampled_from(["tdx", "scone"]), value=st.text(max_size=9))
    def add(self, n, name, value):
        adding = store(self.database, name).add(place(n), kept(value), "")
        try:
            self.loop.run_until_complete(adding)
        except SecretThere:
            assert (name, n) in self.known
        else:
            assert (name, n) not in self.known
            self.known[name, n] = value

    @rule(n=st.integers(0, 4), name=st.sampled_from(["tdx", "scone"]), value=st.text(max_size=9))
    def change(self, n, name, value):
        changing = store(self.database, name).change(place(n), lambda _: kept(value), "")
        try:
            self.loop.run_until_complete(changing)
        except NoSuchSecret:
            assert (name, n) not in self.known
        else:
            assert (name, n) in self.known
            self.known[name, n] = value

    @rule(dies=st.integers(0, 6), anew=st.booleans())
    def rotate_beside(self, dies, anew):
        new = MasterKey(bytes([next(self.numbers)]) * 32) if anew else None
        with closing(SecretsDatabase(self.url, self.master, lambda: 1, holds=False)) as beside:
            beside.open_as_it_is()
            try:
                rotate(beside, CHAIN, new, dies_after(dies))
            except Died:
                return
        self.restart(new or self.master)

    @rule()
    def start_again(self):
        self.restart(self.master)

    def restart(self, master):
        self.database.close()
        self.master = master
        self.database = opened(self.url, master)

    @precondition(lambda self: self.known)
    @invariant()
    def all_opens(self):
        for (name, n), value in self.known.items():
            found = self.loop.run_until_complete(store(self.database, name).value(place(n)))
            assert found is not None
            assert found.value == value.encode()

    def teardown(self):
        self.database.close()
        self.loop.close()
        shutil.rmtree(self.folder)


_NUMBERS = count()
TestKeptSecrets = KeptSecretsMachine.TestCase
TestKeptSecrets.settings = settings(
    max_examples=examples(15), stateful_step_count=15, deadline=None
)


def test_every_table_is_known_to_backups():
    from poolhand.store.sms.copies import COPIED

    left_out = {table.name for table in SECRETS_BOOK.sorted_tables} - {t.name for t in COPIED}
    assert left_out == {"leader"}
