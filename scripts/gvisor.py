"""Print where gVisor's runsc is; get it from Debian where it is missing, and install nothing.

    gvisor.py    its path on standard output; exit status 2 and what to do where it cannot be had

Debian's own mirror, which apt knows, has a version that needs nothing beside it (one static
program): it is unpacked below ``.poolhand``, and no system's sources or engine are changed.
Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from commands import NEEDS_SOMETHING, NeedsSomething, say, told_by

ROOT: Final = Path(__file__).resolve().parents[1]
PLACE: Final = ROOT / ".poolhand" / "gvisor"
RUNSC: Final = PLACE / "usr" / "bin" / "runsc"
SUITE: Final = "trixie"
"""The first Debian whose runsc has the platform systrap: the one of before runs apps by ptrace."""
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
ELSEWHERE: Final = "get it as https://gvisor.dev/docs/user_guide/install/ says, and try again"


def runsc() -> Path:
    """Return where runsc is, after getting it where it is missing.

    Raises:
        NeedsSomething: It is not here and cannot be had.
    """
    own = os.environ.get("RUNSC") or shutil.which("runsc")
    if own:
        return Path(own)
    if not RUNSC.exists():
        if not shutil.which("apt-get") or not Path(KEYRING).exists():
            raise NeedsSomething(f"gVisor's runsc is missing, and this is no Debian: {ELSEWHERE}")
        say("getting gVisor's runsc from Debian ...")
        _unpack(_mirror())
    return RUNSC


def _mirror() -> str:
    """Return the address of a Debian mirror that this machine uses."""
    told = told_by(
        ("apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(ORIGIN)",
         "Created-By: Packages")
    )  # fmt: skip
    for line in told.splitlines():
        address, component, *origin = line.split()
        if component == "main" and origin == ["Debian"] and "security" not in address:
            return address
    raise NeedsSomething(f"apt knows no mirror of Debian, which has gVisor's runsc: {ELSEWHERE}")


def _unpack(mirror: str) -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    for folder in ("apt/lists/partial", "apt/archives/partial", "apt/parts"):
        (PLACE / folder).mkdir(parents=True)
    (PLACE / "apt" / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"
    )
    options = {
        "Dir::Etc::sourcelist": "apt/sources.list",
        "Dir::Etc::sourceparts": "apt/parts",
        "Dir::State::lists": "apt/lists",
        "Dir::Cache": "apt",
    }
    apt = ["apt-get", "-q"]
    for name, place in options.items():
        apt += ["-o", f"{name}={PLACE / place}"]
    for command in ([*apt, "update"], [*apt, "download", "runsc"]):
        done = subprocess.run(command, cwd=PLACE, check=False, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise NeedsSomething(f"Debian's runsc cannot be had ({said}): {ELSEWHERE}")
    (package,) = PLACE.glob("runsc_*.deb")
    told_by(("dpkg", "-x", str(package), str(PLACE)))
    package.unlink()
    shutil.rmtree(PLACE / "apt")


if __name__ == "__main__":
    try:
        print(runsc())
    except NeedsSomething as trouble:
        say(str(trouble))
        sys.exit(NEEDS_SOMETHING)
