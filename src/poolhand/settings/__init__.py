"""Typed settings, read once by each program's composition root."""
