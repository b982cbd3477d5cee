"""Having the workers of a fleet replaced by a newer version, one after the other.

Each is replaced as ``poolhand worker upgrade`` replaces one: between two tasks, once the new
version was tried and let in. The first at which it does not come up is the last that is asked: what
fails there would fail at the others, which work on as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.fleet.rows import ask_all, member_page
from poolhand.cli.upgrading import UpgradeFailed, known_release, newest_of, take_over
from poolhand.cli.worker_page import Page
from poolhand.domain.errors import PoolhandError
from poolhand.domain.text import shown


@dataclass(frozen=True, slots=True)
class MemberUpgrade:
    """What has become of one worker.

    Attributes:
        member: Which.
        state: ``newest``, ``newer``, ``upgraded``, ``failed``, ``not tried``, ``not running``,
            ``elsewhere`` or ``no answer``.
        version: That works now; empty: it does not run here.
        newer: That the pool gives; empty: none.
        trouble: Why it is not as it should be; empty: it is.
    """

    member: FleetMember
    state: str
    version: str = ""
    newer: str = ""
    trouble: str = ""

    def members(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "name": self.member.name,
            "state": self.state,
            "version": self.version or None,
            "newer": self.newer or None,
            "trouble": self.trouble or None,
        }


@dataclass(frozen=True, slots=True)
class _Looked:
    """A worker whose pool gives a newer version."""

    member: FleetMember
    page: Page
    own: str
    newer: Mapping[str, Any]

    @property
    def version(self) -> str:
        return shown(str(self.newer["version"]), 40)

    def outcome(self, state: str, trouble: str = "") -> MemberUpgrade:
        return MemberUpgrade(self.member, state, self.own, self.version, trouble)


class FleetUpgrade:
    """Looks at all workers of a fleet, then has those replaced for which there is a newer version.

    Args:
        folder: Of the fleet.
        members: Its workers.
        told: Of how far it is.
    """

    def __init__(
        self, folder: FleetFolder, members: Sequence[FleetMember], told: Callable[[str], None]
    ) -> None:
        self._folder, self._members, self._told = folder, members, told
        self._found: dict[FleetMember, MemberUpgrade | _Looked] = {}

    def look(self) -> str:
        """Have each worker ask its pool; returns what is given, in words; empty: nothing newer."""
        self._found = ask_all(self._members, self._look_at)
        releases = {
            each.newer["requirements_sha256"]: known_release(each.own, each.newer)
            for each in self._looked
        }
        return "\n".join(releases.values())

    @property
    def due(self) -> int:
        """Count the workers for which there is a newer version."""
        return len(self._looked)

    @property
    def _looked(self) -> list[_Looked]:
        return [each for each in self._found.values() if isinstance(each, _Looked)]

    def outcomes(self) -> list[MemberUpgrade]:
        """Return how each worker stands, as it was seen or as it has become."""
        return [
            each.outcome("newer") if isinstance(each, _Looked) else each
            for each in self._found.values()
        ]

    def carry_out(self) -> None:
        """Replace one after the other; one that fails ends it, and is told with the others."""
        stopped_by = ""
        for each in self._looked:
            if stopped_by:
                why = f"{stopped_by} was not replaced: see to that, and give the same command again"
                self._found[each.member] = each.outcome("not tried", why)
                continue
            try:
                take_over(each.page, each.newer, partial(self._say, each.member))
            except PoolhandError as fault:
                self._found[each.member] = each.outcome("failed", str(fault))
                if isinstance(fault, UpgradeFailed):
                    stopped_by = each.member.name
            else:
                self._found[each.member] = MemberUpgrade(each.member, "upgraded", each.version)

    def _say(self, member: FleetMember, said: str) -> None:
        self._told(f"{member.name}: {said}")

    def _look_at(self, member: FleetMember) -> MemberUpgrade | _Looked:
        if not member.is_here:
            return MemberUpgrade(member, "elsewhere")
        page = member_page(self._folder, member)
        if page is None:
            return MemberUpgrade(member, "not running")
        try:
            told = newest_of(page)
        except PoolhandError as fault:
            return MemberUpgrade(member, "no answer", trouble=str(fault))
        own = shown(str(told["version"]), 40)
        if told["newer"] is None:
            return MemberUpgrade(member, "newest", own)
        looked = _Looked(member, page, own, told["newer"])
        if told["newer"]["obstacle"]:
            return looked.outcome("failed", shown(str(told["newer"]["obstacle"]), 1_000))
        return looked
