"""Signing what no wallet of the product signs: bytes that a test chooses."""

from __future__ import annotations


def sign_digest(wallet, digest):
    """Sign 32 bytes; r, s and v."""
    key = wallet._Wallet__key
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])
