"""Poolhand: the iExec decentralised-computing network in Python."""

__version__ = "0.1.0"
