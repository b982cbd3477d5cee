"""Sockets: HTTP and WebSocket clients and servers around the pure protocols of ``wire``."""
