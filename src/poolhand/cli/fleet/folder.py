"""What a fleet leaves on this machine: its members, their wallets, one password, their settings.

A member is a ``JoinFolder`` of its own, so that whatever keeps one joined worker running keeps each
of a fleet. Wallets and password lie in the fleet's folder, not among a person's wallets.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from poolhand.cli.join_folder import JOIN_HOME_VARIABLE, JoinFolder
from poolhand.domain.errors import Refused
from poolhand.domain.fleet_money import FleetWish
from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, Wei
from poolhand.observe.private import write_private
from poolhand.settings.home import at_home

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")
"""Of a fleet; its workers add a number to it."""
_MEMBER_NAME: Final = re.compile(_NAME.pattern + r"-[0-9]{3,4}")
_STOPPED: Final = "stopped"
"""File of a member that its operator has stopped: nothing starts it again by itself."""
_COLLECTING: Final = "collecting"
"""File of a member that is stopped for a collection alone: that starts it again."""


class NoFleet(Refused):
    """No fleet of this name is here."""


class BadFleetName(Refused):
    """A fleet cannot be called so."""


class FleetUnreadable(Refused):
    """What stands in a fleet's folder is none."""


@dataclass(frozen=True, slots=True)
class FleetMember:
    """One worker of a fleet.

    Attributes:
        account: Number of its wallet among the accounts of the recovery phrase, from 0.
        name: Of the worker.
        address: Of its wallet.
        is_here: Whether it is to run on this machine.
    """

    account: int
    name: str
    address: str
    is_here: bool = True

    @property
    def wallet(self) -> Address:
        """Its wallet's address."""
        return Address.parse(self.address)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet as it is remembered.

    Attributes:
        url: Where its pool answers.
        pool: The workerpool's contract.
        settings: Of every worker: pool and chain, by the names of ``worker start``.
        slots: Tasks at once of each worker.
        coin, stake: What each wallet is to have (wei, nRLC); None until it was decided.
        payer: Whose payments are under way, which must end before others begin; empty: nobody's.
        members: The workers, those that were removed left out.
        accounts: How many accounts of the phrase were ever used.
        first: The phrase's first account, by which a phrase is known again.
    """

    url: str
    pool: str
    settings: Mapping[str, str]
    slots: int
    members: tuple[FleetMember, ...]
    accounts: int
    first: str
    coin: int | None = None
    stake: int | None = None
    payer: str = ""

    @property
    def wish(self) -> FleetWish | None:
        """What each wallet is to have; None until it was decided."""
        if self.coin is None or self.stake is None:
            return None
        return FleetWish(Wei(self.coin), NanoRlc(self.stake))

    def wishing(self, wish: FleetWish) -> Fleet:
        """Return the fleet with what each wallet is to have."""
        return replace(self, coin=int(wish.coin), stake=int(wish.stake))

    @property
    def here(self) -> tuple[FleetMember, ...]:
        """Members that run on this machine."""
        return tuple(each for each in self.members if each.is_here)


@dataclass(frozen=True, slots=True)
class FleetFolder:
    """Where a fleet is remembered."""

    path: Path

    @classmethod
    def of(cls, name: str) -> FleetFolder:
        """Return the folder of a name, which need not be there.

        Raises:
            BadFleetName: Its workers could not be called by it.
        """
        if not _NAME.fullmatch(name):
            raise BadFleetName(
                f"a fleet cannot be called {shown(name, 80)}: letters, digits, '-' and '_' only, "
                "at most 30"
            )
        return cls(_fleets() / name)

    @classmethod
    def meant(cls, name: str) -> FleetFolder:
        """Return the fleet that is named, or the only one.

        Raises:
            NoFleet: There is none, or there are several and none is named.
        """
        if name:
            found = cls.of(name)
            if not found.is_made:
                raise NoFleet(f"no fleet '{name}' is in {_fleets()}: {_known()}")
            return found
        names = fleet_names()
        if len(names) == 1:
            return cls.of(names[0])
        if not names:
            raise NoFleet("no fleet is here: make one with `poolhand fleet up`")
        raise NoFleet(f"{len(names)} fleets are here: name one with --fleet ({', '.join(names)})")

    @property
    def name(self) -> str:
        """The fleet's."""
        return self.path.name

    @property
    def is_made(self) -> bool:
        """Whether its wallets are made."""
        return self._file.exists()

    @property
    def wallets(self) -> Path:
        """Keystore files of its workers."""
        return self.path / "wallets"

    @property
    def staged(self) -> Path:
        """Keystore files that are being made, of a phrase that nobody has written down yet."""
        return self.path / "new-wallets"

    @property
    def password(self) -> Path:
        """The file with the password of all its keystores."""
        return self.path / "password"

    @property
    def payments(self) -> Path:
        """Journals of what its wallets send when rewards are collected."""
        return self.path / "payments"

    @property
    def log(self) -> Path:
        """What the supervisor says."""
        return self.path / "supervisor.log"

    @property
    def _file(self) -> Path:
        return self.path / "fleet.json"

    def make(self) -> None:
        """Make the folder, for its owner alone; repeatable."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self) -> Fleet:
        """Return the fleet.

        Raises:
            FleetUnreadable: It was altered.
        """
        try:
            told: Any = parse_json(self._file.read_text(encoding="utf-8"))
            members = tuple(_member(each) for each in told.pop("members"))
            found = Fleet(**told, members=members)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, Refused) as fault:
            raise FleetUnreadable(
                f"{self._file} does not read ({fault}): put back the file as it was"
            ) from fault
        return found

    def write(self, fleet: Fleet) -> None:
        """Remember a fleet, whole or not at all."""
        self.make()
        write_private(self._file, json.dumps(asdict(fleet), indent=1), lasting=True)

    def member(self, member: FleetMember) -> JoinFolder:
        """Return the folder of a worker's settings."""
        return JoinFolder(self.path / "members" / member.name, self.path / "workers", member.name)

    def keystore(self, member: FleetMember) -> Path:
        """Return a worker's keystore file."""
        return self.wallets / f"{member.name}.json"

    def write_settings(self, fleet: Fleet) -> None:
        """Write the settings of workers that run here, where they have none; repeatable.

        Those that are there stay as they are: their owner may have changed them.
        """
        for each in fleet.here:
            folder = self.member(each)
            if not folder.settings.exists():
                folder.write(self._settings(fleet, each), each.wallet)

    def _settings(self, fleet: Fleet, member: FleetMember) -> Mapping[str, str]:
        return {
            **fleet.settings,
            "core-url": fleet.url,
            "pool-address": fleet.pool,
            "name": member.name,
            "base-dir": str(self.path / "workers"),
            "cpus": str(fleet.slots),
            "wallet": str(self.keystore(member)),
            "password-file": str(self.password),
            "status-port": "0",
        }

    def settle(self) -> None:
        """Bring keystores that were made, and that their owner can recover, to their place."""
        self.wallets.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.staged.is_dir():
            for made in sorted(self.staged.glob("*.json")):
                made.replace(self.wallets / made.name)
            self.staged.rmdir()

    def is_stopped(self, member: FleetMember) -> bool:
        """Whether its operator has stopped a worker."""
        return (self.member(member).path / _STOPPED).exists()

    def is_collecting(self, member: FleetMember) -> bool:
        """Whether a worker was stopped for a collection alone, and is not started again yet."""
        return (self.member(member).path / _COLLECTING).exists()

    def mark_collecting(self, member: FleetMember) -> None:
        """Remember that a worker is about to be stopped for a collection alone."""
        write_private(self.member(member).path / _COLLECTING, "", lasting=True)

    def forget_collecting(self, member: FleetMember) -> None:
        """Remember that a collection has nothing to do with whether a worker runs; repeatable."""
        (self.member(member).path / _COLLECTING).unlink(missing_ok=True)

    def mark(self, member: FleetMember, *, stopped: bool) -> None:
        """Remember that a worker is to run, or not to."""
        mark = self.member(member).path / _STOPPED
        if stopped:
            mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # none has one elsewhere
            write_private(mark, "", lasting=True)
        else:
            mark.unlink(missing_ok=True)

    def forget(self, member: FleetMember) -> None:
        """Take away all of a worker but its keystore."""
        folder = self.member(member)
        for each in (folder.worker, folder.path):
            shutil.rmtree(each, ignore_errors=True)


def _member(told: Any) -> FleetMember:
    """Return a member that is remembered; raises ValueError where its name may be another path."""
    found = FleetMember(**told)
    if not _MEMBER_NAME.fullmatch(found.name):
        raise ValueError(f"no worker is called {shown(found.name, 80)}")
    Address.parse(found.address)
    return found


def _fleets() -> Path:
    return at_home(os.environ.get(JOIN_HOME_VARIABLE) or "~/.poolhand") / "fleets"


def fleet_names() -> tuple[str, ...]:
    """Return the names of the fleets of this machine."""
    with suppress(OSError):
        return tuple(each.name for each in sorted(_fleets().iterdir()) if FleetFolder(each).is_made)
    return ()


def _known() -> str:
    names = fleet_names()
    return f"there are {', '.join(names)}" if names else "make one with `poolhand fleet up`"
