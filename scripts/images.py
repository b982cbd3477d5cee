"""Build Poolhand's images with the Docker engine that answers: what `make images` does.

    images.py               lays out the folder, builds all five, writes an SBOM of each
    images.py --only layout only lays out the folder that a plain `docker build` needs

The folder is `.poolhand/images/context`: Dockerfile, compose file, the wheel, requirements.txt with
all hashes, and the packages themselves, which pip downloads here, so that nothing is fetched while
an image is built. The base is the one that the Dockerfile names by its digest; where no registry
that has it can be reached, it is made of Debian's packages, and the images say so. Their tag names
version, commit and processor, and stands in `.poolhand/images/tag`: no other checkout's images take
it. Images for another processor than the engine's (DOCKER_DEFAULT_PLATFORM; emulator.py) have all
of this in a folder below, such as `.poolhand/images/arm64`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import NEEDS_SOMETHING, NeedsSomething, say, shown, told_by
from emulator import MACHINES, engine_platform, wanted_platform
from imagefile import load
from sbom import LISTING, bill
from workerlock import extra_lock

from poolhand import __version__
from poolhand.scheduler.joining.docker_files import docker_files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".poolhand" / "images"
TARGETS = ("worker", "signer", "pool", "market", "results")
LISTS = ("pool.txt", "requirements.txt")
"""Of packages with their hashes."""
MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What wheels may ask for: what Debian 12 gives."""
PYTHON = "3.11"


@dataclass(frozen=True, slots=True)
class Images:
    """What images are built for, and the folder that has what belongs to them."""

    platform: str
    folder: Path

    @classmethod
    def wanted(cls) -> Images:
        """Return those of the platform that is asked for.

        Raises:
            NeedsSomething: None are built for it.
        """
        platform = wanted_platform()
        made = cls(platform, FOLDER)
        return made if platform == engine_platform() else cls(platform, FOLDER / made.processor)

    @property
    def processor(self) -> str:
        """As Go and Debian call it."""
        return self.platform.partition("/")[2]

    @property
    def context(self) -> Path:
        """What `docker build` is given."""
        return self.folder / "context"

    @property
    def tag(self) -> Path:
        """Has the tag of those that were built last."""
        return self.folder / "tag"

    def tag_of(self, revision: str) -> str:
        """Return the tag of what is built from a commit: ``latest`` would be everybody's."""
        return f"{__version__}-{revision[:12]}-{self.processor}"


def lay_out(context: Path) -> None:
    """Write the files that an image is built from."""
    packages = context / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for old in context.glob("*.whl"):
        old.unlink()
    for name, content in docker_files().items():
        (context / name).write_bytes(content)
    (context / "pool.txt").write_text(extra_lock("pool"), encoding="utf-8")


def download(images: Images) -> None:
    """Have pip put the packages into the folder, each at its hash, from the index it knows.

    What is there already is left: they are checked by hash once more when an image is built.
    """
    lists = [(images.context / name).read_text(encoding="utf-8") for name in LISTS]
    wanted = "".join(map(_without_own, lists))
    asked, done = images.folder / "packages.txt", images.folder / "downloaded.txt"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return
    say("downloading the packages ...")
    asked.write_text(wanted, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    told = ["--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
    machine = MACHINES[images.platform]
    places = [word for each in MANYLINUX for word in ("--platform", f"{each}_{machine}")]
    shown([*pip, *told, *places, "--dest", str(images.context / "packages"), "-r", str(asked)])
    asked.rename(done)


def _without_own(requirements: str) -> str:
    """Return the list without the wheel, which lies in the folder already."""
    return requirements.partition("./poolhand-")[0]


def base(images: Images) -> tuple[str, str]:
    """Return the base image and its digest: the one that the Dockerfile names, or a stand-in."""
    dockerfile = (images.context / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    assert found is not None
    named = found[1]
    pulled = named if images.folder == FOLDER else _of_platform(named, images.processor)
    pull = ("docker", "pull", "--quiet", "--platform", images.platform, pulled)
    if subprocess.run(pull, check=False).returncode == 0:
        return pulled, pulled.rpartition("@")[2]
    say(f"{pulled} cannot be pulled here: making a base of Debian's packages instead")
    return stand_in(images)


def _of_platform(named: str, processor: str) -> str:
    """Return an image of an index by its own digest: an engine has one image by the index's."""
    asked = ("docker", "manifest", "inspect", named)
    told = subprocess.run(asked, check=False, capture_output=True, text=True)
    entries = json.loads(told.stdout).get("manifests", ()) if told.returncode == 0 else ()
    digests = [
        each["digest"]
        for each in entries
        if (each["platform"]["os"], each["platform"]["architecture"]) == ("linux", processor)
    ]
    return f"{named.partition('@')[0]}@{digests[0]}" if digests else named


def stand_in(images: Images) -> tuple[str, str]:
    """Make Debian 12 with its Python and no more; returns the image's name and digest."""
    name = f"poolhand/base:bookworm-{images.processor}"
    return name, debian(images, name, "base.tar", "python3", "python3-venv", "ca-certificates")


def debian(images: Images, name: str, kept: str, *packages: str) -> str:
    """Make Debian 12 with some packages and no more (needs root, mmdebstrap).

    Args:
        images: Whose processor it is for.
        name: What the image is to be called.
        kept: Name of the archive that the next build takes.
        packages: Of Debian's.

    Returns:
        The image's digest.

    Raises:
        NeedsSomething: It could not be made.
    """
    if shutil.which("mmdebstrap") is None or shutil.which("arch-test") is None:
        install = [str(ROOT / "scripts" / "apt-install"), "what makes a Debian", "mmdebstrap"]
        shown([*install, "arch-test"])
    archive = images.folder / kept
    if not archive.exists():
        draft = archive.with_suffix(".part.tar")
        lean = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")]
        asked = [f"--arch={images.processor}", f"--include={','.join(packages)}"]
        shown(["mmdebstrap", "--quiet", "--variant=minbase", *asked, *lean, "bookworm", str(draft)])
        draft.rename(archive)
    return load(name, images.platform, archive, ("python3",))


def build(images: Images, target: str, image: tuple[str, str], revision: str) -> str:
    """Build one image on a base, given by name and digest; returns its id."""
    name = f"poolhand/{target}:{images.tag_of(revision)}"
    arguments = {
        "BASE": image[0],
        "PIP_NO_INDEX": "1",
        "VERSION": __version__,
        "REVISION": revision,
    }
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    label = f"org.opencontainers.image.base.digest={image[1]}"
    shown(
        ["docker", "build", "--quiet", "--network", "none", "--platform", images.platform,
         "--target", target, "--label", label, *words, "--tag", name, str(images.context)]
    )  # fmt: skip
    return told_by(["docker", "image", "inspect", "--format", "{{.Id}}", name])


def write_bill(images: Images, target: str, identity: str) -> Path:
    """Ask an image what is in it, and write that down."""
    python = ["--entrypoint", "/opt/poolhand/bin/python", identity, "-c", LISTING]
    run = ["docker", "run", "--rm", "--network", "none", "--platform", images.platform]
    listed = json.loads(told_by([*run, *python]))
    hashes = "".join((images.context / name).read_text(encoding="utf-8") for name in LISTS)
    path = images.folder / f"{target}.cdx.json"
    made = bill(f"poolhand-{target}", __version__, identity, listed, hashes)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: Sequence[str]) -> int:
    """Build all of them."""
    if list(arguments) == ["--only", "layout"]:
        context = FOLDER / "context"
        lay_out(context)
        say(f"ready: docker build --target worker {context.relative_to(ROOT)}")
        return 0
    images = Images.wanted()
    lay_out(images.context)
    download(images)
    image = base(images)
    revision = told_by(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
    for target in TARGETS:
        identity = build(images, target, image, revision)
        size = int(told_by(["docker", "image", "inspect", "--format", "{{.Size}}", identity]))
        path = write_bill(images, target, identity)
        told = f"{size / 1e6:.0f} MB  {identity[:19]}  {path.relative_to(FOLDER)}"
        say(f"poolhand/{target}  {images.platform}  {told}")
    tag = images.tag_of(revision)
    images.tag.write_text(tag + "\n", encoding="utf-8")
    say(f"the tag of all five, for a pool's .env: POOLHAND_VERSION={tag}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NeedsSomething as trouble:
        say(str(trouble))
        sys.exit(NEEDS_SOMETHING)
