"""The scheduler's public read API: a module per thing that is asked for, each given what it shows.

Answers are JSON; faults are ``{"code", "message"}`` with the status of their root error.
"""
