"""Roles of the server that may not do what is needed: they are told which grant helps."""

from __future__ import annotations

import re

import psycopg
import pytest

from poolhand.ports.lead import LeadClaim
from poolhand.store.roles import RoleForbidden
from poolhand.store.sql import SqlJournal
from poolhand.store.sql_reader import SqlReader

pytestmark = pytest.mark.postgres

ONE = LeadClaim("one", "http://one")
TWO = LeadClaim("two", "http://two")


class Roles:
    """Two roles that share a database, which the first one owns."""

    def __init__(self, url):
        self._url, self.names = url, []
        database = url.split("/@", 1)[-1].split("?")[0].rsplit("/", 1)[-1]
        for name in ("first", "second"):
            self.names.append(f"{name}_{database}")
            self.run(f'CREATE ROLE "{self.names[-1]}" LOGIN')
        self.run(f'ALTER DATABASE "{database}" OWNER TO "{self.names[0]}"')

    def run(self, statement):
        with psycopg.connect(self._url, autocommit=True) as server:
            server.execute(statement)

    def url(self, number):
        return self._url.replace("postgres@", f"{self.names[number]}@")


@pytest.fixture
def roles(postgres):
    return Roles(postgres)


def grant_of(told):
    """The statement that a message advises."""
    return re.search(r"GRANT [^;]*;", str(told.value)).group()


def test_a_role_that_may_not_read_the_tables_is_told_which_grant_helps(roles):
    journal, reader = SqlJournal(roles.url(0), claim=ONE), SqlReader(roles.url(1))
    with pytest.raises(RoleForbidden) as told:
        reader.sight()
    roles.run(grant_of(told))
    seen = reader.sight()
    assert seen.leader.holder == "one"
    assert seen.session.is_endable
    assert reader.end(seen) == 1
    journal.close()
    reader.close()


def test_a_role_that_may_read_and_not_end_the_other_is_told_so_before_it_matters(roles):
    journal, reader = SqlJournal(roles.url(0), claim=ONE), SqlReader(roles.url(1))
    roles.run(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{roles.names[1]}"')
    seen = reader.sight()
    for act in (reader.check_endable, reader.end):
        with pytest.raises(RoleForbidden, match="end the session of whoever leads") as told:
            act(seen)
    roles.run(grant_of(told))
    assert reader.end(reader.sight()) == 1
    journal.close()
    reader.close()


def test_a_role_that_may_not_write_takes_no_lead_and_is_told_which_grant_helps(roles):
    SqlJournal(roles.url(0), claim=ONE).close()
    with pytest.raises(RoleForbidden) as told:
        SqlJournal(roles.url(1), claim=TWO)
    roles.run(grant_of(told))
    SqlJournal(roles.url(1), claim=TWO).close()


def test_nobody_is_advised_to_be_a_member_of_a_superuser(roles, postgres):
    journal, reader = SqlJournal(postgres, claim=ONE), SqlReader(roles.url(1))
    roles.run(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{roles.names[1]}"')
    with pytest.raises(RoleForbidden, match="is a superuser") as told:
        reader.end(reader.sight())
    assert "GRANT" not in str(told.value)
    journal.close()
    reader.close()
