"""Codecs between bytes and domain values; whatever is malformed raises ``Malformed``."""
