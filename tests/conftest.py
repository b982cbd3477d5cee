"""Puts this folder on the path of every test; what needs a chain asks ``chain_fixtures`` for it."""
