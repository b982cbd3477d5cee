"""``poolhand worker upgrade``: see which version the pool gives, and have the worker take it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from poolhand.cli.confirming import confirm
from poolhand.cli.exits import INTERRUPTED
from poolhand.cli.saying import say
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.domain.release import UpgradeState
from poolhand.domain.text import shown
from poolhand.worker.pid_file import read

PAUSE_BETWEEN_UPGRADE_LOOKS: Final = 1.0
"""Seconds between two looks at a worker that is replaced."""
REPLACEMENT_LIMIT: Final = 1_200.0
"""Seconds for a worker that has ended to be there again, in the new version or in the old one."""
RELEASE_LOOK_LIMIT: Final = 120.0
"""Seconds for a worker to ask its pool which version there is."""
_TOLD: Final = {
    UpgradeState.INSTALLING: "it is being installed; the worker works on",
    UpgradeState.FINISHING: "it is installed; the worker finishes what it holds",
}


class UpgradeFailed(Unavailable):
    """The new version did not take over; the worker works on as it was."""

    def __init__(self, version: str, cause: str) -> None:
        super().__init__(
            f"version {version} did not take over, and the worker works on as before: {cause}"
        )


class UpgradeTakenBack(Refused):
    """Somebody gave the worker another order meanwhile."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"version {version} does not take over: the worker was told to go on, or to stop, "
            "meanwhile; give the same command again"
        )


class NotReplaced(Unavailable):
    """The worker ended and is not there again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the worker in {folder} has ended and does not answer: start it again as it was "
            "started, and look into its log"
        )


def upgrade(page: Page, *, only_look: bool, yes: bool, as_json: bool) -> None:
    """Show what the pool gives, ask, and have it take over; returns when it has.

    Raises:
        OrderRefused: The worker does not replace itself; the message says what to do instead.
        UpgradeFailed, UpgradeTakenBack, NotReplaced, NoToken, WorkerSilent: As they say.
    """
    before = newest_of(page)
    newer = before["newer"]
    if newer is None or only_look:
        _tell(as_json, {**before, "upgraded": False}, known_release(before["version"], newer))
        return
    say(known_release(before["version"], newer))
    version = shown(newer["version"], 40)
    if not newer["obstacle"]:  # the worker says itself what hinders it
        confirm(f"the worker installs version {version} and is started anew", yes=yes)
    try:
        take_over(page, newer, say)
    except KeyboardInterrupt:
        say("the worker goes on with it; `poolhand worker resume` takes it back before it ends")
        raise typer.Exit(INTERRUPTED) from None
    told = {"version": newer["version"], "newer": None, "upgraded": True}
    _tell(as_json, told, f"version {version} works now")


def newest_of(page: Page) -> dict[str, Any]:
    """Have a worker ask its pool: its own ``version``, and ``newer`` of the pool's, or None.

    Raises:
        OrderRefused, OrderUnavailable, NoToken, WorkerSilent: As ``Page.order``.
    """
    return page.order("upgrade/look", time_limit=RELEASE_LOOK_LIMIT)


def take_over(page: Page, newer: Mapping[str, Any], told: Callable[[str], None]) -> None:
    """Have a newer version take over, and return when it works.

    Args:
        page: Of the worker.
        newer: What ``newest_of`` told of it; another than this is not installed.
        told: Of how far it is.

    Raises:
        OrderRefused: The worker does not replace itself; the message says what to do instead.
        UpgradeFailed, UpgradeTakenBack, NotReplaced, NoToken, WorkerSilent: As they say.
    """
    folder = Path(page.status()["folder"])
    page.order("upgrade", {"requirements_sha256": newer["requirements_sha256"]})
    _watch(page, folder, newer, told)


def known_release(own: str, newer: Mapping[str, Any] | None) -> str:
    """Say which version works, and which the pool gives, with its signer and hashes."""
    if newer is None:
        return f"version {own} works, and the pool gives no newer one"
    told = {name: shown(str(text), 80) for name, text in newer.items()}
    failure = (
        f"\nit was tried and did not take over: {newer['failure']}" if newer["failure"] else ""
    )
    obstacle = (
        f"\nthe worker cannot install it itself: {newer['obstacle']}" if newer["obstacle"] else ""
    )
    return (
        f"version {own} works, and the pool gives version {told['version']}\n"
        f"signed by the pool's owner {told['signed_by']}\n"
        f"wheel        sha256 {told['wheel_sha256']}\n"
        f"all packages sha256 {told['requirements_sha256']}{failure}{obstacle}"
    )


def _watch(page: Page, folder: Path, newer: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Tell how far it is, until the new version works."""
    version, state = str(newer["version"]), ""
    while True:
        try:
            told = page.status()
        except WorkerSilent:
            tell(f"the worker has ended; version {shown(version, 40)} is tried")
            _check_replaced(_again(folder), version)
            return
        found = told.get("upgrade") or {"state": UpgradeState.AVAILABLE, "tries": 0}
        if told["version"] == version:
            return
        if found["state"] == UpgradeState.FAILED and found["tries"] != newer["tries"]:
            raise UpgradeFailed(version, found["failure"])
        if state == UpgradeState.FINISHING and found["state"] != state:
            raise UpgradeTakenBack(version)
        if found["state"] != state and found["state"] in _TOLD:
            state = found["state"]
            tell(_TOLD[UpgradeState(state)])
        time.sleep(PAUSE_BETWEEN_UPGRADE_LOOKS)


def _again(folder: Path) -> Page:
    """Return the page of the worker in a folder, once it is there again."""
    until = time.monotonic() + REPLACEMENT_LIMIT
    while time.monotonic() < until:
        found = read(folder)
        if found is not None and found.is_running:
            page = Page(found.url, found.token, found)
            try:
                page.status()
            except WorkerSilent:
                pass
            else:
                return page
        time.sleep(PAUSE_BETWEEN_UPGRADE_LOOKS)
    raise NotReplaced(folder)


def _check_replaced(page: Page, version: str) -> None:
    if page.status()["version"] == version:
        return
    cause = "its log says why"
    try:
        newer = newest_of(page)["newer"]
    except PoolhandError:
        newer = None
    if newer is not None and newer["failure"]:
        cause = str(newer["failure"])
    raise UpgradeFailed(version, cause)


def _tell(as_json: bool, members: Mapping[str, Any], sentence: str) -> None:
    if as_json:
        print(json.dumps(members, indent=2))
    else:
        say(sentence, on_output=True)
