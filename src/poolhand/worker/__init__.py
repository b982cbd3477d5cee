"""The worker: takes tasks from a pool, computes them in a sandbox, and is paid for it."""
