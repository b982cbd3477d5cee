"""Debian's Chromium, headless, what judges pages in it, and the sizes in which they are looked at."""

from __future__ import annotations

import os
import shutil

from poolhand.devnet.artifacts import Package

AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ("axe.min.js", "LICENSE*"),
)
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = (
    "these tests need Chromium, and this machine has none: `scripts/apt-install Chromium "
    "chromium-headless-shell libatomic1` as root installs it; elsewhere name a program by "
    'CHROMIUM=/path; -m "not browser" leaves these tests out'
)


class NoChromium(Exception):
    """The machine has no browser to drive."""


def chromium() -> str:
    """Return the browser's program."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromium(MISSING)
    return found
