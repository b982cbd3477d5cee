"""Journals: in a file of checked lines, in an SQL database, or in memory; all alike."""

from __future__ import annotations

from poolhand.store.errors import (
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalTooNew,
    JournalUnwritable,
)
from poolhand.store.file import FileJournal
from poolhand.store.group import GroupCommit, grouped
from poolhand.store.memory import MemoryJournal
from poolhand.store.record import Codec
from poolhand.store.repair import RepairReport, repair
from poolhand.store.sql import SqlJournal, file_of

__all__ = [
    "Codec",
    "FileJournal",
    "GroupCommit",
    "JournalCorrupt",
    "JournalFull",
    "JournalLocked",
    "JournalTooNew",
    "JournalUnwritable",
    "MemoryJournal",
    "RepairReport",
    "SqlJournal",
    "file_of",
    "grouped",
    "repair",
]
