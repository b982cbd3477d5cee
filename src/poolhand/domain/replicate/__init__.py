"""A replicate: one worker's attempt at one task. Statuses and edges, and the worker's machine."""
