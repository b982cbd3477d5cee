"""Journals: in a file of checked lines, in an SQL database, or in memory; all alike."""
