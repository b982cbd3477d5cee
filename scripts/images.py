"""Build Poolhand's images with the Docker engine that answers: what `make images` does.

    images.py               lays out the folder, builds all five, writes an SBOM of each
    images.py --only layout only lays out the folder that a plain `docker build` needs

The folder is `.poolhand/images/context`: Dockerfile, compose file, the wheel, requirements.txt with
all hashes, and the packages themselves, which pip downloads here, so that nothing is fetched while
an image is built. The base is the one that the Dockerfile names by its digest; where no registry
that has it can be reached, it is made of Debian's packages, and the images say so. Their tag names
version and commit, and stands in `.poolhand/images/tag`: no other checkout's images take it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sbom import LISTING, bill
from workerlock import extra_lock

from poolhand import __version__
from poolhand.scheduler.joining.docker_files import docker_files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".poolhand" / "images"
CONTEXT = FOLDER / "context"
TARGETS = ("worker", "signer", "pool", "market", "results")
TAG = FOLDER / "tag"
"""Has the tag of the images that were built last."""
LISTS = ("pool.txt", "requirements.txt")
"""Of packages with their hashes."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What wheels may ask for: what Debian 12 gives on amd64."""
PYTHON = "3.11"
STAND_IN = "poolhand/base:bookworm"
FAILED = 2


class CannotBuild(Exception):
    """Something is missing; the message says what to do."""


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(f"poolhand: {words}", file=sys.stderr, flush=True)


def told_by(command: Sequence[str]) -> str:
    """Run a program and return what it printed.

    Raises:
        CannotBuild: It failed.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CannotBuild(f"`{' '.join(command[:3])} …` failed ({said})")
    return done.stdout.strip()


def shown(command: Sequence[str]) -> None:
    """Run a program that tells the person how far it is; raises CannotBuild where it fails."""
    if subprocess.run(command, check=False).returncode:
        raise CannotBuild(f"`{' '.join(command[:3])} …` failed: see above")


def lay_out() -> None:
    """Write the files that an image is built from."""
    packages = CONTEXT / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for old in CONTEXT.glob("*.whl"):
        old.unlink()
    for name, content in docker_files().items():
        (CONTEXT / name).write_bytes(content)
    (CONTEXT / "pool.txt").write_text(extra_lock("pool"), encoding="utf-8")


def download() -> None:
    """Have pip put the packages into the folder, each at its hash, from the index it knows.

    What is there already is left: they are checked by hash once more when an image is built.
    """
    lists = [(CONTEXT / name).read_text(encoding="utf-8") for name in LISTS]
    wanted = "".join(map(_without_own, lists))
    asked, done = FOLDER / "packages.txt", FOLDER / "downloaded.txt"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return
    say("downloading the packages ...")
    asked.write_text(wanted, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    told = ["--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
    places = [word for each in PLATFORMS for word in ("--platform", each)]
    shown([*pip, *told, *places, "--dest", str(CONTEXT / "packages"), "-r", str(asked)])
    asked.rename(done)


def _without_own(requirements: str) -> str:
    """Return the list without the wheel, which lies in the folder already."""
    return requirements.partition("./poolhand-")[0]


def base() -> tuple[str, str]:
    """Return the base image and its digest: the one that the Dockerfile names, or a stand-in."""
    found = re.search(r"^ARG BASE=(\S+)$", (CONTEXT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    named = found[1]
    if subprocess.run(("docker", "pull", "--quiet", named), check=False).returncode == 0:
        return named, named.rpartition("@")[2]
    say(f"{named} cannot be pulled here: making a base of Debian's packages instead")
    return STAND_IN, stand_in()


def stand_in() -> str:
    """Make Debian 12 with its Python and no more; returns the digest."""
    return debian(STAND_IN, "base.tar", "python3", "python3-venv", "ca-certificates")


def debian(image: str, kept: str, *packages: str) -> str:
    """Make Debian 12 with some packages and no more (needs root, mmdebstrap).

    Args:
        image: What it is to be called.
        kept: Name of the archive that the next build takes.
        packages: Of Debian's.

    Returns:
        The image's digest.

    Raises:
        CannotBuild: It could not be made.
    """
    if shutil.which("mmdebstrap") is None:
        shown([str(ROOT / "scripts" / "apt-install"), "what makes a Debian", "mmdebstrap"])
    archive = FOLDER / kept
    if not archive.exists():
        draft = archive.with_suffix(".part.tar")
        lean = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")]
        asked = f"--include={','.join(packages)}"
        shown(["mmdebstrap", "--quiet", "--variant=minbase", asked, *lean, "bookworm", str(draft)])
        draft.rename(archive)
    return told_by(["docker", "import", "--change", 'CMD ["python3"]', str(archive), image])


def build(target: str, image: str, digest: str, revision: str) -> str:
    """Build one image; returns its id."""
    name = f"poolhand/{target}:{tag_of(revision)}"
    arguments = {
        "BASE": image,
        "PIP_NO_INDEX": "1",
        "VERSION": __version__,
        "REVISION": revision,
    }
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    label = f"org.opencontainers.image.base.digest={digest}"
    shown(
        ["docker", "build", "--quiet", "--network", "none", "--target", target, "--label", label,
         *words, "--tag", name, str(CONTEXT)]
    )  # fmt: skip
    return told_by(["docker", "image", "inspect", "--format", "{{.Id}}", name])


def tag_of(revision: str) -> str:
    """Return the tag of what was built from a commit: ``latest`` would be everybody's."""
    return f"{__version__}-{revision[:12]}"


def write_bill(target: str, identity: str) -> Path:
    """Ask an image what is in it, and write that down."""
    python = ["--entrypoint", "/opt/poolhand/bin/python", identity, "-c", LISTING]
    listed = json.loads(told_by(["docker", "run", "--rm", "--network", "none", *python]))
    hashes = "".join((CONTEXT / name).read_text(encoding="utf-8") for name in LISTS)
    path = FOLDER / f"{target}.cdx.json"
    made = bill(f"poolhand-{target}", __version__, identity, listed, hashes)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: Sequence[str]) -> int:
    """Build all of them."""
    lay_out()
    if list(arguments) == ["--only", "layout"]:
        say(f"ready: docker build --target worker {CONTEXT.relative_to(ROOT)}")
        return 0
    download()
    image, digest = base()
    revision = told_by(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
    for target in TARGETS:
        identity = build(target, image, digest, revision)
        size = int(told_by(["docker", "image", "inspect", "--format", "{{.Size}}", identity]))
        path = write_bill(target, identity)
        say(f"poolhand/{target}  {size / 1e6:.0f} MB  {identity[:19]}  {path.name}")
    TAG.write_text(tag_of(revision) + "\n", encoding="utf-8")
    say(f"the tag of all five, for a pool's .env: POOLHAND_VERSION={tag_of(revision)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotBuild as trouble:
        say(str(trouble))
        sys.exit(FAILED)
