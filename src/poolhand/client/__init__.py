"""Clients: what the command line and programs in Python know of chain, wallet and services."""
