"""Images of apps: described in Python, built as layers over a base, pushed to a registry."""
