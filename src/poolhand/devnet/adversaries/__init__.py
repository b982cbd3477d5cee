"""*Simulated adversaries*: real workers, one part of which misbehaves.

Each is the program of ``poolhand worker start`` with its own wallet, session, journal and chain,
put together with another ``worker.parts.WorkerParts``. What follows from what it does is thus
decided by the real contracts, pool and results service, and what they do about it is true of any
such worker.
"""
