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

from poolhand.containers.engine import NO_ANSWER, OWN_FAULT, is_ending, words_of
from poolhand.containers.errors import ContainerRefused, SandboxUnready
from poolhand.containers.sandboxes import Sandboxes
from poolhand.domain.text import shown

DOUBTED: Final = 2
"""Answers in a row for one container that are not believed."""
_LONGEST_CAUSE: Final = 300
"""Characters of an engine's words."""


class StartDoubts:
    """Counts refusals of one engine, by container.

    Args:
        sandboxes: Know whether a runtime is to blame.
    """

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._refused: Counter[str] = Counter()

    async def refusal(self, name: str, fault: DockerError) -> Exception:
        """Return what it means that an engine would not create or start container ``name``.

        Returns:
            ``fault`` itself, where the engine is to be tried again; SandboxUnready, where its
            runtime is to blame; else ContainerRefused.

        Raises:
            DockerError: The engine does not tell whether its runtime is to blame.
        """
        if self._speaks_of_itself(name, fault):
            return fault
        self.forget(name)
        why = shown(words_of(fault), _LONGEST_CAUSE)
        if await self._sandboxes.is_to_blame(fault):
            return SandboxUnready(name, why)
        return ContainerRefused(name, why)

    def forget(self, name: str) -> None:
        """Begin anew with a container."""
        self._refused.pop(name, None)

    def _speaks_of_itself(self, name: str, fault: DockerError) -> bool:
        """Tell whether the engine, not container ``name``, is to be tried again for ``fault``."""
        if fault.status == NO_ANSWER:
            return True
        if fault.status not in OWN_FAULT:
            return False
        self._refused[name] += 1
        return is_ending(fault) or self._refused[name] <= DOUBTED
