"""How a worker is put together to misbehave: one ``WorkerParts`` per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from poolhand.devnet.adversaries.boast import BoastingLink, boast
from poolhand.devnet.adversaries.flood import flood_through
from poolhand.devnet.adversaries.kinds import Kind
from poolhand.devnet.adversaries.lies import Copier, compute_and_lie, compute_nothing
from poolhand.devnet.adversaries.rubbish import Litterer
from poolhand.devnet.adversaries.silence import Mute, contribute_late, do_nothing, fail
from poolhand.devnet.adversaries.stages import crooked
from poolhand.devnet.adversaries.vanish import Vanishing, kill_this_process
from poolhand.transport.listener import ClientRules
from poolhand.worker.parts import WorkerParts

_UNPACED: Final = ClientRules(pace=None)


def misbehaving_parts(kind: Kind, end: Callable[[], None] = kill_this_process) -> WorkerParts:
    """Return the parts of an adversary.

    Args:
        kind: Of the adversary.
        end: What VANISHES ends its program with.
    """
    made: Mapping[Kind, Callable[[], WorkerParts]] = {
        Kind.WRONG_HASH: lambda: WorkerParts(stages=crooked(compute=compute_and_lie)),
        Kind.COPIED_HASH: _copying,
        Kind.NEVER_REVEALS: lambda: WorkerParts(stages=crooked(reveal=do_nothing)),
        Kind.RUBBISH_UPLOAD: lambda: WorkerParts(results=Litterer),
        Kind.VANISHES: lambda: _vanishing(end),
        Kind.FLOODS: lambda: WorkerParts(link=flood_through, rules=_UNPACED),
        Kind.FAILS: lambda: WorkerParts(stages=crooked(compute=fail)),
        Kind.LATE: lambda: WorkerParts(stages=crooked(contribute=contribute_late)),
        Kind.HOG: lambda: WorkerParts(
            stages=crooked(download_app=do_nothing), claims=boast, link=BoastingLink
        ),
        Kind.BOASTER: lambda: WorkerParts(claims=boast, link=BoastingLink),
        Kind.SILENT: lambda: WorkerParts(stages=crooked(download_app=do_nothing), link=Mute),
    }
    return made[kind]()


def _copying() -> WorkerParts:
    copier = Copier()
    stages = crooked(compute=compute_nothing, contribute=copier.contribute)
    return WorkerParts(stages=stages, sender=copier.sender)


def _vanishing(end: Callable[[], None]) -> WorkerParts:
    vanishing = Vanishing(end)
    return WorkerParts(stages=crooked(compute=vanishing.compute), journal=vanishing.journal)
