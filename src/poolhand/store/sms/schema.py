"""The tables of a secret management service, as the newest migration leaves them.

``box`` columns are sealed (``store.sms.sealing``), base64 text; where a secret lies is not hidden,
for anybody may ask that. Moments are milliseconds since 1970.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Table, Text

from poolhand.store.columns import counted, numbers, texts
from poolhand.store.schema import LEADER

SECRETS_BOOK: Final = MetaData()
SECRETS_IDENTITY: Final = Table(
    "identity",
    SECRETS_BOOK,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    *texts("hub"),
)
MASTERS: Final = Table(
    "masters",
    SECRETS_BOOK,
    counted(),
    Column("name", Text, nullable=False, unique=True),
    *numbers("since"),
    sqlite_autoincrement=True,
)
"""Master keys by name (``MasterKey.name``), the newest last; the keys themselves are nowhere."""
DATA_KEYS: Final = Table(
    "data_keys",
    SECRETS_BOOK,
    counted(),
    Column("id", Text, nullable=False, unique=True),
    *numbers("since"),
    sqlite_autoincrement=True,
)
"""Data keys; the newest seals what is written."""
WRAPPINGS: Final = Table(
    "wrappings",
    SECRETS_BOOK,
    Column("key_id", Text, ForeignKey("data_keys.id"), primary_key=True),
    Column("master", Text, ForeignKey("masters.name"), primary_key=True),
    *texts("box"),
)
"""Each data key, sealed under each master key that opens it."""
SECRETS: Final = Table(
    "secrets",
    SECRETS_BOOK,
    Column("store", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key_id", Text, ForeignKey("data_keys.id"), nullable=False, index=True),
    *texts("box"),
    *numbers("added", "changed"),
)
AUDIT: Final = Table(
    "audit",
    SECRETS_BOOK,
    counted(),
    *numbers("moment"),
    *texts("act", "store", "kind", "owner", "name", "caller"),
    sqlite_autoincrement=True,
)
"""What was done with which secret, and for whom; rows are added and nothing else."""
SECRETS_LEADER: Final = LEADER.to_metadata(SECRETS_BOOK)
SEALED: Final = (SECRETS,)
"""Tables with ``key_id`` and ``box``."""
