"""Whether an engine that would not start a container speaks of the container, or of itself.

An engine that is ending (``systemctl restart docker``, a kill) still answers for seconds, and says
of every container that it could not be started: status 500, as for much else that is no fault of
the app. So such an answer is believed only when an engine gives it again and again, and never
while its words tell of its end.

Source: seen with Docker 20.10.24, ended by SIGTERM and SIGKILL 120 times while containers started.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from aiodocker import DockerError

from poolhand.containers.engine import NO_ANSWER, is_ending

OWN_FAULT: Final = range(500, 600)
"""Statuses with which an engine tells of a fault that the request did not have."""
DOUBTED: Final = 2
"""Answers in a row for one container that are not believed."""


class StartDoubts:
    """Counts refusals of one engine, by container."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()

    def speaks_of_itself(self, name: str, fault: DockerError) -> bool:
        """Tell whether the engine, not container ``name``, is to be tried again for ``fault``."""
        if fault.status == NO_ANSWER:
            return True
        if fault.status not in OWN_FAULT:
            return False
        self._refused[name] += 1
        return is_ending(fault) or self._refused[name] <= DOUBTED

    def forget(self, name: str) -> None:
        """Begin anew with a container."""
        self._refused.pop(name, None)
