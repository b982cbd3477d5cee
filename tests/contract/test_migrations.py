"""A pool's database of an older version becomes this one's, whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect, text

from poolhand.domain.task.status import TaskStatus
from poolhand.ports.journal import Marked
from poolhand.scheduler.assessor import Memory
from poolhand.scheduler.engine import Engine as TaskEngine
from poolhand.store.errors import JournalTooNew
from poolhand.store.memory import MemoryJournal
from poolhand.store.migrate import NEWEST_POOL_REVISION, migrate
from poolhand.store.schema import METADATA
from poolhand.store.section import LogSection, Section
from poolhand.store.sql import SqlJournal

GOLDEN = Path(__file__).parents[1] / "golden" / "pool_database_v1.db"


@pytest.fixture
def old(tmp_path) -> Path:
    """A database as the pool of revision 5d30c83 left it (golden/make_pool_database.py)."""
    return Path(shutil.copy(GOLDEN, tmp_path / "pool.db"))


def log_of(journal):
    """Return a log with what a journal holds."""
    log = MemoryJournal()
    for stream, record in journal.read():
        log.append(stream, record)
    for name, value in journal.marks().items():
        log.mark(name, value)
    return log


def rows(path, query="SELECT n, s, e FROM journal ORDER BY n"):
    with sqlite3.connect(path) as raw:
        found = raw.execute(query).fetchall()
    raw.close()
    return found


def test_an_older_pool_goes_on_where_it_was(old):
    before = rows(old)
    journal = SqlJournal(f"sqlite:///{old}")
    engine = TaskEngine(LogSection(log_of(journal), "task"))
    engine.recover()
    assert engine.cursor == 11
    assert not engine.unread
    statuses = sorted(task.status for task in engine.tasks.values())
    assert statuses == [TaskStatus.COMPLETED, TaskStatus.RECEIVED, TaskStatus.RUNNING]
    assert [stream for stream, _ in Section(journal, "tx").read()] == ["tx:finalize:golden:0"]
    memory = Memory.on(LogSection(log_of(journal), "reputation"), frozenset())
    memory.recover()
    journal.close()
    assert rows(old) == [row for row in before if row[1] != "task/cursor"]


@pytest.mark.parametrize("start", ["empty", "old"])
def test_migrations_make_the_tables_that_the_code_has(start, old, tmp_path):
    path = old if start == "old" else tmp_path / "new.db"
    SqlJournal(f"sqlite:///{path}").close()
    check_tables(f"sqlite:///{path}")


@pytest.mark.postgres
def test_migrations_make_the_same_tables_on_a_server(postgres):
    SqlJournal(postgres).close()
    check_tables(driven(postgres))


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.postgres)])
def second(request, tmp_path) -> str:
    """URL of a database as version 0002 left it, with what a pool had written there."""
    on_server = request.param == "server"
    url = request.getfixturevalue("postgres") if on_server else f"sqlite:///{tmp_path}/pool.db"
    journal = SqlJournal(url)
    journal.append("task/x", {"what": "was there before"})
    journal.commit((Marked("task/deals", 7),))
    journal.close()
    engine = create_engine(driven(url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE leader DROP COLUMN address"))
        connection.execute(text("ALTER TABLE leader DROP COLUMN beats"))
        connection.execute(text("DROP INDEX ix_tasks_deal_place"))
        connection.execute(text("CREATE INDEX ix_tasks_deal_id ON tasks (deal_id)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
        was = columns(connection)
    engine.dispose()
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    with made.begin() as connection:
        migrate(connection, newest="0002")
        assert was == columns(connection), "it is what the second step makes"
    made.dispose()
    return url


def columns(connection):
    """Return the names of columns and of our indexes, by table."""
    found = inspect(connection)
    indexes = {
        table: {each["name"] for each in found.get_indexes(table) if each["name"].startswith("ix_")}
        for table in found.get_table_names()
    }
    return {
        table: {each["name"] for each in found.get_columns(table)} | indexes[table]
        for table in found.get_table_names()
    }


def driven(url):
    return url.replace("postgresql://", "postgresql+psycopg://")


def test_a_pool_of_version_0002_goes_on_with_all_that_it_had_and_one_epoch_later(second):
    journal = SqlJournal(second)
    try:
        assert list(journal.read()) == [("task/x", {"what": "was there before"})]
        assert journal.marks() == {"task/deals": 7}
        journal.append("sale/y", {"more": 1})
    finally:
        journal.close()
    check_tables(driven(second))
    engine = create_engine(driven(second))
    with engine.connect() as connection:
        leaders = connection.execute(text("SELECT epoch, address FROM leader")).all()
    engine.dispose()
    assert len(leaders) == 1
    assert leaders[0].epoch == (2 if "postgresql" in second else 0), "SQLite has one process"


def check_tables(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == NEWEST_POOL_REVISION
    engine.dispose()


def test_a_database_is_migrated_once(old):
    for _ in range(3):
        journal = SqlJournal(f"sqlite:///{old}")
        assert journal.marks() == {"task/deals": 11}
        journal.append("task/x", {})
        journal.forget("task/x")
        journal.close()


def test_a_database_of_a_later_version_is_refused_and_left_alone(old):
    SqlJournal(f"sqlite:///{old}").close()
    with sqlite3.connect(old) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    before = old.read_bytes()
    with pytest.raises(JournalTooNew, match="9999"):
        SqlJournal(f"sqlite:///{old}")
    assert old.read_bytes() == before


class PowerCut(Exception):
    """The machine went off."""


@contextmanager
def cut_at(number):
    """Let the machine go off at a statement."""
    count = 0

    def look(*_):
        nonlocal count
        count += 1
        if count == number:
            raise PowerCut

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def test_a_migration_cut_short_at_any_statement_changes_nothing(old):
    before, cuts = rows(old), 0
    for number in range(1, 200, 3):
        try:
            with cut_at(number):
                SqlJournal(f"sqlite:///{old}").close()
        except PowerCut:
            cuts += 1
            assert rows(old) == before
            assert rows(old, "SELECT name FROM sqlite_master WHERE name = 'tasks'") == []
        else:
            break
    assert cuts > 8
    journal = SqlJournal(f"sqlite:///{old}")
    assert journal.marks() == {"task/deals": 11}
    journal.close()
