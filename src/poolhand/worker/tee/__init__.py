"""Confidential tasks at a worker: the programs inside containers, and what serves them outside."""
