"""Secrets of a secret management service, encrypted wherever they lie."""
