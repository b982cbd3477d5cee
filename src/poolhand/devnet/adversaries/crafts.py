"""How a worker is put together to misbehave: one ``Craft`` per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from poolhand.devnet.adversaries.boast import boast
from poolhand.devnet.adversaries.flood import flood_through
from poolhand.devnet.adversaries.kinds import Kind
from poolhand.devnet.adversaries.lies import compute_and_lie, compute_nothing, copy
from poolhand.devnet.adversaries.rubbish import upload_rubbish
from poolhand.devnet.adversaries.silence import Mute, contribute_late, do_nothing, fail
from poolhand.devnet.adversaries.stages import crooked
from poolhand.devnet.adversaries.vanish import Vanishing, kill_this_process
from poolhand.transport.listener import ClientRules
from poolhand.worker.craft import Craft

_UNPACED: Final = ClientRules(pace=None)


def craft_of(kind: Kind, end: Callable[[], None] = kill_this_process) -> Craft:
    """Return the parts of an adversary.

    Args:
        kind: Of the adversary.
        end: What VANISHES ends its program with.
    """
    made: Mapping[Kind, Callable[[], Craft]] = {
        Kind.WRONG_HASH: lambda: Craft(hands=crooked(compute=compute_and_lie)),
        Kind.COPIED_HASH: lambda: Craft(hands=crooked(compute=compute_nothing, contribute=copy)),
        Kind.NEVER_REVEALS: lambda: Craft(hands=crooked(reveal=do_nothing)),
        Kind.RUBBISH_UPLOAD: lambda: Craft(hands=crooked(upload=upload_rubbish)),
        Kind.VANISHES: lambda: _vanishing(end),
        Kind.FLOODS: lambda: Craft(link=flood_through, rules=_UNPACED),
        Kind.FAILS: lambda: Craft(hands=crooked(compute=fail)),
        Kind.LATE: lambda: Craft(hands=crooked(contribute=contribute_late)),
        Kind.HOG: lambda: Craft(hands=crooked(download_app=do_nothing), claims=boast),
        Kind.BOASTER: lambda: Craft(claims=boast),
        Kind.SILENT: lambda: Craft(hands=crooked(download_app=do_nothing), link=Mute),
    }
    return made[kind]()


def _vanishing(end: Callable[[], None]) -> Craft:
    vanishing = Vanishing(end)
    return Craft(hands=crooked(compute=vanishing.compute), journal=vanishing.journal)
